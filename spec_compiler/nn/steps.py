"""Steps that are masked, and states that go from batch to batch, for recurrent layers."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def compact(x_btf: Tensor, mask_bt: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The unmasked steps moved to the front, in order; each step's place among them; and which places are past the end.

    A recurrent layer skips masked steps and repeats the output before them; run over the compacted steps, its output at
    step t is the one at place `count of unmasked steps up to t` - 1 (-1: none yet).
    """
    past_bt, order_bt = torch.sort(~mask_bt, dim=1, stable=True)
    return x_btf.gather(1, order_bt.unsqueeze(-1).expand_as(x_btf)), mask_bt.cumsum(dim=1) - 1, past_bt


def spread(y_btu: Tensor, place_bt: Tensor) -> Tensor:
    """The outputs at `place_bt` of the compacted ones; zeros before the first unmasked step."""
    index_bt1 = place_bt.clamp(min=0).unsqueeze(-1)
    found = y_btu.gather(1, index_bt1.expand(-1, -1, y_btu.shape[-1]))
    return torch.where((place_bt >= 0).unsqueeze(-1), found, 0.0)


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
