"""Pooling of windows that depend on lengths known only with the data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor
from torch.nn import functional as F

MAX_POOL: dict[int, Callable[..., Any]] = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
AVERAGE_POOL: dict[int, Callable[..., Any]] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


def same_max_pool(x: Tensor, kernel_size: Sequence[int], stride: Sequence[int]) -> Tensor:
    """The largest of `ceil(n / stride)` windows of each axis of (batch, channels, *spatial), centred on it."""
    padding, kept = same_windows(x.shape[2:], kernel_size, stride)
    y: Tensor = MAX_POOL[len(padding)](x, kernel_size, stride, padding, ceil_mode=True)
    return y[kept]


def same_average_pool(x: Tensor, kernel_size: Sequence[int], stride: Sequence[int]) -> Tensor:
    """The means of `ceil(n / stride)` windows of each axis of (batch, channels, *spatial), centred on it.

    What a window reaches beyond the input is left out of its mean.
    """
    padding, kept = same_windows(x.shape[2:], kernel_size, stride)
    y: Tensor = AVERAGE_POOL[len(padding)](x, kernel_size, stride, padding, ceil_mode=True, count_include_pad=False)
    return y[kept]


def same_windows(
    dims: Sequence[int], kernel_size: Sequence[int], stride: Sequence[int]
) -> tuple[list[int], tuple[Any, ...]]:
    """The padding of each spatial axis, and which of the windows that it gives are Keras's, as an index.

    Where an odd number is to be padded, the last window reaches one further than the first: `ceil_mode` lets it, but
    at stride 1, where a window is had before the first instead, which is dropped.
    """
    padding, kept = [], [slice(None), slice(None)]
    for n, k, s in zip(dims, kernel_size, stride, strict=True):
        total = max((-(-n // s) - 1) * s + k - n, 0)
        before = total % 2 if s == 1 else 0
        padding.append(total // 2 + before)
        kept.append(slice(before, None))
    return padding, tuple(kept)
