"""Noise for training that torch lacks; `training=None` leaves it to the module's mode."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class SharedNoise(nn.Module):
    """Noise of `noise_shape`, broadcast to the input; None there is the input's length.

    A batch that holds `steps`, innermost, has noise of that shape at each of them.
    """

    def __init__(self, p: float, noise_shape: Sequence[int | None]) -> None:
        super().__init__()
        self.p = p
        self.noise_shape = tuple(noise_shape)

    def forward(self, x: Tensor, training: bool | None = None, steps: int = 1) -> Tensor:
        if not (self.training if training is None else training):
            return x
        if steps == 1:
            return self.noisy(x, self.noise_shape)
        batch, *rest = self.noise_shape
        return self.noisy(torch.unflatten(x, 0, (-1, steps)), (batch, None, *rest)).flatten(0, 1)

    def noisy(self, x: Tensor, noise_shape: Sequence[int | None]) -> Tensor:
        """`x` under noise of that shape."""
        raise NotImplementedError

    @staticmethod
    def lengths(x: Tensor, noise_shape: Sequence[int | None]) -> list[int]:
        """`noise_shape` with the input's lengths where it has None."""
        return [n if stated is None else stated for n, stated in zip(x.shape, noise_shape, strict=True)]


class SharedDropout(SharedNoise):
    """Dropout whose draws are of `noise_shape`."""

    def noisy(self, x: Tensor, noise_shape: Sequence[int | None]) -> Tensor:
        return x * F.dropout(x.new_ones(self.lengths(x, noise_shape)), self.p)


class SharedAlphaDropout(SharedNoise):
    """Alpha dropout (Klambauer et al., 2017) whose draws are of `noise_shape`."""

    lowest = -1.7580993408473766
    """What selu tends to for small inputs."""

    def noisy(self, x: Tensor, noise_shape: Sequence[int | None]) -> Tensor:
        kept = torch.bernoulli(x.new_full(self.lengths(x, noise_shape), 1 - self.p))
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
