"""The arguments of operations: what may be given, by the annotation in an operation's rule."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from spec_compiler.specs.types import MAX_FLOAT, MAX_SIZE, TENSOR_DTYPES, kept_as

Axes = int | Sequence[int] | None
"""One axis, several, or all."""
Count = int
"""A whole number from 0 on."""
Size = int
"""A whole number from 1 on."""
Ints = Sequence[int]
"""Whole numbers; one alone is a list of one."""
Sizes = int | Sequence[int]
"""Whole numbers from 1 on: one for every axis, or one alone for all."""
Counts = int | Sequence[int]
"""The same, from 0 on."""
Shifts = int | Sequence[int]
"""Whole numbers of either sign: one, or several."""
Lengths = Sequence[int | None]
"""Lengths of axes; -1 or None for what is left."""
Number = float
"""A number that float32 can hold, and is finite."""
Numbers = Sequence[float]
"""Several of them."""
DType = str | None
"""A dtype; None: what the operation gives by itself."""
Pads = Any
"""A width for all, a pair for all, or a pair for each axis."""


def check(annotation: str, value: Any) -> Any:
    """`value` as the annotation wants it, lists as tuples; ValueError saying what was expected."""
    optional = annotation.endswith(" | None")
    if optional and value is None:
        return None
    if annotation.startswith("Literal"):
        choices = re.findall(r"['\"](.*?)['\"]", annotation)
        if value not in choices:
            raise ValueError(f"expected one of {', '.join(choices)}")
        return value
    return _CHECKS[annotation.removesuffix(" | None")](value)


def _int(value: Any, least: int = -MAX_SIZE) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("expected a whole number")
    if not least <= value <= MAX_SIZE:
        raise ValueError(f"expected a whole number from {least} to {MAX_SIZE}")
    return value


def _ints(value: Any, least: int = -MAX_SIZE) -> tuple[int, ...]:
    if not isinstance(value, (list, tuple)):
        return (_int(value, least),)
    return tuple(_int(item, least) for item in value)


def _one_or_several(least: int) -> Callable[[Any], Any]:
    def checked(value: Any) -> Any:
        return _ints(value, least) if isinstance(value, (list, tuple)) else _int(value, least)

    return checked


def _axes(value: Any) -> Any:
    return None if value is None else _one_or_several(-MAX_SIZE)(value)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= MAX_FLOAT:
        raise ValueError("expected a number that float32 can hold")
    # What is no int64 is none to torch.
    return value if abs(value) < 2**63 else float(value)


def _numbers(value: Any) -> tuple[float, ...]:
    if not isinstance(value, (list, tuple)):
        raise ValueError("expected a list of numbers")
    return tuple(map(_number, value))


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("expected true or false")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("expected a text")
    return value


def _dtype(value: Any) -> str | None:
    if isinstance(value, dict) and isinstance(value.get("config"), dict):
        value = value["config"].get("name", value)
    if value is None or (isinstance(value, str) and value in TENSOR_DTYPES):
        return value and kept_as(value)
    raise ValueError("expected a dtype, as float32 or int32")


def _lengths(value: Any) -> tuple[int, ...]:
    items = value if isinstance(value, (list, tuple)) else (value,)
    return tuple(-1 if item is None else _int(item, -1) for item in items)


def _pads(value: Any) -> tuple[tuple[int, int], ...]:
    """A pair for each axis; one pair alone is for every axis."""
    if not isinstance(value, (list, tuple)):
        return ((_int(value, 0),) * 2,)
    if value and not any(isinstance(item, (list, tuple)) for item in value):
        value = [value]
    pairs = [_ints(item, 0) for item in value]
    if not pairs or any(len(pair) not in (1, 2) for pair in pairs):
        raise ValueError("expected a pair of widths for each axis")
    return tuple((pair[0], pair[-1]) for pair in pairs)


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "int": _int,
    "Count": lambda value: _int(value, 0),
    "Size": lambda value: _int(value, 1),
    "Ints": _ints,
    "Sizes": _one_or_several(1),
    "Counts": _one_or_several(0),
    "Shifts": _one_or_several(-MAX_SIZE),
    "Axes": _axes,
    "Lengths": _lengths,
    "Number": _number,
    "Numbers": _numbers,
    "bool": _bool,
    "str": _text,
    "DType": _dtype,
    "Pads": _pads,
    "Any": lambda value: value,
}
