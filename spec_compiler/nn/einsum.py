"""A dense projection whose axes an einsum equation names."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class EinsumDense(nn.Module):
    """`einsum(equation, x, weight) + bias`; the bias broadcasts to the result."""

    def __init__(self, equation: str, weight_shape: Sequence[int], bias_shape: Sequence[int] | None = None) -> None:
        super().__init__()
        self.equation = equation
        self.weight = nn.Parameter(nn.init.normal_(torch.empty(*weight_shape), std=0.05))
        self.bias = None if bias_shape is None else nn.Parameter(torch.zeros(*bias_shape))

    def forward(self, x: Tensor) -> Tensor:
        y = torch.einsum(self.equation, x, self.weight)
        return y if self.bias is None else y + self.bias
