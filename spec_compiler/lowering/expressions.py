"""What a layer lowers to: an expression that can be built and can be printed, so that the two cannot disagree."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

CASTS = {torch.float64: "double", torch.float16: "half", torch.bfloat16: "bfloat16"}
"""How a module's weights are brought to a data type: `nn.Linear(8, 32).double()`."""


def differing(stated: dict[str, tuple[Any, Any]]) -> dict[str, Any]:
    """Of arguments given as (value, default), those that are not the default: nobody writes the others by hand."""
    return {key: value for key, (value, default) in stated.items() if value != default}


class ModuleExpr:
    """`ModuleExpr(nn.Linear, 8, 32, bias=False)`: builds the module, and prints as the source that would."""

    __slots__ = ("args", "cls", "dtype", "frozen", "kwargs")

    def __init__(self, cls: type[nn.Module], /, *args: Any, **kwargs: Any) -> None:
        self.cls = cls
        self.args = args
        self.kwargs = kwargs
        self.dtype: torch.dtype | None = None
        self.frozen = False

    def to(self, dtype: torch.dtype) -> ModuleExpr:
        """The module with its weights and buffers in `dtype`, a float."""
        found = self._copy()
        found.dtype = None if dtype is torch.float32 else dtype
        return found

    def freeze(self) -> ModuleExpr:
        """The module with weights that want no gradient."""
        found = self._copy()
        found.frozen = True
        return found

    def thawed(self) -> ModuleExpr:
        """The module as it is made where its layer trains."""
        args = [arg.thawed() if isinstance(arg, ModuleExpr) else arg for arg in self.args]
        found = ModuleExpr(self.cls, *args, **{key: arg for key, arg in self.kwargs.items() if key != "frozen"})
        found.dtype = self.dtype
        return found

    def _copy(self) -> ModuleExpr:
        found = ModuleExpr(self.cls, *self.args, **self.kwargs)
        found.dtype, found.frozen = self.dtype, self.frozen
        return found

    def build(self) -> nn.Module:
        """The module, freshly made."""
        args = [arg.build() if isinstance(arg, ModuleExpr) else arg for arg in self.args]
        kwargs = {key: arg.build() if isinstance(arg, ModuleExpr) else arg for key, arg in self.kwargs.items()}
        module = self.cls(*args, **kwargs)
        module = module if self.dtype is None else module.to(self.dtype)
        return module.requires_grad_(False) if self.frozen else module

    def source(self, separator: str = ", ") -> str:
        """`nn.Linear(8, 32, bias=False)`; a class of ours goes by its bare name, whose definition `emit` copies out."""
        args = [_source(arg) for arg in self.args] + [f"{key}={_source(arg)}" for key, arg in self.kwargs.items()]
        name = self.cls.__name__
        made = f"{'nn.' + name if getattr(nn, name, None) is self.cls else name}({separator.join(args)})"
        return made + self.suffix

    @property
    def suffix(self) -> str:
        """What is called on the module once it is made: `.double()`."""
        cast = "" if self.dtype is None else f".{CASTS[self.dtype]}()"
        return f"{cast}.requires_grad_(False)" if self.frozen else cast

    def definitions(self) -> list[type[nn.Module] | FunctionType]:
        """The classes and functions named in the expression that torch does not have."""
        args = (*self.args, *self.kwargs.values())
        inner = [found for arg in args if isinstance(arg, ModuleExpr) for found in arg.definitions()]
        functions = [arg for arg in args if isinstance(arg, FunctionType) and torch_name(arg) is None]
        return [*([] if getattr(nn, self.cls.__name__, None) is self.cls else [self.cls]), *functions, *inner]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ModuleExpr) and self.source() == other.source()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"ModuleExpr({self.source()})"


def _source(arg: Any) -> str:
    if isinstance(arg, ModuleExpr):
        return arg.source()
    return torch_name(arg) or arg.__name__ if callable(arg) else repr(arg)


def torch_name(function: Callable[..., Any]) -> str | None:
    """`F.relu`, `torch.tanh`: how a function of torch's is written; None for one of ours."""
    # F.logsigmoid calls itself log_sigmoid.
    name = "logsigmoid" if function is F.logsigmoid else getattr(function, "__name__", "")
    spaces = {
        "F": F, "torch": torch, "torch.special": torch.special, "torch.linalg": torch.linalg, "torch.fft": torch.fft,
    }  # fmt: skip
    for prefix, space in spaces.items():
        # torch.linalg.inv calls itself linalg_inv.
        short = name.removeprefix(f"{prefix.rpartition('.')[2]}_")
        if getattr(space, short, None) is function:
            return f"{prefix}.{short}"
    return None
