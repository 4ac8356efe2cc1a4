"""Layers that bring data to the form a network takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


class Rescaling(nn.Module):
    """`x * scale + offset`, with a factor and an offset a channel: the last axis, or the last ones."""

    scale: Tensor
    offset: Tensor

    def __init__(self, scale: Any, offset: Any = 0.0, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.register_buffer("scale", torch.tensor(scale, dtype=dtype), persistent=False)
        self.register_buffer("offset", torch.tensor(offset, dtype=dtype), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale + self.offset


class Normalization(nn.Module):
    """`(x - mean) / sqrt(variance)`, or the opposite; `mean` and `variance` broadcast to `x` and are no weights."""

    mean: Tensor
    variance: Tensor

    def __init__(self, mean: Any, variance: Any, invert: bool = False, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean, dtype=dtype), persistent=False)
        self.register_buffer("variance", torch.tensor(variance, dtype=dtype), persistent=False)
        self.invert = invert

    def forward(self, x: Tensor) -> Tensor:
        deviation = self.variance.sqrt().clamp(min=1e-7)
        return x * deviation + self.mean if self.invert else (x - self.mean) / deviation


class AdaptedNormalization(Normalization):
    """`(x - mean) / sqrt(variance)`, or the opposite, with a mean and variance of data seen before among the state."""

    def __init__(self, shape: Sequence[int], invert: bool = False) -> None:
        super().__init__(0.0, 1.0, invert)
        self.register_buffer("mean", torch.zeros(tuple(shape)))
        self.register_buffer("variance", torch.ones(tuple(shape)))
        self.register_buffer("count", torch.zeros((), dtype=torch.int32))
