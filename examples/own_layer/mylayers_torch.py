"""The torch modules of `mylayers`."""

import torch
from torch import Tensor, nn


class Gain(nn.Module):
    """Multiply each channel by a weight: (..., n) -> (..., n)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight
