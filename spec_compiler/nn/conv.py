"""Padding that depends on lengths known only with the data."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional as F


def same_pad(x: Tensor, kernel_size: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> Tensor:
    """Zeros around the last axes, as many as the kernel has, so that `ceil(n / stride)` windows fit each.

    The odd zero stands at the end, as in Keras; torch's own padding is the same on both sides.
    """
    pads: list[int] = []
    spatial = x.shape[-len(kernel_size) :]
    for n, k, s, d in zip(spatial[::-1], kernel_size[::-1], stride[::-1], dilation[::-1], strict=True):
        total = max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads)
