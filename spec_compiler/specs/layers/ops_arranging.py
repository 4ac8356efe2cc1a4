"""Operations that move elements about: reshaping, permuting, repeating, turning, padding.

What they compute: https://keras.io/api/ops/numpy/.
"""

from __future__ import annotations

from typing import Literal

from spec_compiler.specs.layers.ops_arguments import Axes, Counts, Ints, Lengths, Pads, Shifts
from spec_compiler.specs.layers.ops_table import Module, takes_complex
from spec_compiler.specs.layers.ops_types import (
    Operand,
    axes_in,
    axis_in,
    flat,
    require_within,
)
from spec_compiler.specs.shapes import ShapeError, TensorType, product, show

op = Module("keras.src.ops.numpy")

takes_complex(
    "BroadcastTo ExpandDims Flip Fliplr Flipud Moveaxis Pad Ravel Repeat Reshape Roll Rot90 Squeeze Swapaxes "
    "Tile Transpose"
)


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
    if axis is None:
        raise ShapeError("axis says where the new axes go")
    new = (axis,) if isinstance(axis, int) else tuple(axis)
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
    require_within(x.dtype, constant_values)
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
