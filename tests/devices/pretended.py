"""A GPU pretended on the CPU: tensors say that they are on CUDA, and what CUDA's kernels get wrong or lack is refused."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

PRODUCTS = {Tensor.matmul, Tensor.__matmul__, torch.matmul, torch.inner, torch.dot, torch.tensordot, torch.einsum}


class Refused(Exception):
    """A GPU's kernel was given what it gets wrong."""


class PretendedCuda(TorchFunctionMode):
    """Everything runs on the CPU; `is_cuda` says otherwise."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func == Tensor.is_cuda.__get__:  # type: ignore[attr-defined]
            return True
        if func in (F.avg_pool1d, F.avg_pool2d):
            average_pool(*args, **kwargs)
        elif func is F.batch_norm:
            batch_norm(*args, **kwargs)
        elif func in PRODUCTS:
            numbers = [x for x in (*args, *kwargs.values()) if isinstance(x, Tensor)]
            refuse(any(not (x.is_floating_point() or x.is_complex()) for x in numbers), "products of whole numbers")
        return func(*args, **kwargs)


def refuse(given: bool, what: str) -> None:
    if given:
        raise Refused(what)


def average_pool(x: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, *args: Any, **kwargs: Any) -> None:
    """Wrong gradients: pytorch/pytorch#188344."""
    planes = x.unsqueeze(-2) if x.dim() == 3 else x  # as torch has it
    padded = any(padding) if isinstance(padding, (list, tuple)) else padding
    wrong = padded and torch.is_grad_enabled() and _counts_as_channels_last(planes)
    refuse(bool(wrong), "means of padded windows, channels last")


def _counts_as_channels_last(x: Tensor) -> bool:
    """What torch derives from strides (`is_channels_last_strides_2d`), also where axes are of length 1."""
    least = 0
    if x.stride(1) == 0:
        return False
    for axis in (1, 3, 2, 0):
        if not x.size(axis) or x.stride(axis) < least or (axis == 0 and least == x.stride(1)):
            return False
        least = x.stride(axis) * x.size(axis)
    return True


def batch_norm(
    x: Tensor, mean: Any, variance: Any, weight: Any = None, bias: Any = None, *args: Any, **kwargs: Any
) -> None:
    """No gradients, or no normalization."""
    refuse((weight is None) != (bias is None), "a weight or a bias alone")
    refuse(x.dim() > 5, "more than five axes")
