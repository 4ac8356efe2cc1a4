"""TensorFlow's functions that pick elements out: slices, lookups, one-hot codes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spec_compiler.dialects.tensorflow.builder import Builder
from spec_compiler.dialects.tensorflow.elementwise import known_dtype
from spec_compiler.dialects.tensorflow.table import tf, writes
from spec_compiler.dialects.tensorflow.values import Dim, Refusal, Tensor, is_tensor, tensors_in, whole, wholes
from spec_compiler.specs.layers.ops_types import Array, array_of, together

if TYPE_CHECKING:
    from spec_compiler.dialects.tensorflow.recorder import Recorder

_BACKWARDS = slice(None, None, -1)
_FROM_DATA = "it takes a part whose place only the data tell"


@tf("__operators__.getitem")
def getitem(to: Builder, tensor: Any, slice_spec: Any) -> Any:
    entries = slice_spec if isinstance(slice_spec, list) else [slice_spec]
    if any(True for _ in tensors_in(entries)):
        return _at_places(to, tensor, entries)
    return item(to, tensor, [_entry(entry) for entry in entries])


@writes("GetItem")
def getitem_in_keras2(to: Recorder, x: Any, key: Any) -> Any:
    entries = list(key) if isinstance(key, (list, tuple)) else [key]
    for entry in entries:
        ends = (entry.start, entry.stop, entry.step) if isinstance(entry, slice) else (entry,)
        if not all(end is None or end is ... or type(end) is int for end in ends):
            raise Refusal("it takes elements at places that are a tensor or a list")
    return to.call("__operators__.getitem", x, slice_spec=entries)


def item(to: Builder, x: Any, key: list[Any]) -> Any:
    """`x[key]`; axes that are read from their end to their start are turned round first, which torch cannot index."""
    turned = [i for i, entry in enumerate(key) if entry == _BACKWARDS]
    if not isinstance(x, Tensor) or not turned:
        return to.op("GetItem", x, key)
    used = [entry is not None and entry is not ... for entry in key]
    behind = key.index(...) if ... in key else len(key)
    axes = [sum(used[:i]) if i < behind else -sum(used[i:]) for i in turned]
    x = to.op("Flip", x, axis=axes[0] if len(axes) == 1 else axes)
    key = [slice(None) if entry == _BACKWARDS else entry for entry in key]
    return x if all(entry == slice(None) for entry in key) else to.op("GetItem", x, key)


def _entry(entry: Any) -> Any:
    if isinstance(entry, slice):
        ends = (entry.start, entry.stop, entry.step)
        if any(isinstance(end, (Dim, Tensor)) for end in ends):
            raise Refusal(_FROM_DATA)
        return slice(*(None if end is None else whole(end, "the end of a slice") for end in ends))
    if entry is None or entry is ...:
        return entry
    return whole(entry, "an index")


def _at_places(to: Builder, tensor: Any, entries: list[Any]) -> Any:
    """`x[:, i]` with a tensor of one whole number as `i`."""
    places = [i for i, entry in enumerate(entries) if is_tensor(entry)]
    if len(places) == 1 and entries[: places[0]] == [slice(None)] * places[0] and not to.shape(entries[places[0]]):
        if all(entry == slice(None) for entry in entries[places[0] + 1 :]):
            return to.op("Take", tensor, entries[places[0]], axis=places[0])
    raise Refusal(_FROM_DATA)


@tf("strided_slice")
def strided_slice(
    to: Builder, input_: Any, begin: Any, end: Any, strides: Any = None, begin_mask: Any = 0, end_mask: Any = 0,
    ellipsis_mask: Any = 0, new_axis_mask: Any = 0, shrink_axis_mask: Any = 0, var: Any = None,
) -> Any:  # fmt: skip
    """Bit i of a mask speaks of entry i of `begin`."""
    starts, ends = _ends(begin), _ends(end)
    steps = [1] * len(starts) if strides is None else wholes(strides, "a stride")
    if not len(starts) == len(ends) == len(steps):
        raise Refusal("begin, end and strides are of one length")
    begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask = (
        whole(mask, "a mask") for mask in (begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask)
    )
    key: list[Any] = []
    for i, (start, stop, step) in enumerate(zip(starts, ends, steps, strict=True)):
        bit = 1 << i
        if ellipsis_mask & bit:
            key.append(...)
        elif new_axis_mask & bit:
            key.append(None)
        elif shrink_axis_mask & bit:
            key.append(whole(start, "an index"))
        else:
            first, last = None if begin_mask & bit else start, None if end_mask & bit else stop
            if isinstance(first, Dim) or isinstance(last, Dim):
                raise Refusal(_FROM_DATA)
            key.append(slice(first, last, None if step == 1 else step))
    return item(to, input_, key)


def _ends(value: Any) -> list[Any]:
    found = value if isinstance(value, list) else [value]
    if any(map(is_tensor, found)):
        raise Refusal(_FROM_DATA)
    return [one if isinstance(one, Dim) else whole(one, "a place") for one in found]


@writes("Slice")
def slice_in_keras2(to: Recorder, inputs: Any, start_indices: Any, *, shape: Any) -> Any:
    starts = start_indices.values if isinstance(start_indices, Array) else start_indices
    if any(True for _ in tensors_in([starts])) or None in shape:
        raise Refusal(_FROM_DATA)
    return to.call("slice", inputs, begin=[whole(start, "a place") for start in starts], size=list(shape))


@tf("slice")
def slice_(to: Builder, input_: Any, begin: Any, size: Any) -> Any:
    starts = _ends(begin)
    key = []
    for i, (start, length) in enumerate(zip(starts, _ends(size), strict=False)):
        if isinstance(start, Dim):
            raise Refusal(_FROM_DATA)
        if isinstance(length, Dim):
            if start != 0 or length.with_batch is None or to.lengths(input_)[i] != length:
                raise Refusal(_FROM_DATA)
            length = -1
        key.append(slice(start, None if length == -1 else start + length))
    return to.op("GetItem", input_, key)


@tf("keras.backend.slice")
def backend_slice(to: Builder, x: Any, start: Any, size: Any) -> Any:
    return slice_(to, x, start, size)


@tf("gather")
def gather(
    to: Builder, params: Any, indices: Any, validate_indices: Any = None, axis: Any = None, batch_dims: Any = 0
) -> Any:
    batch = whole(batch_dims, "batch_dims")
    place = batch if axis is None else whole(axis, "axis")
    if batch == 0:
        return to.op("Take", params, _indices(indices), axis=place)
    if batch < 0:
        batch += to.rank(indices)
    place += to.rank(params) if place < 0 else 0
    if to.rank(params) == to.rank(indices) == place + 1 == batch + 1:
        return to.op("TakeAlongAxis", params, indices, axis=place)
    if place == batch and to.rank(indices) == batch + 1:
        # One row a place: the indices are stretched over what is in a row.
        behind = to.rank(params) - to.rank(indices)
        wide = to.op("Reshape", indices, newshape=_reshaped(to, indices, behind))
        row = to.op("ZerosLike", _first(to, params, place), dtype=to.dtype(indices))
        return to.op("TakeAlongAxis", params, to.op("Add", wide, row), axis=place)
    raise Refusal("lookups in batches of such ranks cannot be said in keras.ops")


def _reshaped(to: Builder, indices: Any, behind: int) -> list[int]:
    lengths = [-1 if isinstance(n, Dim) else n for n in to.lengths(indices)]
    if lengths.count(-1) > 1:
        raise Refusal("it leaves two lengths open, which only the data tell")
    return [*lengths, *[1] * behind]


def _first(to: Builder, params: Any, place: int) -> Any:
    return to.op("GetItem", params, [*[slice(None)] * place, slice(0, 1)])


def _indices(indices: Any) -> Any:
    """Places that are constants are whole numbers, whatever the dtype of what is picked."""
    if isinstance(indices, list):
        return array_of(indices, "int32")
    return whole(indices, "an index") if isinstance(indices, float) else indices


@writes("Take")
def take_in_keras2(to: Recorder, x: Any, indices: Any, *, axis: int | None) -> Any:
    if not is_tensor(x):
        raise Refusal("it looks up in a constant")
    if axis is None:
        x, axis = to.call("reshape", x, shape=[-1]), 0
    return to.call("gather", x, indices=_from_the_front(to, indices, to.shape(x)[axis]), axis=axis)


@writes("TakeAlongAxis")
def take_along_axis_in_keras2(to: Recorder, x: Any, indices: Any, *, axis: int | None) -> Any:
    if not is_tensor(x) or not is_tensor(indices):
        raise Refusal("it looks up in a constant, or at places that are one")
    if axis is None:
        x, indices, axis = (*(to.call("reshape", one, shape=[-1]) for one in (x, indices)), 0)
    if to.axis(axis, x) != to.rank(x) - 1 or to.shape(x)[:-1] != to.shape(indices)[:-1]:
        raise Refusal("places along another axis than the last, or rows that are stretched")
    places = _from_the_front(to, indices, to.shape(x)[-1])
    return to.call("gather", x, indices=places, axis=to.rank(x) - 1, batch_dims=to.rank(x) - 1)


def _from_the_front(to: Recorder, indices: Any, length: int | None) -> Any:
    """Places counted from the front alone, as TensorFlow counts."""
    if is_tensor(indices):
        if to.dtype(indices).startswith("u"):
            return to.cast(indices, "int32")
        return indices if length is None else to.call("math.floormod", indices, y=length)
    if isinstance(indices, Array):
        indices = indices.values
    if isinstance(indices, (list, tuple)):
        return [_from_the_front(to, one, length) for one in indices]
    place = whole(indices, "an index")
    if place < 0 and length is None:
        raise Refusal("a place counted from an end that only the data tell")
    return place + length if place < 0 and length is not None else place


@tf("keras.backend.gather")
def backend_gather(to: Builder, reference: Any, indices: Any) -> Any:
    return gather(to, reference, indices)


@tf("nn.embedding_lookup")
def embedding_lookup(to: Builder, params: Any, ids: Any, max_norm: Any = None, partition_strategy: Any = None) -> Any:
    if max_norm is not None:
        raise Refusal("embeddings cannot be clipped")
    return gather(to, params, ids)


_KINDS = {float: "float32", int: "int32", bool: "bool"}


@tf("one_hot")
def one_hot(
    to: Builder,
    indices: Any,
    depth: Any,
    on_value: Any = None,
    off_value: Any = None,
    axis: Any = None,
    dtype: Any = None,
) -> Any:
    name = _KINDS[type(on_value)] if dtype is None and type(on_value) in _KINDS else known_dtype(dtype or "float32")
    place = -1 if axis is None else whole(axis, "axis")
    if on_value in (None, 1) and off_value in (None, 0) and name != "bool":
        return to.op("OneHot", indices, num_classes=whole(depth, "depth"), axis=place, dtype=name)
    on, off = (1 if on_value is None else on_value), (0 if off_value is None else off_value)
    code = to.op("OneHot", indices, num_classes=whole(depth, "depth"), axis=place, dtype="float32")
    there = to.op("Cast", code, dtype="bool")
    if name == "bool":
        return there if on else to.op("LogicalNot", there)
    return to.op("Cast", to.op("Where", there, on, off), dtype=name)


@writes("OneHot")
def one_hot_in_keras2(to: Recorder, x: Any, *, num_classes: int, axis: int, dtype: Any, sparse: bool) -> Any:
    found = to.call("one_hot", to.cast(x, "int32"), depth=num_classes, axis=axis, dtype="float32")
    return to.cast(found, to.outputs[0].dtype)


@tf("keras.backend.one_hot")
def backend_one_hot(to: Builder, indices: Any, num_classes: Any) -> Any:
    return one_hot(to, indices, num_classes)


@writes("SearchSorted")
def searchsorted_in_keras2(to: Recorder, sorted_sequence: Any, values: Any, *, side: str) -> Any:
    if not is_tensor(values) or (is_tensor(sorted_sequence) and to.rank(sorted_sequence) != 1):
        raise Refusal("a search for constants, or in more than one row")
    dtype = together(*(to.type(x) if is_tensor(x) else x for x in (sorted_sequence, values)))
    if dtype not in ("float32", "int32"):
        raise Refusal(f"a search among {dtype}")
    row, sought = to.cast(sorted_sequence, dtype), to.cast(values, dtype)
    if to.rank(sought) == 1:
        return to.call("searchsorted", row, values=sought, side=side)
    found = to.call("searchsorted", row, values=to.call("reshape", sought, shape=[-1]), side=side)
    return to.call("reshape", found, shape=[-1 if n is None else n for n in to.shape(sought)])


@tf("searchsorted")
def searchsorted(to: Builder, sorted_sequence: Any, values: Any, side: Any = "left", out_type: Any = "int32") -> Any:
    if to.rank(sorted_sequence) != 1:
        raise Refusal("a search in more than one row cannot be said in keras.ops")
    found = to.op("SearchSorted", sorted_sequence, values, side=side)
    return found if known_dtype(out_type) == "int32" else to.op("Cast", found, dtype=known_dtype(out_type))


@tf("scatter_nd", writes="Scatter")
def scatter_nd(to: Builder, indices: Any, updates: Any, shape: Any) -> Any:
    return to.op("Scatter", indices, updates, shape=wholes(shape, "a length"))


@tf("tensor_scatter_nd_update", writes="ScatterUpdate")
def tensor_scatter_nd_update(to: Builder, tensor: Any, indices: Any, updates: Any) -> Any:
    return to.op("ScatterUpdate", tensor, _indices(indices), updates)


@tf("tensor_scatter_nd_add")
def tensor_scatter_nd_add(to: Builder, tensor: Any, indices: Any, updates: Any) -> Any:
    return to.op("ScatterUpdate", tensor, _indices(indices), updates, reduction="add")


@tf("gather_nd")
def gather_nd(to: Builder, params: Any, indices: Any, batch_dims: Any = 0) -> Any:
    """Rows by the places of their first axes, which are one place in the rows of all of them."""
    if whole(batch_dims, "batch_dims") != 0:
        raise Refusal("lookups in batches cannot be said in keras.ops")
    if not to.rank(indices):
        raise Refusal("indices are of rank 1 or more")
    depth = whole(to.shape(indices)[-1], "the number of axes")
    lengths = to.lengths(params)
    rest = wholes(lengths[depth:], "a length")
    strides = [1] * depth
    for i in range(depth - 2, -1, -1):
        strides[i] = strides[i + 1] * whole(lengths[i + 1], "a length")
    rows = to.op("Reshape", params, newshape=[-1, *rest])
    if not isinstance(indices, Tensor):
        return to.op("Take", rows, _indices(_rows(indices, strides)), axis=0)
    return to.op("Take", rows, to.op("Sum", to.op("Multiply", indices, strides), axis=-1), axis=0)


def _rows(indices: list[Any], strides: list[int]) -> Any:
    if indices and isinstance(indices[0], list):
        return [_rows(one, strides) for one in indices]
    return sum(whole(i, "an index") * stride for i, stride in zip(indices, strides, strict=True))
