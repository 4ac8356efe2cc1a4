"""TensorFlow's functions that take or give shapes: most is worked out while the file is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spec_compiler.dialects.tensorflow.builder import Builder
from spec_compiler.dialects.tensorflow.elementwise import known_dtype
from spec_compiler.dialects.tensorflow.folding import filled, require_small, reshaped
from spec_compiler.dialects.tensorflow.table import tf, writes
from spec_compiler.dialects.tensorflow.values import Dim, Refusal, Tensor, is_tensor, number, whole, wholes
from spec_compiler.specs.layers.reshaping import Reshape
from spec_compiler.specs.shapes import product

if TYPE_CHECKING:
    from spec_compiler.dialects.tensorflow.recorder import Recorder


@tf("shape keras.backend.shape")
def shape(to: Builder, input: Any, out_type: Any = "int32") -> Any:
    return to.lengths(input)


@tf("rank")
def rank(to: Builder, input: Any) -> Any:
    return to.rank(input)


@tf("size")
def size(to: Builder, input: Any, out_type: Any = "int32") -> Any:
    total: Any = 1
    for n in to.lengths(input):
        total = to.op("Multiply", total, n)
    return total


def stated_lengths(value: Any) -> list[int | Dim]:
    """A shape: lengths that are known, -1 for what is left, and such as only the data tell."""
    found = value if isinstance(value, list) else [value]
    if any(map(is_tensor, found)):
        raise Refusal("a shape that the data decide")
    return [n if isinstance(n, Dim) else whole(n, "a length") for n in found]


@tf("reshape keras.backend.reshape")
def reshape(to: Builder, tensor: Any, shape: Any) -> Any:
    lengths = stated_lengths(shape)
    if not isinstance(tensor, Tensor):
        return reshaped(tensor, wholes(lengths, "a length"))
    if sum(n == -1 or isinstance(n, Dim) for n in lengths) <= 1:
        return to.op("Reshape", tensor, newshape=[-1 if isinstance(n, Dim) else n for n in lengths])
    # Two lengths are open. Keras's layer of that name keeps the batch, and has one of its own to work out.
    first, *rest = lengths
    own, *others = to.lengths(tensor)
    is_batch = isinstance(first, Dim) and first.is_batch and isinstance(own, Dim) and own.is_batch
    if is_batch and sum(n == -1 or isinstance(n, Dim) for n in rest) == 1:
        target = [-1 if isinstance(n, Dim) else n for n in rest]
        return to.layer(Reshape, {"target_shape": target}, tensor)
    if lengths == [own, *others]:
        return to.op("Copy", tensor)
    raise Refusal("it leaves two lengths open, which only the data tell")


@writes("Reshape")
def reshape_in_keras2(to: Recorder, x: Any, *, newshape: Any) -> Any:
    lengths = [newshape] if isinstance(newshape, int) else newshape
    return to.call("reshape", x, shape=[-1 if n is None else n for n in lengths])


@writes("Ravel")
def ravel_in_keras2(to: Recorder, x: Any) -> Any:
    return to.call("reshape", x, shape=[-1])


@tf("keras.backend.flatten")
def flatten(to: Builder, x: Any) -> Any:
    return reshape(to, x, [-1])


@tf("keras.backend.batch_flatten")
def batch_flatten(to: Builder, x: Any) -> Any:
    lengths = to.lengths(x)
    total: Any = 1
    for n in lengths[1:]:
        total = to.op("Multiply", total, n)
    return reshape(to, x, [-1, whole(total, "the size of a sample")])


# Constants of a stated shape. Where the batch is part of it, they are stretched by a tensor that has the batch.


@tf("fill")
def fill(to: Builder, dims: Any, value: Any) -> Any:
    lengths = stated_lengths(dims)
    if not any(isinstance(n, Dim) for n in lengths):
        if isinstance(value, Tensor):
            return to.op("BroadcastTo", value, shape=lengths)
        return filled(lengths, value)  # type: ignore[arg-type]
    dtype = "float32" if isinstance(value, float) else "bool" if isinstance(value, bool) else "int32"
    zeros = _zeros(to, lengths, to.dtype(value) if isinstance(value, Tensor) else dtype)
    if isinstance(value, Tensor):
        return to.op("Add", zeros, value)
    return to.op("FullLike", zeros, value)


@tf("zeros")
def zeros(to: Builder, shape: Any, dtype: Any = "float32") -> Any:
    return _of_dtype(to, shape, 0, dtype)


@tf("ones")
def ones(to: Builder, shape: Any, dtype: Any = "float32") -> Any:
    return _of_dtype(to, shape, 1, dtype)


def _of_dtype(to: Builder, shape: Any, value: int, dtype: Any) -> Any:
    name = known_dtype(dtype)
    return fill(to, shape, float(value) if "float" in name else bool(value) if name == "bool" else value)


def _zeros(to: Builder, lengths: list[int | Dim], dtype: str) -> Tensor:
    """Zeros of a shape that has one open length."""
    (place,) = [i for i, n in enumerate(lengths) if isinstance(n, Dim)] or [0]
    if sum(isinstance(n, Dim) for n in lengths) != 1:
        raise Refusal("it leaves two lengths open, which only the data tell")
    dim = lengths[place]
    assert isinstance(dim, Dim)
    if dim.tensor is None:
        raise Refusal("it computes with a length that is known only from the data")
    known = [1 if n is dim else whole(n, "a length") for n in lengths]
    require_small(known)
    key = [slice(None) if i == dim.axis else 0 for i in range(to.rank(dim.tensor))]
    column = to.op("Reshape", to.op("GetItem", dim.tensor, key), newshape=[-1 if n is dim else 1 for n in lengths])
    column = to.op("ZerosLike", column, dtype=dtype)
    return column if product(known) == 1 else to.op("Tile", column, repeats=known)  # type: ignore[no-any-return]


@tf("broadcast_to", writes="BroadcastTo")
def broadcast_to(to: Builder, input: Any, shape: Any) -> Any:
    lengths = stated_lengths(shape)
    if not any(isinstance(n, Dim) for n in lengths) and isinstance(input, Tensor):
        if lengths == to.lengths(input):
            return to.op("Copy", input)
        return to.op("BroadcastTo", input, shape=lengths)
    if isinstance(input, Tensor):
        own = to.lengths(input)
        kept = all(
            isinstance(m, Dim) and isinstance(n, Dim) and m.with_batch == n.with_batch is not None
            for n, m in zip(reversed(lengths), reversed(own), strict=False)
            if isinstance(n, Dim)
        )
        if kept and len(own) == len(lengths):
            # Its open lengths are there already: the known ones are stretched.
            return to.op("Add", input, _typed_zeros(to, [1 if isinstance(n, Dim) else n for n in lengths], input))
    zeros = _zeros(to, lengths, to.dtype(input))
    return to.op("Add", zeros, input)


def _typed_zeros(to: Builder, lengths: list[int], like: Tensor) -> Any:
    return filled(lengths, 0.0 if "float" in to.dtype(like) else 0)


@tf("tile")
def tile(to: Builder, input: Any, multiples: Any) -> Any:
    times = multiples if isinstance(multiples, list) else [multiples]
    if any(isinstance(n, Dim) for n in times):
        lengths = to.lengths(input)
        if len(lengths) != len(times) or any(n != 1 for n, k in zip(lengths, times, strict=True) if isinstance(k, Dim)):
            raise Refusal("it repeats an axis as often as only the data tell")
        stretched = [k if isinstance(k, Dim) else n for n, k in zip(lengths, times, strict=True)]
        input = broadcast_to(to, input, stretched)
        times = [1 if isinstance(k, Dim) else k for k in times]
        if all(k == 1 for k in times):
            return input
    return to.op("Tile", input, repeats=wholes(times, "how often to repeat"))


@writes("Tile")
def tile_in_keras2(to: Recorder, x: Any, *, repeats: Any) -> Any:
    times = [repeats] if isinstance(repeats, int) else list(repeats)
    for _ in range(len(times) - to.rank(x)):
        x = to.call("expand_dims", x, axis=0)
    return to.call("tile", x, multiples=[1] * (to.rank(x) - len(times)) + times)


@tf("keras.backend.tile")
def backend_tile(to: Builder, x: Any, n: Any) -> Any:
    return tile(to, x, n)


@tf("range")
def arange(to: Builder, start: Any, limit: Any = None, delta: Any = 1, dtype: Any = None) -> Any:
    if limit is None:
        start, limit = 0, start
    ends = [number(end, "an end of a range") for end in (start, limit, delta)]
    if ends[2] == 0:
        raise Refusal("a range in steps of 0")
    count = max(0, -int(-((ends[1] - ends[0]) / ends[2]) // 1))
    require_small([count])
    found: Any = [ends[0] + i * ends[2] for i in range(count)]
    return found if dtype is None else to.op("Cast", found, dtype=known_dtype(dtype))


@tf("eye linalg.eye")
def eye(to: Builder, num_rows: Any, num_columns: Any = None, batch_shape: Any = None, dtype: Any = "float32") -> Any:
    rows = whole(num_rows, "num_rows")
    columns = rows if num_columns is None else whole(num_columns, "num_columns")
    if batch_shape:
        raise Refusal("a batch of unit matrices")
    require_small([rows, columns])
    return to.op("Cast", [[float(i == j) for j in range(columns)] for i in range(rows)], dtype=known_dtype(dtype))


@tf("sequence_mask")
def sequence_mask(to: Builder, lengths: Any, maxlen: Any = None, dtype: Any = "bool") -> Any:
    if maxlen is None:
        raise Refusal("how long the longest is, only the data tell")
    places = arange(to, whole(maxlen, "maxlen"))
    mask = to.op("Greater", to.op("ExpandDims", lengths, axis=-1), places)
    return mask if known_dtype(dtype) == "bool" else to.op("Cast", mask, dtype=known_dtype(dtype))
