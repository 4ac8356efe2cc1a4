"""Lowerings of `specs.layers.ops_reductions`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from spec_compiler.lowering.expressions import differing
from spec_compiler.lowering.ops_call import OpCall, lower_each, lowering, torch_dtype, with_constants, wrap
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.nn.ops import corrcoef
from spec_compiler.nn.ops_counting import histogram
from spec_compiler.specs.layers.ops_types import Array, numbers_in
from spec_compiler.specs.shapes import TensorType


def over(op: OpCall, x: Proxy, axis: Any, keepdims: bool) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of torch's reductions: none for all axes."""
    if axis is None:
        return ((tuple(range(op.rank(x))),), {"keepdim": True}) if keepdims else ((), {})
    return (op.axes(axis),), {"keepdim": True} if keepdims else {}


def dims_of(op: OpCall, x: Proxy, axis: Any) -> tuple[int, ...]:
    """The axes as torch has them, all for None."""
    dims = range(op.rank(x)) if axis is None else op.axes(axis)
    return (dims,) if isinstance(dims, int) else tuple(dims)


def _keep(keepdims: bool) -> dict[str, Any]:
    return {"keepdim": True} if keepdims else {}


def method(op: OpCall, name: str, x: Proxy, *, axis: Any, keepdims: bool) -> Any:
    args, kwargs = over(op, x, axis, keepdims)
    return op.run(lambda x: getattr(x, name)(*args, **kwargs), x)


def method_of_floats(op: OpCall, name: str, x: Proxy, **settings: Any) -> Any:
    return method(op, name, op.as_float(x), **settings)


lower_each({"All": "all", "Any": "any", "Amax": "amax", "Amin": "amin"}, method)
lower_each({"Mean": "mean", "Nanmean": "nanmean"}, method_of_floats)


def summed(op: OpCall, name: str, x: Proxy, *, axis: Any, keepdims: bool) -> Any:
    args, kwargs = over(op, x, axis, keepdims)
    wider = {} if "float" in op.dtype else {"dtype": torch_dtype(op.dtype)}
    return getattr(x, name)(*args, **kwargs, **wider)


lower_each({"Sum": "sum", "Nansum": "nansum"}, summed)


def spread(op: OpCall, name: str, x: Proxy, *, axis: Any, keepdims: bool) -> Any:
    """Variance and standard deviation, of the numbers themselves: divided by n, not by n - 1."""
    args, kwargs = over(op, x, axis, keepdims)
    return getattr(op.as_float(x), name)(*(args or ()), correction=0, **kwargs)


lower_each({"Std": "std", "Var": "var"}, spread)


def _with_initial(op: OpCall, y: Proxy, pick: Callable[..., Any], initial: float | None) -> Any:
    return y if initial is None else pick(y, y.new_full((), initial))


@lowering
def Max(op: OpCall, x: Proxy, *, axis: Any, keepdims: bool, initial: float | None) -> Any:
    return _with_initial(op, method(op, "amax", x, axis=axis, keepdims=keepdims), torch.maximum, initial)


@lowering
def Min(op: OpCall, x: Proxy, *, axis: Any, keepdims: bool, initial: float | None) -> Any:
    return _with_initial(op, method(op, "amin", x, axis=axis, keepdims=keepdims), torch.minimum, initial)


@lowering
def Ptp(op: OpCall, x: Proxy, *, axis: Any, keepdims: bool) -> Any:
    args, kwargs = over(op, x, axis, keepdims)
    return x.amax(*args, **kwargs) - x.amin(*args, **kwargs)


def _accumulated_in(op: OpCall, x: Proxy) -> tuple[Proxy, dict[str, Any]]:
    """What to sum or multiply up, and in what dtype, where torch would choose another."""
    if "float" in op.dtype:
        return x, op.stated_dtype(x)
    # Floats are cast beforehand: torch has no gradient of sums that come out whole.
    return (op.cast(x, op.dtype) if "float" in op.type(x).dtype else x), {"dtype": torch_dtype(op.dtype)}


def _product(op: OpCall, x: Proxy, axis: Any, keepdims: bool) -> Any:
    x, stated = _accumulated_in(op, x)
    if axis is None and (not keepdims or not op.rank(x)):
        return x.prod(**stated)
    # torch takes products along one axis at a time.
    for dim in sorted((dim % op.rank(x) for dim in dims_of(op, x, axis)), reverse=True):
        x = x.prod(dim, **_keep(keepdims), **stated)
    return x


@lowering
def Prod(op: OpCall, x: Proxy, *, axis: Any, keepdims: bool, dtype: str | None) -> Any:
    return _product(op, x, axis, keepdims)


@lowering
def CountNonzero(op: OpCall, x: Proxy, *, axis: Any) -> Any:
    dims = {} if axis is None else {"dim": op.axes(axis)}
    return op.run(lambda x: torch.count_nonzero(x, **dims), x)


@lowering
def Logsumexp(op: OpCall, x: Proxy, *, axis: Any, keepdims: bool) -> Any:
    return torch.logsumexp(op.as_float(x), dims_of(op, x, axis), **_keep(keepdims))


@lowering
def Average(op: OpCall, x: Proxy, weights: Proxy | None, *, axis: int | None) -> Any:
    x = op.cast(x, op.dtype)
    if weights is None:
        return x.mean() if axis is None else x.mean(axis)
    rank = op.rank(x)
    along = op.rank(weights) < rank
    weights = op.cast(weights, op.dtype)
    if along:
        assert axis is not None
        # One weight a place along the axis: stretched over the axes behind it.
        weights = weights[(..., *[None] * (rank - 1 - axis % rank))]
    dims = () if axis is None else (axis,)
    return (x * weights).sum(*dims) / (weights.sum() if along else weights.sum(*dims))


@lowering
def Moments(op: OpCall, x: Proxy, *, axes: Any, keepdims: bool, synchronized: bool) -> Any:
    dims = op.axes(axes)
    mean = x.mean(dims, **_keep(keepdims))
    # Keras's own arithmetic, less exact than a variance about the mean.
    return mean, x.square().mean(dims, **_keep(keepdims)) - mean.square()


# Places of extremes.


def place(op: OpCall, name: str, x: Proxy, *, axis: int | None, keepdims: bool) -> Any:
    x = op.cast(x, "uint8") if op.type(x).dtype == "bool" else x
    args = () if axis is None else (axis,)
    if keepdims and axis is None:
        y = getattr(x, name)()
        return y.to(torch.int32).reshape((1,) * op.rank(x))
    return getattr(x, name)(*args, **_keep(keepdims)).to(torch.int32)


lower_each({"Argmax": "argmax", "Argmin": "argmin"}, place)


# The same, of what is a number.


def _filled(op: OpCall, x: Proxy, value: float) -> Proxy:
    return op.typed(torch.where(torch.isnan(x), value, x), op.type(x))


def _none(op: OpCall, x: Proxy, axis: Any, keepdims: bool) -> Any:
    """Where nothing is a number."""
    args, kwargs = over(op, x, axis, keepdims)
    return torch.isnan(x).all(*args, **kwargs)


def nan_extreme(op: OpCall, function: tuple[str, float], x: Proxy, *, axis: Any, keepdims: bool) -> Any:
    name, least = function
    if "float" not in op.dtype:
        return method(op, name, x, axis=axis, keepdims=keepdims)
    y = method(op, name, _filled(op, x, least), axis=axis, keepdims=keepdims)
    return torch.where(_none(op, x, axis, keepdims), float("nan"), y)


lower_each({"Nanmax": ("amax", float("-inf")), "Nanmin": ("amin", float("inf"))}, nan_extreme)


def nan_place(op: OpCall, function: tuple[str, float], x: Proxy, *, axis: Any, keepdims: bool) -> Any:
    name, least = function
    if "float" not in op.type(x).dtype:
        return place(op, name, x, axis=axis, keepdims=keepdims)
    y = place(op, name, _filled(op, x, least), axis=axis, keepdims=keepdims)
    return torch.where(_none(op, x, axis, keepdims), -1, y)


lower_each({"Nanargmax": ("argmax", float("-inf")), "Nanargmin": ("argmin", float("inf"))}, nan_place)


@lowering
def Nanprod(op: OpCall, x: Proxy, *, axis: Any, keepdims: bool) -> Any:
    return _product(op, _filled(op, x, 1.0) if "float" in op.dtype else x, axis, keepdims)


@lowering
def Nanvar(op: OpCall, x: Proxy, *, axis: Any, keepdims: bool) -> Any:
    x = op.as_float(x)
    args, kwargs = over(op, x, axis, True)
    # Where there is no number zero is squared, whose gradient is a number.
    apart = torch.where(torch.isnan(x), 0.0, x - x.nanmean(*args, **kwargs)).square()
    args, kwargs = over(op, x, axis, keepdims)
    return apart.sum(*args, **kwargs) / torch.isnan(x).logical_not().sum(*args, **kwargs)


@lowering
def Nanstd(op: OpCall, x: Proxy, *, axis: Any, keepdims: bool) -> Any:
    return torch.sqrt(Nanvar(op, x, axis=axis, keepdims=keepdims))


# Quantiles.


def quantiles(
    op: OpCall, function: Callable[..., Any], x: Proxy, q: Any, axis: Any, method: str, keepdims: bool
) -> Any:
    x = op.as_float(x)
    # torch takes quantiles of float32 and float64 alone.
    half = op.type(x).dtype in ("float16", "bfloat16")
    values = op.cast(x, "float32") if half else x
    stated = {**_keep(keepdims), **({} if method == "linear" else {"interpolation": method})}
    dims = [dim % op.rank(x) for dim in dims_of(op, x, axis)]
    if len(dims) == 1:
        y = function(values, q, dim=dims[0], **stated)
    elif len(dims) == op.rank(x) and not keepdims:
        y = function(values, q, **stated)
    else:
        y = _over_several(values, q, function, dims, op.rank(x), keepdims, stated)
    return y.to(torch_dtype(op.dtype)) if half else y


def _over_several(x: Proxy, q: Any, function: Any, dims: list[int], rank: int, keepdims: bool, stated: Any) -> Any:
    """torch takes one axis: the axes are moved to the end and become one, which is spread out again where it stays."""
    last = tuple(range(-len(dims), 0))
    y = function(x.movedim(tuple(dims), last).flatten(-len(dims)), q, dim=-1, **{**stated, "keepdim": False})
    for dim in sorted(dims, reverse=True) if keepdims else ():
        y = y.unsqueeze(dim - rank)
    return y


def _quantile(op: OpCall, function: Callable[..., Any], x: Proxy, q: Any, **settings: Any) -> Any:
    return quantiles(op, function, x, _fractions(op, x, q, 1), **settings)


def _percentile(op: OpCall, function: Callable[..., Any], x: Proxy, q: Any, **settings: Any) -> Any:
    return quantiles(op, function, x, _fractions(op, x, q, 100), **settings)


def _fractions(op: OpCall, x: Proxy, q: Any, whole: int) -> Any:
    """Fractions of `whole`, in the dtype of the numbers they are taken of."""
    dtype = "float64" if op.type(x).dtype == "float64" else "float32"
    if isinstance(q, Proxy):
        q = op.cast(q, dtype)
        return q if whole == 1 else q / whole
    if isinstance(q, Array):
        return op.constant(Array(tuple(n / whole for n in numbers_in(q.values)), dtype))
    return q / whole if whole > 1 else float(q)


with_constants("Quantile.q Nanquantile.q Percentile.q Nanpercentile.q")
lower_each({"Quantile": torch.quantile, "Nanquantile": torch.nanquantile}, _quantile)
lower_each({"Percentile": torch.quantile, "Nanpercentile": torch.nanquantile}, _percentile)


def _median(op: OpCall, function: Callable[..., Any], x: Proxy, *, axis: Any, keepdims: bool) -> Any:
    # torch's own median is the lower of the two in the middle.
    return quantiles(op, function, x, 0.5, axis, "linear", keepdims)


lower_each({"Median": torch.quantile, "Nanmedian": torch.nanquantile}, _median)


def _or_over_no_axes(lowered: Callable[..., Any]) -> Callable[..., Any]:
    """A reduction's lowering for `axis=[]` too, which torch takes for all axes: over one of length 1 in their place."""

    def reduction(op: OpCall, x: Proxy, *inputs: Any, axis: Any, **settings: Any) -> Any:
        if axis == ():
            of = op.type(x)
            x, axis = op.typed(x.unsqueeze(-1), TensorType((*of.shape, 1), of.dtype)), -1
            settings |= {"keepdims": False} if "keepdims" in settings else {}
        return lowered(op, x, *inputs, axis=axis, **settings)

    return reduction


wrap(
    "All Any Amax Amin Mean Nanmean Sum Nansum Std Var Max Min Ptp Prod CountNonzero Logsumexp Nanmax Nanmin Nanprod Nanvar "
    "Nanstd Quantile Nanquantile Percentile Nanpercentile Median Nanmedian",
    _or_over_no_axes,
)


# Running sums and products, differences.


def running(op: OpCall, name: str, x: Proxy, *, axis: int | None, dtype: str | None) -> Any:
    x, stated = _accumulated_in(op, x)
    return getattr(x.flatten() if axis is None else x, name)(axis or 0, **stated)


lower_each({"Cumsum": "cumsum", "Cumprod": "cumprod"}, running)


def nan_running(op: OpCall, function: tuple[str, float], x: Proxy, **settings: Any) -> Any:
    name, neutral = function
    if "float" in op.type(x).dtype:
        x = op.typed(torch.nan_to_num(x, nan=neutral), op.type(x))
    return running(op, name, x, **settings)


lower_each({"Nancumsum": ("cumsum", 0.0), "Nancumprod": ("cumprod", 1.0)}, nan_running)


@lowering
def Diff(op: OpCall, a: Proxy, *, n: int, axis: int) -> Any:
    stated = differing({"n": (n, 1), "dim": (axis, -1)})
    return torch.diff(a, **stated) if n else a


@lowering
def Trapezoid(op: OpCall, y: Proxy, *, x: Any, dx: Any, axis: int) -> Any:
    y = op.as_float(y)
    dim = differing({"dim": (axis, -1)})
    if x is not None:
        return torch.trapezoid(y, op.constant(Array(tuple(x), op.dtype)), **dim)
    return torch.trapezoid(y, **({} if dx == 1 else {"dx": dx}), **dim)


# Orders.


@lowering
def Sort(op: OpCall, x: Proxy, *, axis: int | None) -> Any:
    return torch.sort(
        x.flatten() if axis is None else x, **differing({"dim": (-1 if axis is None else axis, -1)})
    ).values


@lowering
def Argsort(op: OpCall, x: Proxy, *, axis: int | None) -> Any:
    x = op.cast(x, "uint8") if op.type(x).dtype == "bool" else x
    dim = differing({"dim": (-1 if axis is None else axis, -1)})
    return torch.argsort(x.flatten() if axis is None else x, **dim, stable=True).to(torch.int32)


@lowering
def Argpartition(op: OpCall, x: Proxy, *, kth: int, axis: int | None) -> Any:
    # The whole order is a partition at every place.
    return Argsort(op, x, axis=axis)


@lowering
def TopK(op: OpCall, x: Proxy, *, k: int, sorted: bool) -> Any:
    values, places = op.call.outputs(torch.topk(x, k, **differing({"sorted": (sorted, True)})))
    return values, places.to(torch.int32)


@lowering
def InTopK(op: OpCall, targets: Proxy, predictions: Proxy, *, k: int) -> Any:
    least = torch.topk(predictions, k).values[:, -1]
    return predictions.gather(1, targets.to(torch.int64).unsqueeze(1)).squeeze(1) >= least


@lowering
def SearchSorted(op: OpCall, sorted_sequence: Proxy, values: Proxy, *, side: str) -> Any:
    right = differing({"right": (side == "right", False)})
    return torch.searchsorted(sorted_sequence, values, out_int32=True, **right)


@lowering
def Digitize(op: OpCall, x: Proxy, bins: Proxy) -> Any:
    x = op.cast(x, "uint8") if op.type(x).dtype == "bool" else x
    return torch.bucketize(x, bins, out_int32=True, right=True)


@lowering
def Histogram(op: OpCall, x: Proxy, *, bins: int, range: Any) -> Any:
    stated = op.call.given(range=tuple(range) if range else None)
    return op.call.outputs(op.call.function(histogram, x, bins, **stated))


@lowering
def Corrcoef(op: OpCall, x: Proxy) -> Any:
    return op.call.function(corrcoef, op.as_float(x))
