"""Activations of Keras that torch lacks, and functions of the channels."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def hard_sigmoid_keras2(x: Tensor) -> Tensor:
    """`0.2 x + 0.5`, cut off at 0 and 1: the hard sigmoid of Keras before 3; since then it is `x / 6 + 0.5`."""
    return torch.clamp(0.2 * x + 0.5, 0.0, 1.0)


def sparse_plus(x: Tensor) -> Tensor:
    """0 up to -1, `(x + 1)² / 4` between -1 and 1, `x` from 1 on."""
    return torch.where(x >= 1, x, 0.25 * (F.hardtanh(x) + 1) ** 2)


def sparse_sigmoid(x: Tensor) -> Tensor:
    """0 up to -1, `(x + 1) / 2` between -1 and 1, 1 from 1 on."""
    return 0.5 * (F.hardtanh(x) + 1)


def squareplus(x: Tensor, b: float = 4.0) -> Tensor:
    """`(x + sqrt(x² + b)) / 2`, a smooth ReLU (Barron, 2021)."""
    return (x + torch.sqrt(x**2 + b)) / 2


def sparsemax(x: Tensor, dim: int = -1) -> Tensor:
    """`max(x - tau, 0)` along `dim`, tau being computed from the largest elements as Keras 3 does.

    Martins and Astudillo (2016) take tau = (sum of the k largest - 1) / k, so that the output sums to 1. Keras puts the
    sum of the k cumulative sums there, which is the same for k = 1 alone; so does this.
    """
    descending = torch.sort(x, dim=dim, descending=True)[0]
    sums = torch.cumsum(descending, dim=dim)
    ranks = torch.cumsum(torch.ones_like(x), dim=dim)
    largest = descending - (sums - 1) / ranks > 0
    k = largest.sum(dim=dim, keepdim=True)
    tau = (torch.where(largest, sums, 0.0).sum(dim=dim, keepdim=True) - 1) / k
    return torch.clamp(x - tau, min=0.0)


class PiecewiseReLU(nn.Module):
    """`x` above `threshold`, up to `max_value`; `negative_slope * (x - threshold)` below."""

    def __init__(self, negative_slope: float = 0.0, threshold: float = 0.0, max_value: float | None = None) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.threshold = threshold
        self.max_value = max_value

    def forward(self, x: Tensor) -> Tensor:
        above = x if self.max_value is None else x.clamp(max=self.max_value)
        return torch.where(x > self.threshold, above, self.negative_slope * (x - self.threshold))


class AlongChannels(nn.Module):
    """A function along the last axis, applied along the channels of (batch, channels, *lengths)."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x.movedim(1, -1)).movedim(-1, 1)
