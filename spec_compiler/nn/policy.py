"""Computing in another data type than weights are kept in."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call


class Mixed(nn.Module):
    """A module that computes in `dtype`: its weights, kept in their own, are cast in each call.

    They are copies where `dtype` is their own, too: another module may change them before the backward pass. Buffers
    that the call changes keep their data type too.
    """

    def __init__(self, module: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.module = module
        self.dtype = dtype

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        buffers = {name: self.cast(buffer) for name, buffer in self.module.named_buffers()}
        weights = {name: self.cast(weight) for name, weight in self.module.named_parameters()}
        result = functional_call(self.module, {**weights, **buffers}, args, kwargs)
        if self.training:
            with torch.no_grad():
                for name, buffer in self.module.named_buffers():
                    buffer.copy_(buffers[name])
        return result

    def cast(self, x: Tensor) -> Tensor:
        """`x` in the data type computed in, if it is a float."""
        return x.to(self.dtype, copy=True) if x.is_floating_point() else x
