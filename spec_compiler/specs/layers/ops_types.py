"""What the rules of operations share: constants, dtypes that meet, shapes that meet, axes.

Dtypes are promoted by Keras's rules (https://keras.io/api/backend_functions/#result_type), which are JAX's: a Python
number takes the dtype of the tensor it meets, integers and floats make floats. 64-bit dtypes stay what they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from spec_compiler.specs.shapes import DTypeError, Shape, ShapeError, TensorType, merged, product, show
from spec_compiler.specs.types import MAX_FLOAT, kept_as


@dataclass(frozen=True, slots=True)
class Array:
    """A constant of several numbers among a call's arguments: nested tuples of them."""

    values: Any
    dtype: str
    written_as: str = field(default="__numpy__", compare=False, repr=False)
    """How Keras writes it: `__numpy__` or `__tensor__`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return _nesting(self.values)


Operand = TensorType | Array | float | int | bool
"""What an elementwise operation takes: a tensor, a constant array, or a Python number."""


def array_of(value: Any, dtype: str | None = None, written_as: str = "__numpy__") -> Array:
    """Nested lists of numbers as an Array; ShapeError where rows differ in length or something is no number."""
    values = _tuples(value)
    shape = _nesting(values)
    kinds: set[type] = set()
    if not _is_regular(values, shape, kinds):
        raise ShapeError("a constant's rows differ in length, or it holds what is no number")
    for number in numbers_in(values) if dtype != "float64" else ():
        require_bounded(number)
    if dtype is None:
        dtype = "float32" if float in kinds or not kinds else "int32" if int in kinds else "bool"
    for number in numbers_in(values) if is_int(dtype) else ():
        _require_range(number, dtype)
    return Array(values, kept_as(dtype), written_as)


def require_bounded(number: float) -> None:
    """ShapeError when a finite number is too large for float32, or a whole one for int64."""
    if isinstance(number, float) and math.isinf(number):
        return
    if abs(number) > (MAX_FLOAT if isinstance(number, float) else 2**63 - 1):
        raise ShapeError(
            f"the number {number:.3e} is too large" if isinstance(number, float) else "a number is too large"
        )


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, (list, tuple)) else value


def _nesting(values: Any) -> tuple[int, ...]:
    shape = []
    while isinstance(values, tuple):
        shape.append(len(values))
        values = values[0] if values else None
    return tuple(shape)


def _is_regular(values: Any, shape: tuple[int, ...], kinds: set[type]) -> bool:
    if not shape:
        kinds.add(type(values))
        return isinstance(values, (int, float))
    return (
        isinstance(values, tuple) and len(values) == shape[0] and all(_is_regular(v, shape[1:], kinds) for v in values)
    )


def numbers_in(values: Any) -> Iterator[Any]:
    """Every number of nested tuples."""
    if isinstance(values, tuple):
        for value in values:
            yield from numbers_in(value)
    else:
        yield values


def shape_of(operand: Operand) -> Shape:
    """Shape of a tensor, array, or number."""
    return operand.shape if isinstance(operand, (TensorType, Array)) else ()


_WEAK = {bool: "bool", int: "int", float: "float"}


def dtype_of(operand: Operand) -> str:
    """Dtype of a tensor or array; of a Python number its weak dtype, `int` or `float`."""
    return operand.dtype if isinstance(operand, (TensorType, Array)) else _WEAK[type(operand)]


def is_float(dtype: str) -> bool:
    """Whether the dtype holds real numbers."""
    return "float" in dtype


def real_dtype(dtype: str) -> str:
    """The dtype of the parts of such numbers, and of their absolute values."""
    return "float32" if dtype == "complex64" else dtype


def is_int(dtype: str) -> bool:
    """Whether the dtype holds whole numbers, bool excluded."""
    return "int" in dtype


def _category(dtype: str) -> int:
    return 0 if dtype == "bool" else 1 if "int" in dtype else 2 if "float" in dtype else 3


def _bits(dtype: str) -> int:
    digits = "".join(c for c in dtype if c.isdigit())
    return int(digits) if digits else 0


def _promote(a: str, b: str) -> str:
    if a == b or _category(a) > _category(b):
        return a
    if _category(b) > _category(a):
        return b
    if a in ("int", "float") or b in ("int", "float"):
        return b if a in ("int", "float") else a
    if _category(a) == 1 and a.startswith("u") != b.startswith("u"):
        unsigned, signed = (a, b) if a.startswith("u") else (b, a)
        if _bits(unsigned) < _bits(signed):
            return signed
        return f"int{2 * _bits(unsigned)}" if _bits(unsigned) < 64 else "float"
    if _bits(a) == _bits(b):
        # bfloat16 and float16: neither holds the other.
        return "float32"
    return a if _bits(a) > _bits(b) else b


def promoted(*dtypes: str) -> str:
    """The dtype that holds values of all of these; `int` and `float` stand for Python numbers."""
    result = dtypes[0]
    for dtype in dtypes[1:]:
        result = _promote(result, dtype)
    return {"int": "int32", "float": "float32"}.get(result, result)


def together(*operands: Operand) -> str:
    """The dtype that the operands meet in."""
    return promoted(*map(dtype_of, operands))


def floating(*operands: Operand) -> str:
    """The dtype that the operands meet in, a float: float32 for integers."""
    return promoted(*map(dtype_of, operands), "float")


def widened(dtype: str) -> str:
    """What sums and products of integers are kept in: at least int32."""
    return "int32" if dtype in ("bool", "int8", "int16", "uint8", "uint16") else dtype


def require_numbers(*operands: Operand) -> None:
    """ShapeError when all the operands are booleans."""
    if all(dtype_of(operand) == "bool" for operand in operands):
        raise ShapeError(
            "it takes numbers, got booleans", help="turn them into numbers first: cast to int32 or float32"
        )


def require_ints(*operands: Operand, or_bools: bool = False) -> None:
    """ShapeError unless the operands are integers."""
    for operand in operands:
        dtype = dtype_of(operand)
        if not (is_int(dtype) or (or_bools and dtype == "bool")):
            raise DTypeError(f"it takes integers, got {dtype}", help="cast them to int32 first")


def require_floats(*operands: Operand) -> None:
    """ShapeError unless the operands are real numbers."""
    for operand in operands:
        if not is_float(dtype_of(operand)):
            raise ShapeError(
                f"it takes floating-point numbers, got {dtype_of(operand)}", help="cast them to float32 first"
            )


def require_one_dtype(*operands: Operand) -> None:
    """ShapeError when the operands' dtypes differ."""
    dtypes = dict.fromkeys(map(dtype_of, operands))
    if len(dtypes) > 1:
        raise ShapeError(
            f"it takes tensors of one dtype, got {' and '.join(dtypes)}", help="cast one to the other's first"
        )


def broadcast(*shapes: Shape) -> Shape:
    """The shape that the shapes are stretched to, numpy's rule: from the last axis on, equal lengths or 1."""
    rank = max(map(len, shapes), default=0)
    return tuple(_stretched([s[i] for s in shapes if len(s) >= -i], shapes) for i in range(-rank, 0))


def _stretched(lengths: Sequence[int | None], shapes: Sequence[Shape]) -> int | None:
    longer = {n for n in lengths if n not in (None, 1)}
    if len(longer) > 1:
        raise ShapeError(
            f"shapes {' and '.join(map(show, shapes))} do not go together",
            help="from the last axis on, lengths must be equal, or one of them 1",
        )
    return longer.pop() if longer else None if None in lengths else 1


def elementwise(*operands: Operand) -> Shape:
    """Shape of what an operation makes of the operands element by element."""
    return broadcast(*map(shape_of, operands))


def require_fitting(dtype: str, *operands: Operand) -> None:
    """ShapeError when a Python number among the operands is none of `dtype`, integers."""
    for operand in operands:
        if is_int(dtype) and isinstance(operand, (int, float)):
            _require_range(operand, dtype)


def require_held(dtype: str, *numbers: Operand | None) -> None:
    """ShapeError when `dtype` cannot hold a number that torch keeps in it: float16 too, where sums may overflow."""
    for number in numbers:
        if not isinstance(number, (int, float)):
            continue
        if is_int(dtype) or dtype == "bool":
            _require_range(number, "int64" if dtype == "bool" else dtype)
        elif dtype == "float16" and _LARGEST_HALF < abs(number) < math.inf:
            raise ShapeError(f"{number} is out of the range of {dtype}")


def require_within(dtype: str, number: float | None) -> None:
    """The same of a number that torch makes a tensor of, below zero where there are unsigned integers too."""
    require_held(dtype, number)
    if number is not None and number < 0 and dtype.startswith("u"):
        raise ShapeError(f"{number} is out of the range of {dtype}")


_LARGEST_HALF = 65504


def _require_range(number: float, dtype: str) -> None:
    most = 2 ** (_bits(dtype) - 1)
    if not -most <= number < most * (2 if dtype.startswith("u") else 1):
        raise ShapeError(f"{number} is out of the range of {dtype}")


def axis_in(axis: int, rank: int) -> int:
    """`axis` counted from the front; ShapeError when a tensor of `rank` axes has none such."""
    if not -rank <= axis < rank:
        raise ShapeError(f"axis {axis} is out of range for a tensor of rank {rank}")
    return axis % rank


def axes_in(axes: int | Sequence[int] | None, rank: int) -> tuple[int, ...]:
    """The axes counted from the front, all of them for None; ShapeError when one is named twice or out of range."""
    if axes is None:
        return tuple(range(rank))
    found = tuple(axis_in(axis, rank) for axis in ((axes,) if isinstance(axes, int) else axes))
    if len(set(found)) < len(found):
        raise ShapeError(f"axes {list(axes)} name an axis twice")  # type: ignore[arg-type]
    return found


def some_axes_in(axes: int | Sequence[int] | None, rank: int) -> tuple[int, ...]:
    """The same, one at least."""
    found = axes_in(axes, rank)
    if not found:
        raise ShapeError("it takes one axis at least")
    return found


def reduced(shape: Shape, axes: int | Sequence[int] | None, keepdims: bool = False) -> Shape:
    """`shape` with the axes gone, or of length 1."""
    gone = axes_in(axes, len(shape))
    return tuple(1 if i in gone else n for i, n in enumerate(shape) if keepdims or i not in gone)


def flat(shape: Shape) -> Shape:
    """The shape of all elements in a row."""
    return (product(shape),)


def total(lengths: Iterable[int | None]) -> int | None:
    """Sum of lengths; None when one is unknown."""
    n = 0
    for length in lengths:
        if length is None:
            return None
        n += length
    return n


def same_but(shapes: Sequence[Shape], axis: int | None) -> Shape:
    """The shape that all of them have, `axis` (counted from the front) aside, whose lengths add up.

    Where the first has an unknown length, so has the result, as Keras states it.
    """
    first = known = shapes[0]
    for shape in shapes[1:]:
        try:
            if len(shape) != len(first):
                raise ShapeError("")
            known = tuple(a if i == axis else merged(a, b) for i, (a, b) in enumerate(zip(known, shape, strict=True)))
        except ShapeError:
            but = "" if axis is None else f" but for axis {axis}"
            raise ShapeError(f"the tensors' shapes must be equal{but}, got {', '.join(map(show, shapes))}") from None
    if axis is None:
        return first
    return (*first[:axis], total(shape[axis] for shape in shapes), *first[axis + 1 :])
