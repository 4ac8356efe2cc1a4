"""What a layer lowers to: an expression that can be built and can be printed, so that the two cannot disagree."""

from __future__ import annotations

from typing import Any

from torch import nn


class ModuleExpr:
    """`ModuleExpr(nn.Linear, 8, 32, bias=False)`: builds the module, and prints as the source that would."""

    __slots__ = ("args", "cls", "kwargs")

    def __init__(self, cls: type[nn.Module], /, *args: Any, **kwargs: Any) -> None:
        self.cls = cls
        self.args = args
        self.kwargs = kwargs

    def build(self) -> nn.Module:
        """The module, freshly made."""
        args = [arg.build() if isinstance(arg, ModuleExpr) else arg for arg in self.args]
        kwargs = {key: arg.build() if isinstance(arg, ModuleExpr) else arg for key, arg in self.kwargs.items()}
        return self.cls(*args, **kwargs)

    def source(self, separator: str = ", ") -> str:
        """`nn.Linear(8, 32, bias=False)`; a class of ours goes by its bare name, whose definition `emit` copies out."""
        args = [_source(arg) for arg in self.args] + [f"{key}={_source(arg)}" for key, arg in self.kwargs.items()]
        name = self.cls.__name__
        return f"{'nn.' + name if getattr(nn, name, None) is self.cls else name}({separator.join(args)})"

    def classes(self) -> list[type[nn.Module]]:
        """The classes named in the expression, this one first."""
        inner = [arg for arg in (*self.args, *self.kwargs.values()) if isinstance(arg, ModuleExpr)]
        return [self.cls, *(cls for expr in inner for cls in expr.classes())]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ModuleExpr) and self.source() == other.source()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"ModuleExpr({self.source()})"


def _source(arg: Any) -> str:
    return arg.source() if isinstance(arg, ModuleExpr) else repr(arg)
