"""Arithmetic on constants: what a file computes of shapes and numbers is worked out while it is read.

TensorFlow's graphs are full of it: `tf.shape(x)[1]`, `sqrt(cast(depth, float32))`. Constants are numbers and nested lists of
them; lengths that only the data tell (`Dim`) take part in whole-number arithmetic.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable
from functools import reduce
from itertools import zip_longest
from typing import Any

from spec_compiler.dialects.tensorflow.values import Dim, Refusal
from spec_compiler.specs.shapes import product

MAX_ELEMENTS = 2**20
MAX_COMPUTED = 2**16
"""No constant that is worked out of others is."""
MAX_RANK = 16
"""No constant has more axes."""
MAX_NUMBER = 2**63
"""No whole number is larger: each product would be twice as long as the one before."""

_EXACT: dict[str, Callable[..., Any]] = {
    "Add": operator.add,
    "Subtract": operator.sub,
    "Multiply": operator.mul,
    "FloorDivide": operator.floordiv,
    "Mod": operator.mod,
}
"""What may be done with lengths that are not known."""

_NUMBERS: dict[str, Callable[..., Any]] = {
    **_EXACT,
    "TrueDivide": operator.truediv,
    "Power": math.pow,
    "Maximum": max,
    "Minimum": min,
    "Negative": operator.neg,
    "Absolute": abs,
    "Square": lambda x: x * x,
    "Sqrt": math.sqrt,
    "Rsqrt": lambda x: 1 / math.sqrt(x),
    "Exp": math.exp,
    "Log": math.log,
    "Floor": math.floor,
    "Ceil": math.ceil,
    "Round": round,
    "Equal": operator.eq,
    "NotEqual": operator.ne,
    "Less": operator.lt,
    "LessEqual": operator.le,
    "Greater": operator.gt,
    "GreaterEqual": operator.ge,
    "LogicalNot": operator.not_,
    "LogicalAnd": lambda x, y: bool(x and y),
    "LogicalOr": lambda x, y: bool(x or y),
}
_KEPT_FLOAT = ("Floor", "Ceil", "Round")
_REDUCTIONS: dict[str, Callable[[list[Any]], Any]] = {
    "Sum": lambda xs: reduce(lambda a, b: _on_numbers("Add", a, b), xs, 0),
    "Prod": lambda xs: reduce(lambda a, b: _on_numbers("Multiply", a, b), xs, 1),
    "Max": lambda xs: reduce(lambda a, b: _on_numbers("Maximum", a, b), xs),
    "Min": lambda xs: reduce(lambda a, b: _on_numbers("Minimum", a, b), xs),
}


def folded(name: str, args: tuple[Any, ...], settings: dict[str, Any]) -> Any:
    """What Keras's operation `name` gives for constants; Refusal where that is not known beforehand."""
    shapes = [shape(x) for x in args if name not in ("GetItem", "Concatenate", "Stack")]
    if name in _NUMBERS:
        require_small((max(column) for column in zip_longest(*map(reversed, shapes), fillvalue=1)), MAX_COMPUTED)
        return _elementwise(name, *args)
    if name in _REDUCTIONS:
        return _reduced(name, args[0], **settings)
    function = _LISTS.get(name)
    if function is None:
        raise Refusal("it depends on no input of the model")
    result = function(*args, **settings)
    require_small(shape(result), MAX_COMPUTED)
    return result


def require_small(lengths: Iterable[int], most: int = MAX_ELEMENTS) -> None:
    """Refusal of a constant of so many elements or axes that a file can only mean harm."""
    found = list(lengths)
    if len(found) > MAX_RANK or (product(found) or 0) > most:
        raise Refusal(f"a constant of more than {most} elements, or {MAX_RANK} axes")


def _elementwise(name: str, *operands: Any) -> Any:
    rank = max(map(_rank, operands))
    if rank == 0:
        return _on_numbers(name, *operands)
    # numpy's rule: from the last axis on, lengths are equal or 1.
    parts = [x if _rank(x) == rank else [x] for x in operands]
    length = max(map(len, parts))
    if any(len(part) not in (1, length) for part in parts):
        raise Refusal("constants of lengths that do not go together")
    return [_elementwise(name, *(part[i % len(part)] for part in parts)) for i in range(length)]


def _on_numbers(name: str, *xs: Any) -> Any:
    if any(isinstance(x, Dim) for x in xs):
        return _on_lengths(name, *xs)
    if not all(isinstance(x, (int, float)) for x in xs):
        raise Refusal("constants that are no numbers")
    try:
        result = _NUMBERS[name](*xs)
    except (ArithmeticError, ValueError) as error:
        raise Refusal(f"arithmetic on its constants fails: {error}") from None
    if name in _KEPT_FLOAT or (name == "Power" and all(isinstance(x, int) for x in xs) and result.is_integer()):
        result = float(result) if name in _KEPT_FLOAT else int(result)
    if abs(result) >= MAX_NUMBER and (isinstance(result, int) or not math.isfinite(result)):
        raise Refusal("arithmetic on its constants leads beyond all bounds")
    return result


def _on_lengths(name: str, *xs: Any) -> Dim:
    if name not in _EXACT or not all(isinstance(x, (Dim, int)) for x in xs):
        raise Refusal("it computes with a length that is known only from the data")
    marked = [x.with_batch if isinstance(x, Dim) else x for x in xs]
    try:
        found = None if None in marked else _EXACT[name](*marked)
        return Dim(found if found is not None and abs(found) < MAX_NUMBER else None)
    except ArithmeticError as error:
        raise Refusal(f"arithmetic on its constants fails: {error}") from None


def _rank(value: Any) -> int:
    rank = 0
    while isinstance(value, list):
        value, rank = (value[0] if value else None), rank + 1
    return rank


def shape(value: Any) -> list[int]:
    """Length of each axis of a constant; Refusal where its rows differ."""
    found: list[int] = []
    row = value
    while isinstance(row, list) and len(found) <= MAX_RANK:
        found.append(len(row))
        row = row[0] if row else None
    if not _is_regular(value, found):
        raise Refusal("a constant whose rows differ in length")
    return found


def _is_regular(value: Any, lengths: list[int]) -> bool:
    if not lengths:
        return not isinstance(value, list)
    return isinstance(value, list) and len(value) == lengths[0] and all(_is_regular(row, lengths[1:]) for row in value)


def _reduced(name: str, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    flat = x if _rank(x) == 1 else _flat(x)
    if _rank(x) > 1 and axis is not None:
        raise Refusal("it depends on no input of the model")
    result = _REDUCTIONS[name](flat)
    return [result] if keepdims and _rank(x) == 1 else result


def _flat(x: Any) -> list[Any]:
    return [leaf for item in x for leaf in _flat(item)] if isinstance(x, list) else [x]


# Lists.


def _cast(x: Any, dtype: str) -> Any:
    if isinstance(x, list):
        return [_cast(item, dtype) for item in x]
    if isinstance(x, Dim):
        if "int" in dtype:
            return x
        raise Refusal("it computes with a length that is known only from the data")
    kind = bool if dtype == "bool" else int if "int" in dtype else float if "float" in dtype else None
    if kind is None or not isinstance(x, (int, float)):
        raise Refusal(f"a constant of dtype {dtype}")
    return kind(x)


def _item(x: Any, key: tuple[Any, ...]) -> Any:
    if not key or key == (...,):
        return x
    first, *rest = key
    if first is None:
        return [_item(x, tuple(rest))]
    if first is ...:
        skipped = _rank(x) - sum(entry is not None for entry in rest)
        return _item(x, (*[slice(None)] * skipped, *rest))
    if not isinstance(x, list):
        raise Refusal("it takes a part of a number")
    try:
        if isinstance(first, slice):
            return [_item(one, tuple(rest)) for one in x[first]]
        return _item(x[first], tuple(rest))
    except (IndexError, TypeError, ValueError):
        raise Refusal(f"an index is out of range for a constant of length {len(x)}") from None


def _concatenate(xs: list[Any], axis: int = 0) -> list[Any]:
    if all(_rank(x) >= 1 for x in xs) and axis in (0, -_rank(xs[0])):
        return [item for x in xs for item in x]
    raise Refusal("it depends on no input of the model")


def _stack(xs: list[Any], axis: int = 0) -> list[Any]:
    if axis in (0, -1 - _rank(xs[0])):
        return list(xs)
    raise Refusal("it depends on no input of the model")


def _expand_dims(x: Any, axis: Any) -> Any:
    place = axis if isinstance(axis, int) else axis[0]
    place += _rank(x) + 1 if place < 0 else 0
    if not 0 <= place <= _rank(x):
        raise Refusal(f"axis {axis} is out of range")
    return [x] if place == 0 else [_expand_dims(item, place - 1) for item in x]


def _squeeze(x: Any, axis: Any = None) -> Any:
    if isinstance(x, list) and len(x) == 1 and axis in (None, 0, [0], -_rank(x)):
        return _squeeze(x[0]) if axis is None else x[0]
    return x


def reshaped(x: Any, lengths: list[int]) -> Any:
    """A constant's elements in another shape."""
    flat = _flat(x)
    known = product(n for n in lengths if n != -1) or 1
    lengths = [len(flat) // known if n == -1 else n for n in lengths]
    if product(lengths) != len(flat):
        raise Refusal(f"{len(flat)} elements do not go into shape {lengths}")
    for n in reversed(lengths[1:]):
        flat = [flat[i : i + n] for i in range(0, len(flat), n)]
    return flat if lengths else flat[0]


def filled(lengths: list[int], value: Any) -> Any:
    """A constant of that shape, the same number everywhere."""
    require_small(lengths)
    for n in reversed(lengths):
        value = [value] * n
    return value


_LISTS: dict[str, Callable[..., Any]] = {
    "Cast": _cast,
    "GetItem": lambda x, key: _item(x, tuple(key)),
    "Concatenate": _concatenate,
    "Stack": _stack,
    "ExpandDims": _expand_dims,
    "Squeeze": _squeeze,
    "Reshape": lambda x, newshape: reshaped(x, list(newshape)),
    "Copy": lambda x: x,
    "ConvertToTensor": lambda x, dtype=None: x if dtype is None else _cast(x, dtype),
    "StopGradient": lambda x: x,
    "ZerosLike": lambda x, dtype=None: filled(shape(x), 0),
    "OnesLike": lambda x, dtype=None: filled(shape(x), 1),
}
