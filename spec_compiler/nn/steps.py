"""Steps that are masked, and states that go from batch to batch, for recurrent layers."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def compact(x_btf: Tensor, mask_bt: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The unmasked steps moved to the front, in order; each step's place among them; and which places are past the end.

    A recurrent layer skips masked steps and repeats the output before them; run over the compacted steps, its output at
    step t is the one at place `count of unmasked steps up to t` - 1 (-1: none yet).
    """
    count_bt, t = mask_bt.cumsum(dim=1), torch.arange(mask_bt.shape[1], device=mask_bt.device)
    unmasked_b1 = count_bt[:, -1:]
    # A stable sort would give the same order, but has no counterpart in ONNX.
    to_bt = torch.where(mask_bt, count_bt - 1, unmasked_b1 + t - count_bt)
    order_bt = torch.empty_like(to_bt).scatter(1, to_bt, t.expand_as(to_bt))
    return at(x_btf, order_bt), count_bt - 1, t >= unmasked_b1


def at(x_btf: Tensor, place_bt: Tensor) -> Tensor:
    """The steps at the places of each sample's own, as whole rows, which `gather` would take number by number."""
    first_b1 = torch.arange(x_btf.shape[0], device=x_btf.device).unsqueeze(1) * x_btf.shape[1]
    rows = x_btf.flatten(0, 1).index_select(0, (place_bt + first_b1).flatten())
    return rows.view(*place_bt.shape, x_btf.shape[-1])


def spread(y_btu: Tensor, place_bt: Tensor) -> Tensor:
    """The outputs at `place_bt` of the compacted ones; zeros before the first unmasked step."""
    return at(F.pad(y_btu, (0, 0, 1, 0)), place_bt + 1)


def last(y_btu: Tensor, place_bt: Tensor) -> Tensor:
    """The last step of what `spread` makes of them: (batch, units)."""
    place_b1 = place_bt[:, -1:]
    index_b1u = place_b1.clamp(min=0).unsqueeze(-1).expand(-1, -1, y_btu.shape[-1])
    return torch.where(place_b1 >= 0, y_btu.gather(1, index_b1u)[:, 0], 0.0)


class States(nn.Module):
    """The states a layer ends a batch with, from which it starts the next; zeros at first and after `reset_states`."""

    def __init__(self, *shapes: tuple[int, ...]) -> None:
        super().__init__()
        self.count = len(shapes)
        for i, shape in enumerate(shapes):
            self.register_buffer(f"state_{i}", torch.zeros(shape), persistent=False)

    def forward(self, *final: Tensor) -> list[Tensor]:
        """Keep `final`, if given; return what is kept."""
        states = [self.get_buffer(f"state_{i}") for i in range(self.count)]
        for state, new in zip(states, final, strict=bool(final)):
            state.copy_(new.detach())
        return [state.clone() for state in states]

    def reset_states(self) -> None:
        """Start anew, from zeros."""
        for state in self.buffers():
            state.zero_()
