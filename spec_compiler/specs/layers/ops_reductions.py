"""Operations that make one number of many: sums, means, extremes, quantiles; running sums; orders.

What they compute: https://keras.io/api/ops/numpy/.
"""

from __future__ import annotations

from typing import Any, Literal

from spec_compiler.specs.layers.ops_arguments import Axes, Count, DType, Number, Numbers, Size
from spec_compiler.specs.layers.ops_elementwise import made_float
from spec_compiler.specs.layers.ops_table import Module, takes_complex
from spec_compiler.specs.layers.ops_types import (
    Array,
    Operand,
    axes_in,
    axis_in,
    flat,
    floating,
    numbers_in,
    reduced,
    require_floats,
    require_numbers,
    require_within,
    shape_of,
    some_axes_in,
    widened,
)
from spec_compiler.specs.shapes import DTypeError, RankError, Shape, ShapeError, TensorType, merged, show
from spec_compiler.specs.types import Layout

op = Module("keras.src.ops.numpy")
math = Module("keras.src.ops.math")
nn = Module("keras.src.ops.nn")

takes_complex(
    "All Any Average CountNonzero Cumprod Cumsum Diff Logsumexp Mean Nancumprod Nancumsum Nanprod Prod Sum Trapezoid"
)


def by_axes(rank: int, arguments: dict[str, Any]) -> Layout:
    """Any order of axes will do where what is left keeps its order when the channels come first."""
    axes = arguments.get("axis", arguments.get("axes"))
    if axes is None or (arguments.get("keepdims") and axes != ()):
        return "any"
    gone = {axis % rank for axis in ((axes,) if isinstance(axes, int) else axes)}
    return "any" if gone and (rank - 1 in gone or gone >= set(range(1, rank - 1))) else "keras"


def summed(x: TensorType, *, axis: Axes = None, keepdims: bool = False) -> TensorType:
    return TensorType(reduced(x.shape, axis, keepdims), widened(x.dtype))


def kept(x: TensorType, *, axis: Axes = None, keepdims: bool = False) -> TensorType:
    _require_elements(x.shape, axis)
    return TensorType(reduced(x.shape, axis, keepdims), x.dtype)


def averaged(x: TensorType, *, axis: Axes = None, keepdims: bool = False) -> TensorType:
    return TensorType(reduced(x.shape, axis, keepdims), floating(x))


def tested(x: TensorType, *, axis: Axes = None, keepdims: bool = False) -> TensorType:
    return TensorType(reduced(x.shape, axis, keepdims), "bool")


def found(x: TensorType, *, axis: int | None = None, keepdims: bool = False) -> TensorType:
    _require_elements(x.shape, axis)
    return TensorType(reduced(x.shape, axis, keepdims), "int32")


def _require_elements(shape: Shape, axes: Axes) -> None:
    if any(shape[axis] == 0 for axis in axes_in(axes, len(shape))):
        raise ShapeError("there is no largest or smallest of no numbers: an axis is of length 0")


op.each("Sum Nansum Nanprod", summed, by_axes)
op.each("Amax Amin Nanmax Nanmin", kept, by_axes)
op.each("Mean Std Var Median Nanmean Nanstd Nanvar Nanmedian", averaged, by_axes)
op.each("All Any", tested, by_axes)
op.each("Argmax Argmin Nanargmax Nanargmin", found)


@op.having(by_axes)
def Max(x: TensorType, *, axis: Axes = None, keepdims: bool = False, initial: Number | None = None) -> TensorType:
    require_within(x.dtype, initial)
    return kept(x, axis=axis, keepdims=keepdims)


@op.having(by_axes)
def Min(x: TensorType, *, axis: Axes = None, keepdims: bool = False, initial: Number | None = None) -> TensorType:
    require_within(x.dtype, initial)
    return kept(x, axis=axis, keepdims=keepdims)


@op.having(by_axes)
def Ptp(x: TensorType, *, axis: Axes = None, keepdims: bool = False) -> TensorType:
    require_numbers(x)
    return kept(x, axis=axis, keepdims=keepdims)


@op.having(by_axes)
def Prod(x: TensorType, *, axis: Axes = None, keepdims: bool = False, dtype: DType = None) -> TensorType:
    return TensorType(reduced(x.shape, axis, keepdims), dtype or widened(x.dtype))


@op.having(by_axes)
def CountNonzero(x: TensorType, *, axis: Axes = None) -> TensorType:
    return TensorType(reduced(x.shape, axis), "int32")


@op.having(order="x axis weights", named="weights")
def Average(x: TensorType, weights: TensorType | None = None, *, axis: int | None = None) -> TensorType:
    if weights is None:
        return TensorType(reduced(x.shape, axis), floating(x))
    if len(weights.shape) == len(x.shape):
        for a, b in zip(x.shape, weights.shape, strict=True):
            merged(a, b)
    elif axis is None or len(weights.shape) != 1:
        raise ShapeError("weights have the shape of x, or are one for each place along the axis")
    else:
        merged(x.shape[axis_in(axis, len(x.shape))], weights.shape[0])
    return TensorType(reduced(x.shape, axis), floating(x, weights))


@math.having(by_axes)
def Logsumexp(x: TensorType, *, axis: Axes = None, keepdims: bool = False) -> TensorType:
    return averaged(x, axis=axis, keepdims=keepdims)


@nn.having(by_axes)
def Moments(x: TensorType, *, axes: Axes, keepdims: bool = False, synchronized: bool = False) -> list[TensorType]:
    """Mean and variance."""
    require_floats(x)
    some_axes_in(axes, len(x.shape))
    return [TensorType(reduced(x.shape, axes, keepdims), x.dtype)] * 2


def quantile(
    x: TensorType,
    q: Operand,
    *,
    axis: Axes = None,
    method: Literal["linear", "lower", "higher", "midpoint", "nearest"] = "linear",
    keepdims: bool = False,
) -> TensorType:
    return _quantile(x, q, 1, axis, keepdims)


def percentile(
    x: TensorType,
    q: Operand,
    *,
    axis: Axes = None,
    method: Literal["linear", "lower", "higher", "midpoint", "nearest"] = "linear",
    keepdims: bool = False,
) -> TensorType:
    return _quantile(x, q, 100, axis, keepdims)


def _quantile(x: TensorType, q: Operand, most: int, axis: Axes, keepdims: bool) -> TensorType:
    if len(shape_of(q)) > 1:
        raise ShapeError("q is a number, or a list of them")
    if 0 in x.shape:
        raise ShapeError(f"a tensor of shape {show(x.shape)} holds nothing to take quantiles of")
    stated = () if isinstance(q, TensorType) else numbers_in(q.values if isinstance(q, Array) else q)
    for number in stated:
        if not 0 <= number <= most:
            raise ShapeError(f"q must be from 0 to {most}, got {number}")
    return TensorType((*shape_of(q), *reduced(x.shape, axis, keepdims)), floating(x))


op.each("Quantile Nanquantile", quantile)
op.each("Percentile Nanpercentile", percentile)


# Running sums and products, differences.


def accumulated(x: TensorType, *, axis: int | None = None, dtype: DType = None) -> TensorType:
    result = dtype or x.dtype
    shape = flat(x.shape) if axis is None else x.shape
    axis_in(axis or 0, len(shape))
    return TensorType(shape, "int32" if result == "bool" else result)


op.each("Cumsum Cumprod Nancumsum Nancumprod", accumulated)


@op
def Diff(a: TensorType, *, n: Count = 1, axis: int = -1) -> TensorType:
    axis = axis_in(axis, len(a.shape))
    length = a.shape[axis]
    left = None if length is None else max(length - n, 0)
    return TensorType((*a.shape[:axis], left, *a.shape[axis + 1 :]), a.dtype)


@op
def Trapezoid(y: TensorType, *, x: Numbers | None = None, dx: Number = 1.0, axis: int = -1) -> TensorType:
    """The area under the curve through `y`, by the trapezoidal rule."""
    gone = axis_in(axis, len(y.shape))
    if x is not None and len(x) != y.shape[gone]:
        raise ShapeError(f"x has {len(x)} places, but axis {gone} of y {y.shape[gone]}")
    return TensorType(reduced(y.shape, gone), floating(y))


# Orders.


def sorted_along(x: TensorType, *, axis: int | None = -1) -> TensorType:
    if axis is None:
        return TensorType(flat(x.shape), x.dtype)
    axis_in(axis, len(x.shape))
    return x


op.each("Sort", sorted_along)


@op
def Argsort(x: TensorType, *, axis: int | None = -1) -> TensorType:
    return TensorType(sorted_along(x, axis=axis).shape, "int32")


@op
def Argpartition(x: TensorType, *, kth: Count, axis: int | None = -1) -> TensorType:
    shape = sorted_along(x, axis=axis).shape
    length = shape[-1 if axis is None else axis]
    if length is not None and kth >= length:
        raise ShapeError(f"kth {kth} is out of range for an axis of length {length}")
    return TensorType(shape, "int32")


@math
def TopK(x: TensorType, *, k: Size, sorted: bool = True) -> list[TensorType]:
    """The largest values of the last axis, and their places."""
    if not x.shape:
        raise RankError("it takes a tensor of rank 1 or more")
    require_numbers(x)
    if x.shape[-1] is not None and k > x.shape[-1]:
        raise ShapeError(f"there are no {k} largest among {x.shape[-1]}")
    shape = (*x.shape[:-1], k)
    return [TensorType(shape, x.dtype), TensorType(shape, "int32")]


@math
def InTopK(targets: TensorType, predictions: TensorType, *, k: Size) -> TensorType:
    if len(predictions.shape) != 2 or len(targets.shape) != 1:
        raise RankError("it takes targets of rank 1 and predictions of rank 2")
    require_numbers(predictions)
    if predictions.shape[1] is not None and k > predictions.shape[1]:
        raise ShapeError(f"there are no {k} largest among {predictions.shape[1]}")
    return TensorType((merged(targets.shape[0], predictions.shape[0]),), "bool")


@op.having(function="searchsorted")
def SearchSorted(
    sorted_sequence: TensorType, values: TensorType, *, side: Literal["left", "right"] = "left"
) -> TensorType:
    if len(sorted_sequence.shape) != 1:
        raise RankError("the sorted sequence is of rank 1")
    require_numbers(sorted_sequence, values)
    return TensorType(values.shape, "int32")


@op
def Digitize(x: TensorType, bins: TensorType) -> TensorType:
    if len(bins.shape) != 1:
        raise RankError("bins are of rank 1")
    return TensorType(x.shape, "int32")


@op
def Histogram(x: TensorType, *, bins: Size = 10, range: Numbers | None = None) -> list[TensorType]:
    """How many numbers fall in each bin, and the bins' edges."""
    if len(x.shape) != 1:
        raise RankError(f"it takes a tensor of rank 1, got rank {len(x.shape)}")
    if x.dtype not in ("float32", "float64"):
        raise DTypeError(f"it takes float32 or float64, got {x.dtype}", help="cast it to float32 first")
    if range and (len(range) != 2 or range[0] > range[1]):
        raise ShapeError(f"the range is its two ends, the lower one first, got {list(range)}")
    return [TensorType((bins,), x.dtype), TensorType((bins + 1,), x.dtype)]


@op
def Corrcoef(x: TensorType) -> TensorType:
    """Pearson's coefficients of the rows: (n, samples) -> (n, n)."""
    if len(x.shape) != 2:
        raise RankError(f"it takes a tensor of rank 2, got rank {len(x.shape)}")
    return TensorType((x.shape[0], x.shape[0]) if x.shape[0] != 1 else (), made_float(x).dtype)
