"""Layers that bring data to the form a network takes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Rescaling(nn.Module):
    """`x * scale + offset`, with a factor and an offset a channel: the last axis, or the last ones."""

    scale: Tensor
    offset: Tensor

    def __init__(self, scale: Any, offset: Any = 0.0) -> None:
        super().__init__()
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float32), persistent=False)
        self.register_buffer("offset", torch.tensor(offset, dtype=torch.float32), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale + self.offset
