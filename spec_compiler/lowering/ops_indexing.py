"""Lowerings of `specs.layers.ops_indexing`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from spec_compiler.lowering.ops_call import OpCall, lower_each, lowering, torch_dtype, with_constants
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.nn.ops import one_hot, scattered, segment_reduce, sliced, updated, updated_slice
from spec_compiler.specs.layers.ops_indexing import key_of
from spec_compiler.specs.layers.ops_types import Array, numbers_in
from spec_compiler.specs.shapes import product

MOST_WRITTEN = 64
"""So many places are written between the brackets; more are kept as a tensor."""

with_constants("Take.indices TakeAlongAxis.indices Slice.start_indices SliceUpdate.start_indices")


@lowering
def GetItem(op: OpCall, x: Proxy, key: Any) -> Any:
    shape = op.type(x).shape
    x, entries = _forwards(x, shape, key_of(key, len(shape)))
    used = list(entries)
    while used and used[-1] == slice(None):
        used.pop()
    if len(used) > 1 and used[:-1] == [slice(None)] * (len(used) - 1) and len(used) == len(entries) > 2:
        used = [..., used[-1]]
    return x[used[0] if len(used) == 1 else tuple(used)] if used else x


def _forwards(x: Any, shape: Any, entries: Sequence[Any]) -> tuple[Any, list[Any]]:
    """`x` turned around on the axes whose slices run backwards, and slices of the same elements that run forwards."""
    found, turned, dim = [], [], 0
    for entry in entries:
        if isinstance(entry, slice) and (entry.step or 1) < 0:
            turned.append(dim)
            entry = _forward(entry, shape[dim])
        found.append(entry)
        dim += entry is not None
    return (x.flip(turned[0] if len(turned) == 1 else tuple(turned)) if turned else x), found


def _forward(entry: slice, n: int | None) -> slice:
    step = None if entry.step == -1 else -entry.step
    if n is None or (entry.start is None and entry.stop is None):
        return slice(None, None, step)
    first, stop, backwards = entry.indices(n)
    count = len(range(first, stop, backwards))
    start = n - 1 - first
    return slice(start, start + (count - 1) * -backwards + 1 if count else start, step)


@lowering
def Take(op: OpCall, x: Any, indices: Any, *, axis: int | None) -> Any:
    x = op.constant(x) if isinstance(x, Array) else x
    if axis is None:
        x, axis = x.flatten(), 0
    axis %= op.rank(x) if axis else 1
    before = (slice(None),) * axis
    places = _places(op, indices)
    # A list of lists alone would be taken for an index an axis.
    return x[(*before, places) if before or isinstance(places, list) else places]


def _places(op: OpCall, indices: Any) -> Any:
    """Places to be picked: numbers as they are, a few of them at least; else a tensor."""
    if isinstance(indices, Array):
        if (product(indices.shape) or 0) <= MOST_WRITTEN:
            return _lists(indices.values)
        return op.constant(Array(indices.values, "int64"))
    return op.cast(indices, "int64")


def _lists(values: Any) -> Any:
    return [_lists(value) for value in values] if isinstance(values, tuple) else values


@lowering
def TakeAlongAxis(op: OpCall, x: Any, indices: Any, *, axis: int | None) -> Any:
    x = op.constant(x) if isinstance(x, Array) else x
    if isinstance(indices, Array):
        places = op.constant(Array(indices.values, "int64"))
        negative = any(n < 0 for n in numbers_in(indices.values))
    else:
        places, negative = op.cast(indices, "int64"), True
    if axis is None:
        x, places = x.flatten(), places.flatten()
    if negative:
        # torch does not count from the end here.
        places = torch.where(places < 0, places + x.size(axis or 0), places)
    return torch.take_along_dim(x, places, dim=axis or 0)


@lowering
def Slice(op: OpCall, inputs: Proxy, start_indices: Any, *, shape: Sequence[int]) -> Any:
    if isinstance(start_indices, Proxy):
        return op.call.function(sliced, inputs, start_indices, tuple(shape))
    starts = start_indices.values if isinstance(start_indices, Array) else start_indices
    dims = op.type(inputs).shape
    key = [
        slice(s or None, None if length == -1 or (n is not None and s + length == n) else s + length)
        for s, length, n in zip(starts, shape, dims, strict=True)
    ]
    while len(key) > 1 and key[-1] == slice(None):
        key.pop()
    return inputs[key[0] if len(key) == 1 else tuple(key)]


@lowering
def SliceUpdate(op: OpCall, inputs: Proxy, start_indices: Any, updates: Any) -> Any:
    starts = start_indices.values if isinstance(start_indices, Array) else start_indices
    starts = starts if isinstance(starts, Proxy) else tuple(starts)
    return op.call.function(updated_slice, inputs, starts, updates)


@lowering
def Scatter(op: OpCall, indices: Proxy, values: Proxy, *, shape: Sequence[int]) -> Any:
    return op.call.function(scattered, indices, values, tuple(shape))


@lowering
def ScatterUpdate(op: OpCall, inputs: Proxy, indices: Proxy, updates: Proxy, *, reduction: str | None) -> Any:
    names = {"add": "sum", "max": "amax", "min": "amin", "mul": "prod"}
    return op.call.function(
        updated, inputs, indices, updates, **({} if reduction is None else {"reduce": names[reduction]})
    )


def _one_hot(op: OpCall, x: Proxy, num_classes: int, axis: int) -> Any:
    stated = {} if op.dtype == "float32" else {"dtype": torch_dtype(op.dtype)}
    codes = op.cast(x, "int64") if "float" in op.type(x).dtype else x
    coded = op.call.function(one_hot, codes, num_classes, **stated)
    return coded if axis in (-1, op.rank(x)) else coded.movedim(-1, axis)


@lowering
def OneHot(op: OpCall, x: Proxy, *, num_classes: int, axis: int, dtype: str | None, sparse: bool) -> Any:
    return _one_hot(op, x, num_classes, axis)


@lowering
def MultiHot(op: OpCall, inputs: Proxy, *, num_classes: int, axis: int, dtype: str | None, sparse: bool) -> Any:
    return _one_hot(op, inputs, num_classes, axis).amax(1 if op.rank(inputs) > 1 else 0)


def _segmented(op: OpCall, reduce: str, data: Proxy, ids: Proxy, *, num_segments: int, sorted: bool) -> Any:
    return op.call.function(segment_reduce, data, ids, num_segments, **({} if reduce == "sum" else {"reduce": reduce}))


lower_each({"SegmentSum": "sum", "SegmentMax": "amax", "SegmentMin": "amin", "SegmentProd": "prod"}, _segmented)
