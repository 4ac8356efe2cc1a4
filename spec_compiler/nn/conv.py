"""Padding that depends on lengths known only with the data."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F


class SamePad(nn.Module):
    """Zeros around the spatial axes of (batch, channels, *spatial), so that `ceil(n / stride)` windows fit each.

    The odd zero stands at the end, as in Keras; torch's own padding is the same on both sides.
    """

    def __init__(self, kernel_size: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> None:
        super().__init__()
        self.windows = [(d * (k - 1) + 1, s) for k, s, d in zip(kernel_size, stride, dilation, strict=True)]

    def forward(self, x: Tensor) -> Tensor:
        pads: list[int] = []
        for n, (window, stride) in zip(reversed(x.shape[2:]), reversed(self.windows), strict=True):
            total = max((-(-n // stride) - 1) * stride + window - n, 0)
            pads += [total // 2, total - total // 2]
        return F.pad(x, pads)
