"""Lowerings of `specs.layers.ops_arranging`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.fx import Proxy
from torch.nn import functional as F

from spec_compiler.lowering.ops_call import OpCall, lower_each, lowering, torch_dtype
from spec_compiler.nn.ops import mirrored, spaced
from spec_compiler.specs.layers.ops_arranging import padding_of
from spec_compiler.specs.layers.ops_types import Array, axes_in, floating


@lowering
def Reshape(op: OpCall, x: Proxy, *, newshape: Sequence[int]) -> Any:
    return x.reshape(*newshape) if newshape else x.reshape(())


@lowering
def Ravel(op: OpCall, x: Proxy) -> Any:
    return x.flatten() if op.rank(x) != 1 else x


@lowering
def Transpose(op: OpCall, x: Proxy, *, axes: Sequence[int] | None) -> Any:
    rank = op.rank(x)
    order = tuple(reversed(range(rank))) if axes is None else axes_in(axes, rank)
    if order == tuple(range(rank)):
        return x
    return x.t() if rank == 2 else x.permute(*order)


@lowering
def Moveaxis(op: OpCall, x: Proxy, *, source: Any, destination: Any) -> Any:
    return x.movedim(source, destination)


@lowering
def Swapaxes(op: OpCall, x: Proxy, *, axis1: int, axis2: int) -> Any:
    return x.transpose(axis1, axis2)


@lowering
def ExpandDims(op: OpCall, x: Proxy, *, axis: Any) -> Any:
    if isinstance(axis, int):
        return x.unsqueeze(axis)
    for place in sorted(axes_in(axis, op.rank(x) + len(axis))):
        x = x.unsqueeze(place)
    return x


@lowering
def Squeeze(op: OpCall, x: Proxy, *, axis: Any) -> Any:
    if axis is None:
        axis = tuple(i for i, n in enumerate(op.type(x).shape) if n == 1)
    return x.squeeze(axis)


@lowering
def BroadcastTo(op: OpCall, x: Proxy, *, shape: Sequence[int]) -> Any:
    return x.expand(*shape) if shape else x


# Joining and splitting.


def _alike(op: OpCall, xs: list[Proxy]) -> list[Proxy]:
    return [op.cast(x, op.dtype) for x in xs]


def _dim(axis: int) -> dict[str, int]:
    return {"dim": axis} if axis else {}


@lowering
def Concatenate(op: OpCall, xs: list[Proxy], *, axis: int) -> Any:
    return torch.cat(_alike(op, xs), **_dim(op.axis(axis)))


@lowering
def Append(op: OpCall, x1: Proxy, x2: Proxy, *, axis: int | None) -> Any:
    xs = _alike(op, [x1, x2])
    return torch.cat([x.flatten() for x in xs]) if axis is None else torch.cat(xs, **_dim(axis))


@lowering
def Stack(op: OpCall, x: list[Proxy], *, axis: int) -> Any:
    return torch.stack(_alike(op, x), **_dim(axis))


def _stacked(op: OpCall, function: Callable[..., Any], xs: list[Proxy]) -> Any:
    return function(_alike(op, xs))


lower_each({"Hstack": torch.hstack, "Vstack": torch.vstack, "Dstack": torch.dstack}, _stacked)


def parts(op: OpCall, found: Any) -> Any:
    """As many proxies as the operation has outputs."""
    return found[0] if len(op.outputs) == 1 else op.call.outputs(found)


def _split(op: OpCall, x: Proxy, places: Any, axis: int) -> Any:
    if isinstance(places, int):
        return parts(op, torch.chunk(x, places, **_dim(axis)))
    return parts(op, torch.tensor_split(x, tuple(places), **_dim(axis)))


@lowering
def Split(op: OpCall, x: Proxy, *, indices_or_sections: Any, axis: int) -> Any:
    return _split(op, x, indices_or_sections, axis)


@lowering
def Hsplit(op: OpCall, x: Proxy, *, indices_or_sections: Any) -> Any:
    return _split(op, x, indices_or_sections, min(1, op.rank(x) - 1))


@lowering
def Vsplit(op: OpCall, x: Proxy, *, indices_or_sections: Any) -> Any:
    return _split(op, x, indices_or_sections, 0)


@lowering
def Dsplit(op: OpCall, x: Proxy, *, indices_or_sections: Any) -> Any:
    return _split(op, x, indices_or_sections, 2)


@lowering
def ArraySplit(op: OpCall, x: Proxy, *, indices_or_sections: Any, axis: int) -> Any:
    places = indices_or_sections if isinstance(indices_or_sections, int) else tuple(indices_or_sections)
    return parts(op, torch.tensor_split(x, places, **_dim(axis)))


@lowering
def Unstack(op: OpCall, x: Proxy, *, num: int | None, axis: int) -> Any:
    return parts(op, torch.unbind(x, **_dim(axis)))


# Repeating, turning, padding.


@lowering
def Tile(op: OpCall, x: Proxy, *, repeats: Any) -> Any:
    return x.tile(*((repeats,) if isinstance(repeats, int) else repeats))


@lowering
def Repeat(op: OpCall, x: Proxy, *, repeats: Any, axis: int | None) -> Any:
    if not isinstance(repeats, int):
        repeats = repeats[0] if len(repeats) == 1 else op.constant(Array(tuple(repeats), "int64"))
    return x.repeat_interleave(repeats, **({} if axis is None else {"dim": axis}))


@lowering
def Flip(op: OpCall, x: Proxy, *, axis: Any) -> Any:
    dims = tuple(range(op.rank(x))) if axis is None else op.axes(axis)
    return x.flip(dims)


@lowering
def Fliplr(op: OpCall, x: Proxy) -> Any:
    return x.flip(1)


@lowering
def Flipud(op: OpCall, x: Proxy) -> Any:
    return x.flip(0)


@lowering
def Roll(op: OpCall, x: Proxy, *, shift: Any, axis: Any) -> Any:
    if axis is None:
        return x.roll(shift if isinstance(shift, int) else shift[0])
    dims = (axis,) if isinstance(axis, int) else tuple(axis)
    shifts = (shift,) if isinstance(shift, int) else tuple(shift)
    if len(dims) == 1:
        return x.roll(shifts[0], dims[0])
    return x.roll(shifts * (len(dims) // len(shifts)), dims)


@lowering
def Rot90(op: OpCall, array: Proxy, *, k: int, axes: Sequence[int]) -> Any:
    return torch.rot90(array, k, tuple(axes))


@lowering
def Pad(op: OpCall, x: Proxy, constant_values: Any, *, pad_width: Any, mode: str) -> Any:
    widths = padding_of(pad_width, op.rank(x))
    if mode != "constant":
        return op.call.function(mirrored, x, widths, 1 if mode == "symmetric" else 0)
    while len(widths) > 1 and not any(widths[0]):
        widths = widths[1:]
    value = {"value": constant_values} if constant_values else {}
    return F.pad(x, tuple(n for pair in reversed(widths) for n in pair), **value)


# Triangles, diagonals, grids.


def _from_diagonal(op: OpCall, function: Callable[..., Any], x: Proxy, *, k: int) -> Any:
    return function(x, **({"diagonal": k} if k else {}))


lower_each({"Tril": torch.tril, "Triu": torch.triu, "Diag": torch.diag}, _from_diagonal)


@lowering
def Diagflat(op: OpCall, x: Proxy, *, k: int) -> Any:
    return torch.diagflat(x, **({"offset": k} if k else {}))


@lowering
def Diagonal(op: OpCall, x: Proxy, *, offset: int, axis1: int, axis2: int) -> Any:
    stated = {"offset": (offset, 0), "dim1": (axis1, 0), "dim2": (axis2, 1)}
    return torch.diagonal(x, **{key: value for key, (value, default) in stated.items() if value != default})


@lowering
def Vander(op: OpCall, x: Proxy, *, N: int | None, increasing: bool) -> Any:
    stated = {**({} if N is None else {"N": N}), **({"increasing": True} if increasing else {})}
    return op.run(lambda x: torch.vander(x, **stated), x)


@lowering
def Meshgrid(op: OpCall, *x: Proxy, indexing: str) -> Any:
    rows = [one if op.rank(one) == 1 else one.flatten() for one in x]
    return parts(op, torch.meshgrid(*rows, indexing="ij" if len(rows) == 1 else indexing))


@lowering
def UnravelIndex(op: OpCall, indices: Proxy, *, shape: Sequence[int]) -> Any:
    places = []
    for n in reversed(shape):
        places.append(indices % n)
        indices = indices // n
    return tuple(reversed(places))


def _ends(op: OpCall, start: Any, stop: Any) -> tuple[Any, Any, str]:
    """Start and stop as tensors of one floating-point dtype."""
    like = start if isinstance(start, Proxy) else stop
    dtype = floating(*(op.type(end) if isinstance(end, Proxy) else end for end in (start, stop)))
    first, last = (op.cast(op.tensor(end, like, dtype), dtype) for end in (start, stop))
    return first, last, dtype


def _spaced(op: OpCall, start: Any, stop: Any, num: int, endpoint: bool) -> Any:
    return op.call.function(spaced, start, stop, num, **({} if endpoint else {"endpoint": False}))


def _as_stated(op: OpCall, y: Any, dtype: str) -> Any:
    return y if dtype == op.dtype else y.to(torch_dtype(op.dtype))


@lowering
def Linspace(
    op: OpCall, start: Any, stop: Any, *, num: int, endpoint: bool, retstep: bool, dtype: str | None, axis: int
) -> Any:
    first, last, of = _ends(op, start, stop)
    y = _as_stated(op, _spaced(op, first, last, num, endpoint), of)
    count = num - 1 if endpoint else num
    return (y, _as_stated(op, (last - first) / (count or float("nan")), of)) if retstep else y


@lowering
def Logspace(
    op: OpCall, start: Any, stop: Any, *, num: int, endpoint: bool, base: float, dtype: str | None, axis: int
) -> Any:
    first, last, of = _ends(op, start, stop)
    return _as_stated(op, base ** _spaced(op, first, last, num, endpoint), of)


@lowering
def Geomspace(op: OpCall, start: Any, stop: Any, *, num: int, endpoint: bool, dtype: str | None, axis: int) -> Any:
    first, last, of = _ends(op, start, stop)
    exponents = _spaced(op, first.abs().log10(), last.abs().log10(), num, endpoint)
    return _as_stated(op, 10**exponents * first.sign(), of)
