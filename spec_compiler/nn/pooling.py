"""Means of padded windows, and pooling of windows that depend on lengths known only with the data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def channels_first(x: Tensor) -> Tensor:
    """`x` (batch, channels, *spatial), laid out so where a mean of padded windows is differentiated on CUDA.

    The gradients of torch before 2.14 are wrong there, where the channels are last: pytorch/pytorch#188344.
    """
    if not x.is_cuda or not torch.is_grad_enabled():
        return x
    # Axes of length 1 may count as last even in what `contiguous` leaves as it is.
    return x.clone(memory_format=torch.contiguous_format)


class AvgPool1d(nn.AvgPool1d):
    """Means of windows along (batch, channels, steps), padded."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(channels_first(x))


class AvgPool2d(nn.AvgPool2d):
    """Means of windows of (batch, channels, height, width), padded."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(channels_first(x))


MAX_POOL: dict[int, Callable[..., Any]] = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}


def average_pool3d(
    x: Tensor, kernel_size: Sequence[int], stride: Sequence[int], padding: Sequence[int], **kwargs: bool
) -> Tensor:
    """The means of windows of (batch, channels, depth, height, width), first over each plane, then along the depth.

    `F.avg_pool3d` takes no window longer than an axis, however it is padded.
    """
    (k, *plane), (s, *steps), (p, *around) = kernel_size, stride, padding
    y: Tensor = F.avg_pool2d(x.flatten(1, 2), plane, steps, around, **kwargs)
    dims = y.shape[2:]
    y = torch.unflatten(y.flatten(2), 1, x.shape[1:3])
    y = F.avg_pool2d(y, (k, 1), (s, 1), (p, 0), **kwargs)
    return torch.unflatten(y, 3, dims)


AVERAGE_POOL: dict[int, Callable[..., Any]] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: average_pool3d}


def same_max_pool(x: Tensor, kernel_size: Sequence[int], stride: Sequence[int]) -> Tensor:
    """The largest of `ceil(n / stride)` windows of each axis of (batch, channels, *spatial), centred on it."""
    sizes, padding, kept = same_windows(x.shape[2:], kernel_size, stride)
    y: Tensor = MAX_POOL[len(padding)](x, sizes, stride, padding, ceil_mode=True)
    return y[kept]


def same_average_pool(x: Tensor, kernel_size: Sequence[int], stride: Sequence[int]) -> Tensor:
    """The means of `ceil(n / stride)` windows of each axis of (batch, channels, *spatial), centred on it.

    What a window reaches beyond the input is left out of its mean.
    """
    sizes, padding, kept = same_windows(x.shape[2:], kernel_size, stride)
    pool = AVERAGE_POOL[len(padding)]
    y: Tensor = pool(channels_first(x), sizes, stride, padding, ceil_mode=True, count_include_pad=False)
    return y[kept]


def same_windows(
    dims: Sequence[int], kernel_size: Sequence[int], stride: Sequence[int]
) -> tuple[list[int], list[int], tuple[Any, ...]]:
    """Window and padding of each spatial axis, and which of the windows that these give are Keras's, as an index.

    A window of twice an axis's length holds all of it wherever it stands: larger ones are cut to that.

    Where an odd number is to be padded, the last window reaches one further than the first: `ceil_mode` lets it, but
    at stride 1, where a window is had before the first instead, which is dropped.
    """
    sizes, padding, kept = [], [], [slice(None), slice(None)]
    for n, k, s in zip(dims, kernel_size, stride, strict=True):
        k = min(k, 2 * n)
        total = max((-(-n // s) - 1) * s + k - n, 0)
        before = total % 2 if s == 1 else 0
        sizes.append(k)
        padding.append(total // 2 + before)
        kept.append(slice(before, None))
    return sizes, padding, tuple(kept)
