"""What is done at random to images in training."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn


class RandomFlip(nn.Module):
    """Each image of a batch mirrored along the axes `dims`, or along none of them."""

    def __init__(self, dims: Sequence[int]) -> None:
        super().__init__()
        self.dims = tuple(dims)

    def forward(self, x: Tensor, training: bool | None = None) -> Tensor:
        if not (self.training if training is None else training):
            return x
        flipped = torch.rand(x.shape[0], 1, 1, 1, device=x.device) <= 0.5
        return torch.where(flipped, x.flip(self.dims), x)


class RandomRotation(nn.Module):
    """Each image of (batch, height, width, channels) turned about its middle, by `lower` to `upper` of a turn.

    `transform(x, matrices, linear, fill_mode, fill_value)` reads the pixels at the places the matrices turn them to.
    """

    def __init__(
        self,
        transform: Callable[..., Tensor],
        lower: float,
        upper: float,
        linear: bool = True,
        fill_mode: str = "reflect",
        fill_value: float = 0.0,
    ) -> None:
        super().__init__()
        self.transform = transform
        self.lower = lower
        self.upper = upper
        self.reading = (linear, fill_mode, fill_value)

    def forward(self, x: Tensor, training: bool | None = None) -> Tensor:
        if not (self.training if training is None else training):
            return x
        angle = torch.empty(x.shape[0], device=x.device).uniform_(self.lower, self.upper) * (2 * math.pi)
        return self.transform(x, self.matrices(angle, x.shape[1], x.shape[2]), *self.reading)

    def matrices(self, angle: Tensor, height: int, width: int) -> Tensor:
        """For each angle, in radians, the eight numbers of the affine map about the middle of the image."""
        x, y = (width - 1) / 2, (height - 1) / 2
        cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
        return torch.stack([cos, -sin, x - x * cos + y * sin, sin, cos, y - x * sin - y * cos, zero, zero], dim=1)
