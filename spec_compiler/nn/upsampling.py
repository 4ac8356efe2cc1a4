"""Upsampling that torch lacks."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class UpsampleByCorners(nn.Module):
    """Enlarge images bilinearly: (batch, channels, height, width) -> (batch, channels, height * m, width * n).

    Pixels have their values at their upper left corners: row `i` of the output is at `i / m` of the input; past the
    last row, it is that row.
    """

    def __init__(self, scale_factor: tuple[int, int]) -> None:
        super().__init__()
        self.scale_factor = scale_factor

    def forward(self, x_bchw: Tensor) -> Tensor:
        height, width = x_bchw.shape[2:]
        size = (height * self.scale_factor[0] + 1, width * self.scale_factor[1] + 1)
        # The last row and column once more: between them and their copies nothing changes.
        x_bchw = F.pad(x_bchw, (0, 1, 0, 1), mode="replicate")
        return F.interpolate(x_bchw, size=size, mode="bilinear", align_corners=True)[:, :, :-1, :-1]

    def extra_repr(self) -> str:
        return f"scale_factor={self.scale_factor}"
