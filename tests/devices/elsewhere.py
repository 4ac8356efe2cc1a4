"""A device that is another than the CPU, for machines without one: torch's "meta", of shapes and dtypes without numbers.

What runs there is watched: nothing may be brought from the host, where a GPU fails or waits. What needs to know
numbers on the host, for which it would wait for a GPU, fails here by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

DEVICE = torch.device("meta")


class Waits(Exception):
    """The device would have to be waited for, or the host."""


@contextmanager
def running() -> Iterator[None]:
    """Have what runs stay on the device. Raises Waits where it waits."""
    try:
        with _OneDevice(), _NothingFromLists():
            yield
    except NotImplementedError as error:
        raise Waits(f"torch has it for numbers alone: {error}") from error
    except RuntimeError as error:
        if "meta tensor" in str(error):
            raise Waits(f"for a number of the device's: {error}") from error
        raise


class _OneDevice(TorchDispatchMode):
    """Refuses what is computed with tensors of the CPU's too, as a GPU does, or copies them; those without axes are numbers."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        devices = {(t.device, t.dim() > 0) for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)}
        if any(device == DEVICE for device, _ in devices) or kwargs.get("device") == DEVICE:
            assert (torch.device("cpu"), True) not in devices, f"{func} is given a tensor on the CPU"
        return func(*args, **kwargs)


class _NothingFromLists(TorchFunctionMode):
    """Refuses what makes tensors of Python's lists on the device: they are made on the host, and copied."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in (torch.tensor, torch.as_tensor, torch.asarray, Tensor.new_tensor) and result.device == DEVICE:
            raise Waits(f"for numbers of the host's: {func.__name__}")
        if func in (Tensor.__getitem__, Tensor.__setitem__) and args[0].device == DEVICE:
            places = args[1] if isinstance(args[1], tuple) else [args[1]]
            if any(isinstance(place, list) for place in places):
                raise Waits(f"for places of the host's: {args[1]}")
        return result


def training_differs(module: nn.Module) -> bool:
    """Whether any of the modules asks if it is in training."""
    return any("training" in type(inner).forward.__code__.co_names for inner in module.modules())
