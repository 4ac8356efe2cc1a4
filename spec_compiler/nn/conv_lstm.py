"""Long short-term memory over images, a loop over time: torch has no kernel of it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from spec_compiler.nn.recurrent import Activation, kept, require_states


class ConvLSTM(nn.Module):
    """Long short-term memory over images: (batch, steps, channels, *lengths), the states (batch, filters, *lengths).

    `input` and `recurrent` are convolutions to four times the filters. A masked step keeps the states, and its output is
    the one before it, zeros at first. In dropout, each gate drops elements of its own, the same at every step.
    """

    def __init__(
        self,
        input: nn.Conv1d | nn.Conv2d | nn.Conv3d,
        recurrent: nn.Conv1d | nn.Conv2d | nn.Conv3d,
        activation: Activation = torch.tanh,
        recurrent_activation: Activation = torch.sigmoid,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.input = input
        self.recurrent = recurrent
        self.activation = activation
        self.recurrent_activation = recurrent_activation
        self.dropout = dropout
        self.recurrent_dropout = recurrent_dropout

    def forward(
        self, x_btc: Tensor, states: Sequence[Tensor] | None = None, mask_bt: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        rates = (self.dropout, self.recurrent_dropout) if self.training else (0.0, 0.0)
        x_btg = gates_of(self.input, x_btc, kept(x_btc[:, :1], rates[0], 4))
        zeros = torch.zeros_like(x_btg[:, 0].chunk(4, dim=1)[0])
        h, c = states or [zeros, zeros]
        for state in (h, c):
            require_states(state, zeros.shape)
        y, outputs, keep = zeros, [], kept(h.unsqueeze(1), rates[1], 4)
        for t, x_bg in enumerate(x_btg.unbind(1)):
            h_bg = gates_of(self.recurrent, h.unsqueeze(1), keep).squeeze(1)
            i, f, g, o = (x_bg + h_bg).chunk(4, dim=1)
            i, f, o = (self.recurrent_activation(gate) for gate in (i, f, o))
            new_c = torch.addcmul(f * c, i, self.activation(g))
            new_h = o * self.activation(new_c)
            if mask_bt is None:
                y, h, c = new_h, new_h, new_c
            else:
                here = mask_bt[:, t].view(-1, *[1] * (h.dim() - 1))
                y, h, c = (torch.where(here, new, old) for new, old in ((new_h, y), (new_h, h), (new_c, c)))
            outputs.append(y)
        return torch.stack(outputs, dim=1), h, c


def gates_of(conv: nn.Conv1d | nn.Conv2d | nn.Conv3d, x_btc: Tensor, keep: Tensor | None) -> Tensor:
    """`conv` of every step at once; where there is `keep`, each gate's filters over `x` times its own factors."""
    if keep is None:
        y: Tensor = conv(x_btc.flatten(0, 1))
    else:
        blocks = zip(keep.unbind(), conv.weight.chunk(len(keep)), strict=True)
        y = torch.cat([conv._conv_forward((x_btc * k).flatten(0, 1), block, None) for k, block in blocks], dim=1)
        if conv.bias is not None:
            y = y + conv.bias.view(-1, *[1] * (y.dim() - 2))
    return torch.unflatten(y, 0, x_btc.shape[:2])


class AlongChannels(nn.Module):
    """A function along the last axis, applied along the channels of (batch, channels, *lengths)."""

    def __init__(self, function: Activation) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x.movedim(1, -1)).movedim(-1, 1)
