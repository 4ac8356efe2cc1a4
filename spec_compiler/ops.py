"""Keras's `keras.ops` on symbolic tensors: `ops.concatenate([x, y], axis=1)`, `ops.image.resize(x, (32, 32))`.

Each call is a node of the functional model. Names, arguments and defaults are Keras's (https://keras.io/api/ops/); no
torch is needed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

from spec_compiler.specs.layers.ops import OpSpec
from spec_compiler.specs.layers.ops_table import Operation, by_function

_ALIASES = {
    "abs": "absolute",
    "conj": "conjugate",
    "extract_patches_3d": "extract_patches",
    "hard_swish": "hard_silu",
    "swish": "silu",
}
_SPACES = ("image", "linalg", "nn", "numpy")


class _Space:
    """`ops.image`, `ops.linalg`, …: the operations of one of Keras's modules."""

    def __init__(self, name: str) -> None:
        self.__name__ = f"ops.{name}"
        self._module = f"keras.src.ops.{name}"

    def __getattr__(self, name: str) -> Callable[..., Any]:
        operation = by_function().get(_ALIASES.get(name, name))
        if operation is None or operation.module != self._module:
            raise AttributeError(f"{self.__name__} has no operation '{name}'")
        return _function(_ALIASES.get(name, name))

    def __dir__(self) -> list[str]:
        return [name for name, operation in by_function().items() if operation.module == self._module]


image, linalg, nn, numpy = map(_Space, _SPACES)


def __getattr__(name: str) -> Any:
    if name.startswith("__") or _ALIASES.get(name, name) not in by_function():
        raise AttributeError(f"module '{__name__}' has no operation '{name}'")
    return _function(_ALIASES.get(name, name))


def __dir__() -> list[str]:
    return [*by_function(), *_ALIASES, *_SPACES]


@cache
def _function(name: str) -> Callable[..., Any]:
    """The function that places an operation in the graph, with Keras's signature."""
    operation = by_function()[name]
    signature = _signature(operation)

    def place(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return _placed(operation, bound.arguments)

    place.__name__ = place.__qualname__ = name
    place.__doc__ = inspect.getdoc(operation.rule) or f"Keras's `{name}`: see https://keras.io/api/ops/."
    place.__signature__ = signature  # type: ignore[attr-defined]
    return place


def _signature(operation: Operation) -> inspect.Signature:
    """The function's parameters: the call's and the class's, in the order that Keras has them in."""
    by_name = {p.name: p for p in operation.parameters}
    starred = [p for p in operation.inputs if p.kind is p.VAR_POSITIONAL]
    names = dict.fromkeys([*operation.order, *by_name])
    found = []
    for name in names:
        parameter = by_name[name].replace(annotation=Any)
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            kind: Any = parameter.POSITIONAL_OR_KEYWORD
            if starred and name not in operation.order:
                kind = parameter.KEYWORD_ONLY
            parameter = parameter.replace(kind=kind)
        found.append(parameter)
    found.sort(key=lambda p: p.kind)
    return inspect.Signature(found)


def _listed(parameter: inspect.Parameter, value: Any) -> Any:
    """One number alone as the list that Keras's class takes: `reshape(x, 24)`."""
    is_list = str(parameter.annotation).removesuffix(" | None") in ("Ints", "Lengths")
    return [value] if is_list and isinstance(value, int) else value


def _placed(operation: Operation, arguments: dict[str, Any]) -> Any:
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for parameter in operation.inputs:
        value = arguments[parameter.name]
        if parameter.kind is parameter.VAR_POSITIONAL:
            args += value
        elif parameter.kind is parameter.VAR_KEYWORD:
            kwargs |= value
        elif parameter.name in operation.named:
            kwargs[parameter.name] = value
        else:
            args.append(value)
    settings = {parameter.name: _listed(parameter, arguments[parameter.name]) for parameter in operation.settings}
    if operation.prepared is not None:
        settings = operation.prepared(settings)
    return OpSpec(op=operation.name, arguments=settings)(*args, **kwargs)
