"""Layers that only old Keras had."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Maxout(nn.Module):
    """Largest of `num_pieces` linear projections at each place (Goodfellow et al., 2013): (batch, n) -> (batch, m)."""

    def __init__(self, in_features: int, out_features: int, num_pieces: int, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.normal_(torch.empty(num_pieces, in_features, out_features), std=0.05))
        self.bias = nn.Parameter(torch.zeros(num_pieces, out_features)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        pieces_bpo = torch.einsum("bi,pio->bpo", x, self.weight)
        if self.bias is not None:
            pieces_bpo = pieces_bpo + self.bias
        return pieces_bpo.amax(1)


class ParametricSoftplus(nn.Module):
    """`alpha * softplus(beta * x)` with learned `alpha` and `beta`, which broadcast over `x`."""

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.full(tuple(shape), 0.2))
        self.beta = nn.Parameter(torch.full(tuple(shape), 5.0))

    def forward(self, x: Tensor) -> Tensor:
        return self.alpha * F.softplus(self.beta * x)


class SReLU(nn.Module):
    """`x` between `left` and `left + |width|`, lines of the two slopes beyond (Jin et al., 2016)."""

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.left = nn.Parameter(torch.zeros(tuple(shape)))
        self.left_slope = nn.Parameter(torch.zeros(tuple(shape)))
        self.width = nn.Parameter(torch.zeros(tuple(shape)))
        self.right_slope = nn.Parameter(torch.ones(tuple(shape)))

    def forward(self, x: Tensor) -> Tensor:
        width = self.width.abs()
        above = x - self.left
        center = torch.minimum(F.relu(above), width)
        return self.left + center - self.left_slope * F.relu(-above) + self.right_slope * F.relu(above - width)
