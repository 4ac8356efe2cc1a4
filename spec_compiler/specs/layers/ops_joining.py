"""Operations that join tensors, and that take them apart.

What they compute: https://keras.io/api/ops/numpy/.
"""

from __future__ import annotations

from itertools import pairwise

from spec_compiler.specs.layers.ops_arguments import Counts, Size
from spec_compiler.specs.layers.ops_table import Module, takes_complex
from spec_compiler.specs.layers.ops_types import (
    axis_in,
    same_but,
    together,
    total,
)
from spec_compiler.specs.shapes import RankError, ShapeError, TensorType, UnknownDimensionError, product, show

op = Module("keras.src.ops.numpy")
core = Module("keras.src.ops.core")

takes_complex("Append ArraySplit Concatenate Dsplit Dstack Hsplit Hstack Split Stack Unstack Vsplit Vstack")

MAX_PARTS = 1024
"""An operation gives no more outputs."""


@op.having("any")
def Concatenate(xs: list[TensorType], *, axis: int = 0) -> TensorType:
    axis = axis_in(axis, len(xs[0].shape))
    return TensorType(same_but([x.shape for x in xs], axis), together(*xs))


@op.having(order="x1 x2 axis")
def Append(x1: TensorType, x2: TensorType, *, axis: int | None = None) -> TensorType:
    if axis is None:
        return TensorType((total((product(x1.shape), product(x2.shape))),), together(x1, x2))
    return Concatenate([x1, x2], axis=axis)


@op
def Stack(x: list[TensorType], *, axis: int = 0) -> TensorType:
    shape = same_but([one.shape for one in x], None)
    axis = axis_in(axis, len(shape) + 1)
    return TensorType((*shape[:axis], len(x), *shape[axis:]), together(*x))


@op
def Hstack(xs: list[TensorType]) -> TensorType:
    shapes = [x.shape or (1,) for x in xs]
    return TensorType(same_but(shapes, 0 if len(shapes[0]) == 1 else 1), together(*xs))


@op
def Vstack(xs: list[TensorType]) -> TensorType:
    shapes = [(1, *(x.shape or (1,))) if len(x.shape) < 2 else x.shape for x in xs]
    return TensorType(same_but(shapes, 0), together(*xs))


@op
def Dstack(xs: list[TensorType]) -> TensorType:
    shapes = [{0: (1, 1, 1), 1: (1, *x.shape, 1), 2: (*x.shape, 1)}.get(len(x.shape), x.shape) for x in xs]
    return TensorType(same_but(shapes, 2), together(*xs))


def parts(length: int | None, places: Counts) -> list[int | None]:
    """Lengths of the parts of an axis: so many equal ones, or cut at these places."""
    if isinstance(places, int):
        if length is not None and length % places:
            raise ShapeError(f"an axis of length {length} cannot be split into {places} equal parts")
        _require_few(places)
        return [None if length is None else length // places] * places
    _require_few(len(places) + 1)
    if any(place < 0 for place in places):
        raise ShapeError(f"places to split at must not be negative, got {list(places)}")
    ends = [0, *places, length]
    lengths = [None if a is None or b is None else b - a for a, b in pairwise(ends)]
    if any(n is not None and n < 0 for n in lengths):
        raise ShapeError(f"an axis of length {length} cannot be split at {list(places)}")
    return lengths


def _require_few(count: int) -> None:
    if count > MAX_PARTS:
        raise ShapeError(f"{count} outputs are more than {MAX_PARTS}")


def _split(x: TensorType, places: Counts, axis: int) -> list[TensorType]:
    lengths = parts(x.shape[axis], places)
    return [TensorType((*x.shape[:axis], n, *x.shape[axis + 1 :]), x.dtype) for n in lengths]


@op
def Split(x: TensorType, *, indices_or_sections: Counts, axis: int = 0) -> list[TensorType]:
    if indices_or_sections == 0:
        raise ShapeError("there is no splitting into 0 parts")
    return _split(x, indices_or_sections, axis_in(axis, len(x.shape)))


@op
def Hsplit(x: TensorType, *, indices_or_sections: Counts) -> list[TensorType]:
    return Split(x, indices_or_sections=indices_or_sections, axis=0 if len(x.shape) == 1 else 1)


@op
def Vsplit(x: TensorType, *, indices_or_sections: Counts) -> list[TensorType]:
    if len(x.shape) < 2:
        raise RankError("it takes a tensor of rank 2 or more")
    return Split(x, indices_or_sections=indices_or_sections, axis=0)


@op
def Dsplit(x: TensorType, *, indices_or_sections: Counts) -> list[TensorType]:
    if len(x.shape) < 3:
        raise RankError("it takes a tensor of rank 3 or more")
    return Split(x, indices_or_sections=indices_or_sections, axis=2)


@op
def ArraySplit(x: TensorType, *, indices_or_sections: Size, axis: int = 0) -> list[TensorType]:
    """Parts of lengths as equal as may be, the longer ones first."""
    axis = axis_in(axis, len(x.shape))
    length, count = x.shape[axis], indices_or_sections
    _require_few(count)
    lengths = [None if length is None else length // count + (i < length % count) for i in range(count)]
    return [TensorType((*x.shape[:axis], n, *x.shape[axis + 1 :]), x.dtype) for n in lengths]


@core
def Unstack(x: TensorType, *, num: Size | None = None, axis: int = 0) -> list[TensorType]:
    axis = axis_in(axis, len(x.shape))
    length = x.shape[axis]
    if num is None and length is None:
        raise UnknownDimensionError(
            f"the length of axis {axis} of {show(x.shape)} is unknown", help="state num, how many there are"
        )
    if None not in (num, length) and num != length:
        raise ShapeError(f"axis {axis} is of length {length}, not {num}")
    count = num or length or 0
    _require_few(count)
    return [TensorType((*x.shape[:axis], *x.shape[axis + 1 :]), x.dtype)] * count
