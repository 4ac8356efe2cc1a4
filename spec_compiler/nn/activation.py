"""Activation layers that torch lacks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class PReLU(nn.Module):
    """`x` above 0, `weight * x` below, with a slope an element (He et al., 2015); `weight` broadcasts over `x`.

    torch's PReLU has one slope a channel, and lets the gradient of 0 through, which Keras stops.
    """

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(tuple(shape)))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x) - self.weight * F.relu(-x)
