"""Noise for training that torch lacks; `training=None` leaves it to the module's mode."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def noise_shape_of(x: Tensor, noise_shape: Sequence[int | None]) -> list[int]:
    """`noise_shape` with the input's lengths where it has None."""
    return [n if stated is None else stated for n, stated in zip(x.shape, noise_shape, strict=True)]


class SharedDropout(nn.Module):
    """Dropout whose draws are of `noise_shape` and broadcast to the input; None there is the input's length."""

    def __init__(self, p: float, noise_shape: Sequence[int | None]) -> None:
        super().__init__()
        self.p = p
        self.noise_shape = tuple(noise_shape)

    def forward(self, x: Tensor, training: bool | None = None) -> Tensor:
        training = self.training if training is None else training
        return x * F.dropout(x.new_ones(noise_shape_of(x, self.noise_shape)), self.p) if training else x


class SharedAlphaDropout(nn.Module):
    """Alpha dropout (Klambauer et al., 2017) whose draws are of `noise_shape` and broadcast to the input."""

    lowest = -1.7580993408473766
    """What selu tends to for small inputs."""

    def __init__(self, p: float, noise_shape: Sequence[int | None]) -> None:
        super().__init__()
        self.p = p
        self.noise_shape = tuple(noise_shape)

    def forward(self, x: Tensor, training: bool | None = None) -> Tensor:
        if not (self.training if training is None else training):
            return x
        kept = torch.bernoulli(x.new_full(noise_shape_of(x, self.noise_shape), 1 - self.p))
        scale: float = ((1 - self.p) * (1 + self.p * self.lowest**2)) ** -0.5
        return scale * (x * kept + self.lowest * (1 - kept)) - scale * self.lowest * self.p


class GaussianNoise(nn.Module):
    """The input plus draws from N(0, stddev²) in training."""

    def __init__(self, stddev: float) -> None:
        super().__init__()
        self.stddev = stddev

    def forward(self, x: Tensor, training: bool | None = None) -> Tensor:
        training = self.training if training is None else training
        return x + self.stddev * torch.randn_like(x) if training else x


class GaussianDropout(nn.Module):
    """The input times draws from N(1, p / (1 - p)) in training (Srivastava et al., 2014)."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor, training: bool | None = None) -> Tensor:
        stddev = (self.p / (1 - self.p)) ** 0.5
        training = self.training if training is None else training
        return x * (1 + stddev * torch.randn_like(x)) if training else x
