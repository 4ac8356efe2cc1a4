"""Lowerings of `specs.layers.ops_arranging`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional as F

from spec_compiler.lowering.ops_call import OpCall, lowering
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.nn.ops import mirrored
from spec_compiler.specs.layers.ops_arranging import padding_of
from spec_compiler.specs.layers.ops_types import Array, axes_in


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
    if isinstance(source, int) and isinstance(destination, int):
        return x.movedim(source, destination)
    rank = op.rank(x)
    return x.movedim(axes_in(source, rank), axes_in(destination, rank))


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


# Repeating, turning, padding.


@lowering
def Tile(op: OpCall, x: Proxy, *, repeats: Any) -> Any:
    return x if repeats == () else x.tile(*((repeats,) if isinstance(repeats, int) else repeats))


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
    if not dims:
        return x
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
