"""Operations that pick elements out, or put them in: slices, lookups, one-hot codes, sums by segment.

What they compute: https://keras.io/api/ops/numpy/, https://keras.io/api/ops/core/ and https://keras.io/api/ops/nn/.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from spec_compiler.specs.layers.ops_arguments import DType, Lengths, Size
from spec_compiler.specs.layers.ops_table import Module, on_the_way, takes_complex
from spec_compiler.specs.layers.ops_types import Array, axis_in, broadcast, numbers_in, require_ints, require_numbers
from spec_compiler.specs.shapes import DTypeError, RankError, Shape, ShapeError, TensorType, merged, product, show
from spec_compiler.specs.types import MAX_SIZE

op = Module("keras.src.ops.numpy")
core = Module("keras.src.ops.core")
nn = Module("keras.src.ops.nn")
math = Module("keras.src.ops.math")

takes_complex("GetItem Scatter Slice SliceUpdate Take TakeAlongAxis")

Index = int | slice | None


def key_of(key: Any, rank: int) -> tuple[Index, ...]:
    """An index as Python writes it between brackets, one entry an axis: integers, slices, None for a new axis.

    Files hold a tuple of entries as a list. The ellipsis is filled in.
    """
    entries = list(key) if isinstance(key, (list, tuple)) else [key]
    for i, entry in enumerate(entries):
        if isinstance(entry, dict) and entry.keys() <= {"start", "stop", "step"}:
            entries[i] = entry = slice(entry.get("start"), entry.get("stop"), entry.get("step"))
        ends = (entry.start, entry.stop, entry.step) if isinstance(entry, slice) else (entry,)
        if not all(end is None or end is ... or (is_whole(end) and abs(end) <= MAX_SIZE) for end in ends):
            raise ShapeError(
                "it takes whole numbers, slices, None and ... between the brackets",
                help="to pick by a list or a tensor of places, use take",
            )
    if entries.count(...) > 1:
        raise ShapeError("there may be one ... between the brackets, not several")
    used = sum(entry is not None and entry is not ... for entry in entries)
    if used > rank:
        raise ShapeError(f"{used} indices are too many for a tensor of rank {rank}")
    if ... not in entries:
        entries.append(...)
    at = entries.index(...)
    return (*entries[:at], *[slice(None)] * (rank - used), *entries[at + 1 :])


def is_whole(value: Any) -> bool:
    """Whether `value` is an integer, and no boolean."""
    return isinstance(value, int) and not isinstance(value, bool)


@op
def GetItem(x: TensorType, key: Any) -> TensorType:
    lengths = iter(x.shape)
    shape: list[int | None] = []
    for entry in key_of(key, len(x.shape)):
        if entry is None:
            shape.append(1)
        elif isinstance(entry, slice):
            shape.append(_sliced(next(lengths), entry))
        else:
            length = next(lengths)
            if length is not None and not -length <= entry < length:
                raise ShapeError(f"index {entry} is out of range for an axis of length {length} of {show(x.shape)}")
    return TensorType(tuple(shape), x.dtype)


def _sliced(length: int | None, entry: slice) -> int | None:
    if entry.step == 0:
        raise ShapeError("the step of a slice must not be 0")
    if length is not None:
        return len(range(*entry.indices(length)))
    if (entry.step or 1) < 0 and not (entry.start is None and entry.stop is None):
        raise ShapeError("a slice that runs backwards between two places needs an axis of known length")
    return None


@op.having(order="x indices axis")
def Take(x: TensorType, indices: TensorType, *, axis: int | None = None) -> TensorType:
    require_ints(indices)
    if axis is None:
        _require_places(indices, product(x.shape))
        return TensorType(indices.shape, x.dtype)
    axis = axis_in(axis, len(x.shape))
    _require_places(indices, x.shape[axis])
    return TensorType((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]), x.dtype)


def _require_places(indices: TensorType | Array, length: int | None) -> None:
    """ShapeError when a constant index is out of range."""
    if isinstance(indices, Array) and length is not None:
        for index in numbers_in(indices.values):
            if not -length <= index < length:
                raise ShapeError(f"index {index} is out of range for an axis of length {length}")


@op.having(order="x indices axis")
def TakeAlongAxis(x: TensorType, indices: TensorType, *, axis: int | None = None) -> TensorType:
    require_ints(indices)
    if axis is None:
        return TensorType((product(indices.shape),), x.dtype)
    if len(indices.shape) != len(x.shape):
        raise ShapeError(f"indices are of the rank of x, {len(x.shape)}, not {len(indices.shape)}")
    axis = axis_in(axis, len(x.shape))
    around = broadcast(*((*shape[:axis], 1, *shape[axis + 1 :]) for shape in (x.shape, indices.shape)))
    return TensorType((*around[:axis], indices.shape[axis], *around[axis + 1 :]), x.dtype)


# Slices at places, and values put in.


def _starts(start_indices: Any, rank: int) -> tuple[int, ...] | None:
    """Where the slice starts on each axis; None where a tensor says so."""
    if isinstance(start_indices, TensorType):
        if start_indices.shape != (rank,):
            raise ShapeError(
                f"start_indices name a place on each of {rank} axes, got shape {show(start_indices.shape)}"
            )
        require_ints(start_indices)
        return None
    values = start_indices.values if isinstance(start_indices, Array) else start_indices
    if not isinstance(values, (list, tuple)) or len(values) != rank or not all(map(is_whole, values)):
        raise ShapeError(f"start_indices name a place on each of {rank} axes")
    return tuple(values)


@core.having(order="inputs start_indices shape")
def Slice(inputs: TensorType, start_indices: Any, *, shape: Lengths) -> TensorType:
    if len(shape) != len(inputs.shape):
        raise ShapeError(f"shape {show(shape)} names {len(shape)} lengths, the tensor has rank {len(inputs.shape)}")
    starts = _starts(start_indices, len(shape))
    out: list[int | None] = []
    for i, (n, want) in enumerate(zip(inputs.shape, shape, strict=True)):
        start = None if starts is None else starts[i]
        assert want is not None
        if want == -1 and starts is None:
            raise ShapeError("a length of -1, what is left, needs a start that is known beforehand")
        left = None if n is None or start is None else n - start
        if start is not None and (start < 0 or (left is not None and max(want, 0) > left)):
            raise ShapeError(f"{want} from {start} on is out of range for an axis of length {n}")
        if n is not None and want > n:
            raise ShapeError(f"{want} from anywhere on is out of range for an axis of length {n}")
        out.append(left if want == -1 else want)
    return TensorType(tuple(out), inputs.dtype)


@core
def SliceUpdate(inputs: TensorType, start_indices: Any, updates: TensorType) -> TensorType:
    if len(updates.shape) != len(inputs.shape):
        raise ShapeError(f"updates are of the rank of inputs, {len(inputs.shape)}, not {len(updates.shape)}")
    starts = _starts(start_indices, len(inputs.shape)) or (0,) * len(inputs.shape)
    for n, start, length in zip(inputs.shape, starts, updates.shape, strict=True):
        if start < 0 or (n is not None and length is not None and start + length > n):
            raise ShapeError(f"updates of length {length} from {start} on do not fit an axis of length {n}")
    return inputs


@core.having(order="indices values shape")
def Scatter(indices: TensorType, values: TensorType, *, shape: Lengths) -> TensorType:
    if any(n == -1 for n in shape):
        raise ShapeError(f"every length of {show(shape)} must be stated")
    _require_updates(indices, values, tuple(shape))
    return TensorType(tuple(shape), values.dtype)


@core.having(order="inputs indices updates reduction")
def ScatterUpdate(
    inputs: TensorType,
    indices: TensorType,
    updates: TensorType,
    *,
    reduction: Literal["add", "max", "min", "mul"] | None = None,
) -> TensorType:
    _require_updates(indices, updates, inputs.shape)
    if len(indices.shape) != 2:
        raise ShapeError("indices are of shape (updates, axes)")
    return inputs


def _require_updates(indices: TensorType | Array, values: TensorType, shape: Shape) -> None:
    require_ints(indices)
    if not indices.shape:
        raise ShapeError("indices are of shape (updates, axes)")
    depth = indices.shape[-1]
    if depth is None or not 1 <= depth <= len(shape):
        raise ShapeError(f"indices of shape {show(indices.shape)} do not name places of a tensor of rank {len(shape)}")
    if isinstance(indices, Array):
        # One column an axis.
        for axis, places in enumerate(zip(*_rows(indices.values), strict=True)):
            _require_places(Array(places, indices.dtype), shape[axis])
    wanted = (*indices.shape[:-1], *shape[depth:])
    if len(values.shape) != len(wanted):
        raise ShapeError(f"values are of shape {show(wanted)}, got {show(values.shape)}")
    for a, b in zip(values.shape, wanted, strict=True):
        merged(a, b)


def _rows(values: Any) -> Iterator[tuple[int, ...]]:
    """The innermost tuples of nested ones."""
    if values and isinstance(values[0], tuple):
        for value in values:
            yield from _rows(value)
    else:
        yield values


# Codes of classes.


def _with_dtype(settings: dict[str, Any]) -> dict[str, Any]:
    return {**settings, "dtype": settings["dtype"] or "float32"}


@nn.having(prepared=_with_dtype)
def OneHot(
    x: TensorType, *, num_classes: Size, axis: int = -1, dtype: DType = None, sparse: bool = False
) -> TensorType:
    _require_codes(x, sparse)
    axis = axis_in(axis, len(x.shape) + 1)
    return TensorType((*x.shape[:axis], num_classes, *x.shape[axis:]), dtype or "float32")


@nn.having(prepared=_with_dtype)
def MultiHot(
    inputs: TensorType, *, num_classes: Size, axis: int = -1, dtype: DType = None, sparse: bool = False
) -> TensorType:
    """1 for each class that is among a sample's: (batch, any number) -> (batch, num_classes)."""
    coded = list(OneHot(inputs, num_classes=num_classes, axis=axis, dtype=dtype, sparse=sparse).shape)
    del coded[1 if len(inputs.shape) > 1 else 0]
    return TensorType(tuple(coded), dtype or "float32")


@on_the_way("MultiHot")
def _coded(inputs: TensorType, **settings: Any) -> list[Shape]:
    """A code for each number of a sample."""
    return [OneHot(inputs, **settings).shape]


def _require_codes(x: TensorType, sparse: bool) -> None:
    if sparse:
        raise ShapeError("sparse tensors cannot be built")
    if "complex" in x.dtype:
        raise DTypeError(f"it takes the numbers of classes, got {x.dtype}")


# Sums by segment.


def segmented(
    data: TensorType, segment_ids: TensorType, *, num_segments: Size | None = None, sorted: bool = False
) -> TensorType:
    require_ints(segment_ids)
    require_numbers(data)
    if num_segments is None:
        raise ShapeError("how many segments there are is known only from the data", help="state num_segments")
    if len(segment_ids.shape) != 1 or not data.shape:
        raise RankError("segment_ids are of rank 1, one for each row of data")
    merged(data.shape[0], segment_ids.shape[0])
    return TensorType((num_segments, *data.shape[1:]), data.dtype)


math.each("SegmentSum SegmentMax SegmentMin SegmentProd", segmented)
