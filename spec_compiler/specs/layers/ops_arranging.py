"""Operations that move elements about: reshaping, permuting, joining, splitting, repeating, padding.

What they compute: https://keras.io/api/ops/numpy/.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from spec_compiler.specs.layers.ops_arguments import Axes, Counts, DType, Ints, Lengths, Number, Pads, Shifts, Size
from spec_compiler.specs.layers.ops_table import Module
from spec_compiler.specs.layers.ops_types import (
    Operand,
    axes_in,
    axis_in,
    broadcast,
    dtype_of,
    flat,
    promoted,
    same_but,
    together,
    total,
)
from spec_compiler.specs.shapes import ShapeError, TensorType, product, show

op = Module("keras.src.ops.numpy")
core = Module("keras.src.ops.core")

MAX_PARTS = 1024
"""An operation gives no more outputs."""


@op
def Reshape(x: TensorType, *, newshape: Lengths) -> TensorType:
    if sum(n == -1 for n in newshape) > 1:
        raise ShapeError(f"at most one length of {show(newshape)} may be -1, which stands for what is left")
    stated = 1
    for n in newshape:
        stated *= n if n is not None and n >= 0 else 1
    size = product(x.shape)
    whole = -1 not in newshape
    if size is None:
        known = product(n for n in x.shape if n is not None)
        if whole and known and stated % known:
            raise ShapeError(f"a tensor of shape {show(x.shape)} does not go into shape {show(newshape)}")
        return TensorType(tuple(None if n == -1 else n for n in newshape), x.dtype)
    if (whole and size != stated) or (not whole and (stated == 0 or size % stated)):
        raise ShapeError(
            f"{size} elements of shape {show(x.shape)} do not go into shape {show(newshape)}",
            help="one length may be -1, which stands for what is left",
        )
    return TensorType(tuple(size // stated if n == -1 else n for n in newshape), x.dtype)


@op
def Ravel(x: TensorType) -> TensorType:
    return TensorType(flat(x.shape), x.dtype)


@op
def Transpose(x: TensorType, *, axes: Ints | None = None) -> TensorType:
    rank = len(x.shape)
    order = tuple(reversed(range(rank))) if axes is None else axes_in(axes, rank)
    if len(order) != rank:
        raise ShapeError(f"axes {list(order)} do not name each of the {rank} axes once")
    return TensorType(tuple(x.shape[axis] for axis in order), x.dtype)


@op
def Moveaxis(x: TensorType, *, source: Axes, destination: Axes) -> TensorType:
    order = moved(len(x.shape), source, destination)
    return TensorType(tuple(x.shape[axis] for axis in order), x.dtype)


def moved(rank: int, source: Axes, destination: Axes) -> list[int]:
    """The axes in their new order; those not named keep theirs."""
    origins, places = axes_in(source, rank), axes_in(destination, rank)
    if len(origins) != len(places):
        raise ShapeError(f"{len(origins)} axes cannot go to {len(places)} places")
    order = [axis for axis in range(rank) if axis not in origins]
    for place, origin in sorted(zip(places, origins, strict=True)):
        order.insert(place, origin)
    return order


@op
def Swapaxes(x: TensorType, *, axis1: int, axis2: int) -> TensorType:
    shape = list(x.shape)
    a, b = axis_in(axis1, len(shape)), axis_in(axis2, len(shape))
    shape[a], shape[b] = shape[b], shape[a]
    return TensorType(tuple(shape), x.dtype)


@op
def ExpandDims(x: TensorType, *, axis: Axes) -> TensorType:
    new = (axis,) if isinstance(axis, int) else tuple(axis or ())
    places = axes_in(new, len(x.shape) + len(new))
    shape = list(x.shape)
    for place in sorted(places):
        shape.insert(place, 1)
    return TensorType(tuple(shape), x.dtype)


@op
def Squeeze(x: TensorType, *, axis: Axes = None) -> TensorType:
    if axis is None:
        if None in x.shape:
            raise ShapeError(
                f"which axes of {show(x.shape)} are of length 1 is not known beforehand", help="name the axes to drop"
            )
        return TensorType(tuple(n for n in x.shape if n != 1), x.dtype)
    gone = axes_in(axis, len(x.shape))
    for i in gone:
        if x.shape[i] not in (1, None):
            raise ShapeError(f"axis {i} of {show(x.shape)} is not of length 1")
    return TensorType(tuple(n for i, n in enumerate(x.shape) if i not in gone), x.dtype)


@op
def BroadcastTo(x: TensorType, *, shape: Lengths) -> TensorType:
    if any(n is not None and n < 0 for n in shape):
        raise ShapeError(f"every length of {show(shape)} must be stated")
    if len(shape) < len(x.shape) or any(
        a != 1 and a is not None and a != b for a, b in zip(reversed(x.shape), reversed(shape), strict=False)
    ):
        raise ShapeError(f"a tensor of shape {show(x.shape)} cannot be stretched to {show(shape)}")
    return TensorType(tuple(shape), x.dtype)


# Joining and splitting.


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
        raise ShapeError("it takes a tensor of rank 2 or more")
    return Split(x, indices_or_sections=indices_or_sections, axis=0)


@op
def Dsplit(x: TensorType, *, indices_or_sections: Counts) -> list[TensorType]:
    if len(x.shape) < 3:
        raise ShapeError("it takes a tensor of rank 3 or more")
    return Split(x, indices_or_sections=indices_or_sections, axis=2)


@op
def ArraySplit(x: TensorType, *, indices_or_sections: Counts, axis: int = 0) -> list[TensorType]:
    axis = axis_in(axis, len(x.shape))
    length = x.shape[axis]
    if not isinstance(indices_or_sections, int):
        return _split(x, indices_or_sections, axis)
    count = indices_or_sections
    if count == 0:
        raise ShapeError("there is no splitting into 0 parts")
    _require_few(count)
    lengths = [None if length is None else length // count + (i < length % count) for i in range(count)]
    return [TensorType((*x.shape[:axis], n, *x.shape[axis + 1 :]), x.dtype) for n in lengths]


@core
def Unstack(x: TensorType, *, num: Size | None = None, axis: int = 0) -> list[TensorType]:
    axis = axis_in(axis, len(x.shape))
    length = x.shape[axis]
    if num is None and length is None:
        raise ShapeError(f"the length of axis {axis} of {show(x.shape)} is unknown", help="state num, how many there are")
    if None not in (num, length) and num != length:
        raise ShapeError(f"axis {axis} is of length {length}, not {num}")
    count = num or length or 0
    _require_few(count)
    return [TensorType((*x.shape[:axis], *x.shape[axis + 1 :]), x.dtype)] * count


# Repeating, turning, padding.


@op
def Tile(x: TensorType, *, repeats: Counts) -> TensorType:
    times = (repeats,) if isinstance(repeats, int) else tuple(repeats)
    rank = max(len(times), len(x.shape))
    times = (1,) * (rank - len(times)) + times
    shape = (1,) * (rank - len(x.shape)) + x.shape
    return TensorType(tuple(None if n is None else n * k for n, k in zip(shape, times, strict=True)), x.dtype)


@op
def Repeat(x: TensorType, *, repeats: Counts, axis: int | None = None) -> TensorType:
    shape = flat(x.shape) if axis is None else x.shape
    place = axis_in(axis or 0, len(shape))
    length = shape[place]
    if isinstance(repeats, int) or len(repeats) == 1:
        times = repeats if isinstance(repeats, int) else repeats[0]
        length = None if length is None else length * times
    else:
        if length not in (None, len(repeats)):
            raise ShapeError(f"{len(repeats)} numbers of repeats do not suit an axis of length {length}")
        length = sum(repeats)
    return TensorType((*shape[:place], length, *shape[place + 1 :]), x.dtype)


@op.having("any")
def Flip(x: TensorType, *, axis: Axes = None) -> TensorType:
    axes_in(axis, len(x.shape))
    return x


@op
def Fliplr(x: TensorType) -> TensorType:
    axis_in(1, len(x.shape))
    return x


@op
def Flipud(x: TensorType) -> TensorType:
    axis_in(0, len(x.shape))
    return x


@op
def Roll(x: TensorType, *, shift: Shifts, axis: Axes = None) -> TensorType:
    axes_in(axis, len(x.shape))
    shifts = 1 if isinstance(shift, int) else len(shift)
    places = 1 if axis is None or isinstance(axis, int) else len(axis)
    if shifts not in (1, places):
        raise ShapeError(f"{shifts} shifts do not suit {places} axes")
    return x


@op.having(function="rot90")
def Rot90(array: TensorType, *, k: int = 1, axes: Ints = (0, 1)) -> TensorType:
    places = axes_in(axes, len(array.shape))
    if len(places) != 2:
        raise ShapeError(f"a plane has two axes, got {list(axes)}")
    a, b = places
    shape = list(array.shape)
    if k % 2:
        shape[a], shape[b] = shape[b], shape[a]
    return TensorType(tuple(shape), array.dtype)


@op.having(order="x pad_width mode constant_values", named="constant_values")
def Pad(
    x: TensorType,
    constant_values: Operand | None = None,
    *,
    pad_width: Pads,
    mode: Literal["constant", "reflect", "symmetric"] = "constant",
) -> TensorType:
    widths = padding_of(pad_width, len(x.shape))
    if constant_values is not None and not isinstance(constant_values, (int, float)):
        raise ShapeError("constant_values is a number")
    if constant_values is not None and mode != "constant":
        raise ShapeError(f"constant_values says nothing where mode is {mode}")
    for n, (before, after) in zip(x.shape, widths, strict=True):
        most = {"reflect": -1, "symmetric": 0}.get(mode)
        if most is not None and n is not None and max(before, after) > n + most:
            raise ShapeError(f"an axis of length {n} cannot be padded by {max(before, after)} of its own, {mode}ed")
    shape = tuple(None if n is None else n + a + b for n, (a, b) in zip(x.shape, widths, strict=True))
    return TensorType(shape, x.dtype)


def padding_of(pad_width: Pads, rank: int) -> tuple[tuple[int, int], ...]:
    """A pair of widths for each axis."""
    if len(pad_width) == 1:
        return tuple(pad_width) * rank
    if len(pad_width) != rank:
        raise ShapeError(f"{len(pad_width)} pairs of widths do not suit a tensor of rank {rank}")
    return tuple(pad_width)


# Triangles, diagonals, grids.


@op
def Tril(x: TensorType, *, k: int = 0) -> TensorType:
    axis_in(1, len(x.shape))
    return x


@op
def Triu(x: TensorType, *, k: int = 0) -> TensorType:
    axis_in(1, len(x.shape))
    return x


@op
def Diag(x: TensorType, *, k: int = 0) -> TensorType:
    if len(x.shape) == 1:
        return Diagflat(x, k=k)
    if len(x.shape) != 2:
        raise ShapeError(f"it takes a tensor of rank 1 or 2, got rank {len(x.shape)}")
    return Diagonal(x, offset=k)


@op
def Diagflat(x: TensorType, *, k: int = 0) -> TensorType:
    (n,) = flat(x.shape)
    side = None if n is None else n + abs(k)
    return TensorType((side, side), x.dtype)


@op
def Diagonal(x: TensorType, *, offset: int = 0, axis1: int = 0, axis2: int = 1) -> TensorType:
    axes = axes_in((axis1, axis2), len(x.shape))
    rows, columns = (x.shape[axis] for axis in axes)
    length = None
    if rows is not None and columns is not None:
        length = max(0, min(rows, columns - offset) if offset > 0 else min(rows + offset, columns))
    return TensorType((*(n for i, n in enumerate(x.shape) if i not in axes), length), x.dtype)


@op.having(function="vander")
def Vander(x: TensorType, *, N: Size | None = None, increasing: bool = False) -> TensorType:
    """Powers of each number: (n,) -> (n, N)."""
    if len(x.shape) != 1:
        raise ShapeError(f"it takes a tensor of rank 1, got rank {len(x.shape)}")
    return TensorType((x.shape[0], x.shape[0] if N is None else N), x.dtype)


@op
def Meshgrid(*x: TensorType, indexing: Literal["xy", "ij"] = "xy") -> list[TensorType]:
    sizes = [product(one.shape) for one in x]
    if indexing == "xy" and len(sizes) > 1:
        sizes[:2] = reversed(sizes[:2])
    return [TensorType(tuple(sizes), one.dtype) for one in x]


@op
def UnravelIndex(indices: TensorType, *, shape: Ints) -> list[TensorType]:
    return [TensorType(indices.shape, indices.dtype)] * len(shape)


def _spaced(start: Operand, stop: Operand, num: int, dtype: str | None, axis: int) -> TensorType:
    shape = broadcast(*(getattr(end, "shape", ()) for end in (start, stop)))
    if axis_in(axis, len(shape) + 1) != 0:
        raise ShapeError("only a first axis of numbers can be made, axis=0")
    return TensorType((num, *shape), dtype or promoted(dtype_of(start), dtype_of(stop), "float"))


@op
def Linspace(
    start: Operand, stop: Operand, *, num: Size = 50, endpoint: bool = True, retstep: bool = False,
    dtype: DType = None, axis: int = 0,
) -> TensorType | list[TensorType]:  # fmt: skip
    found = _spaced(start, stop, num, dtype, axis)
    return [found, TensorType(found.shape[1:], found.dtype)] if retstep else found


@op
def Logspace(
    start: Operand, stop: Operand, *, num: Size = 50, endpoint: bool = True, base: Number = 10, dtype: DType = None,
    axis: int = 0,
) -> TensorType:  # fmt: skip
    return _spaced(start, stop, num, dtype, axis)


@op
def Geomspace(
    start: Operand, stop: Operand, *, num: Size = 50, endpoint: bool = True, dtype: DType = None, axis: int = 0
) -> TensorType:
    return _spaced(start, stop, num, dtype, axis)
