"""TensorFlow's sums, means, extremes; running sums; orders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spec_compiler.dialects.tensorflow.builder import Builder
from spec_compiler.dialects.tensorflow.elementwise import known_dtype
from spec_compiler.dialects.tensorflow.table import tf, writes
from spec_compiler.dialects.tensorflow.values import Refusal, Tensor, axes, whole
from spec_compiler.specs.layers.ops_types import is_float

if TYPE_CHECKING:
    from spec_compiler.dialects.tensorflow.recorder import Recorder

REDUCTIONS = {
    "math.reduce_max keras.backend.max": "Max",
    "math.reduce_min keras.backend.min": "Min",
    "math.reduce_std keras.backend.std": "Std",
    "math.reduce_variance keras.backend.var": "Var",
    "math.reduce_logsumexp keras.backend.logsumexp": "Logsumexp",
    "math.reduce_any keras.backend.any": "Any",
    "math.reduce_all keras.backend.all": "All",
}


def _reduction(names: str, op: str) -> None:
    @tf(
        names,
        writes={"Max": "Max Amax", "Min": "Min Amin"}.get(op, op),
        meet={"Any": "bool", "All": "bool", "Logsumexp": "real"}.get(op, "numbers"),
    )
    def reduce(to: Builder, input_tensor: Any, axis: Any = None, keepdims: Any = False) -> Any:
        return reduced(to, op, input_tensor, axis, keepdims)


for _names, _op in REDUCTIONS.items():
    _reduction(_names, _op)


def reduced(to: Builder, op: str, x: Any, axis: Any, keepdims: Any) -> Any:
    """A reduction, along no axis too: `axis=[]`."""
    found = axes(axis)
    if found == [] and isinstance(x, Tensor):
        return to.op("Copy", x)
    return to.op(op, x, axis=found, keepdims=bool(keepdims))


def _kept_dtype(to: Builder, op: str, x: Any, axis: Any, keepdims: Any) -> Any:
    """Keras adds up small whole numbers in int32; TensorFlow in their own dtype."""
    result = reduced(to, op, x, axis, keepdims)
    if isinstance(result, Tensor) and to.dtype(result) != to.dtype(x):
        return to.op("Cast", result, dtype=to.dtype(x))
    return result


@tf("math.reduce_sum keras.backend.sum", writes="Sum", meet="numbers")
def reduce_sum(to: Builder, input_tensor: Any, axis: Any = None, keepdims: Any = False) -> Any:
    return _kept_dtype(to, "Sum", input_tensor, axis, keepdims)


@tf("math.reduce_prod keras.backend.prod", writes="Prod", meet="numbers")
def reduce_prod(to: Builder, input_tensor: Any, axis: Any = None, keepdims: Any = False) -> Any:
    return _kept_dtype(to, "Prod", input_tensor, axis, keepdims)


@tf("math.reduce_mean", writes="Mean", meet="numbers")
def reduce_mean(to: Builder, input_tensor: Any, axis: Any = None, keepdims: Any = False) -> Any:
    if not isinstance(input_tensor, Tensor) or is_float(dtype := to.dtype(input_tensor)):
        return reduced(to, "Mean", input_tensor, axis, keepdims)
    # The mean of whole numbers is one too, what is behind the point cut off.
    wide = reduced(to, "Mean", to.op("Cast", input_tensor, dtype="float64"), axis, keepdims)
    return to.op("Cast", wide, dtype=dtype)


@tf("keras.backend.mean")
def backend_mean(to: Builder, x: Any, axis: Any = None, keepdims: Any = False) -> Any:
    if isinstance(x, Tensor) and to.dtype(x) == "bool":
        x = to.op("Cast", x, dtype="float32")
    return reduce_mean(to, x, axis, keepdims)


@tf("math.reduce_euclidean_norm")
def reduce_euclidean_norm(to: Builder, input_tensor: Any, axis: Any = None, keepdims: Any = False) -> Any:
    return to.op("Sqrt", reduced(to, "Sum", to.op("Square", input_tensor), axis, keepdims))


@tf("math.count_nonzero")
def count_nonzero(to: Builder, input: Any, axis: Any = None, keepdims: Any = False, dtype: Any = "int64") -> Any:
    there = to.op("Cast", to.op("NotEqual", input, 0), dtype=known_dtype(dtype))
    return reduced(to, "Sum", there, axis, keepdims)


@tf("math.zero_fraction nn.zero_fraction")
def zero_fraction(to: Builder, value: Any) -> Any:
    return to.op("Mean", to.op("Cast", to.op("Equal", value, 0), dtype="float32"))


def _place(names: str, op: str, unstated: int) -> None:
    @tf(names)
    def argument(to: Builder, input: Any, axis: Any = None, output_type: Any = "int64") -> Any:
        found = to.op(op, input, axis=unstated if axis is None else whole(axis, "axis"))
        dtype = known_dtype(output_type)
        return found if dtype == "int32" else to.op("Cast", found, dtype=dtype)


_place("math.argmax argmax", "Argmax", 0)
_place("math.argmin argmin", "Argmin", 0)
_place("keras.backend.argmax", "Argmax", -1)
_place("keras.backend.argmin", "Argmin", -1)


@writes("Argmax")
def argmax_in_keras2(to: Recorder, x: Any, *, axis: int | None, keepdims: bool) -> Any:
    return _place_in_keras2(to, "math.argmax", x, axis, keepdims)


@writes("Argmin")
def argmin_in_keras2(to: Recorder, x: Any, *, axis: int | None, keepdims: bool) -> Any:
    return _place_in_keras2(to, "math.argmin", x, axis, keepdims)


def _place_in_keras2(to: Recorder, function: str, x: Any, axis: int | None, keepdims: bool) -> Any:
    if axis is None:
        found = to.call(function, to.call("reshape", x, shape=[-1]), axis=0, output_type="int32")
        return to.call("reshape", found, shape=[1] * to.rank(x)) if keepdims else found
    found = to.call(function, x, axis=axis, output_type="int32")
    return to.call("expand_dims", found, axis=to.axis(axis, x)) if keepdims else found


@writes("CountNonzero")
def count_nonzero_in_keras2(to: Recorder, x: Any, *, axis: Any) -> Any:
    return to.call("math.count_nonzero", x, axis=axes(axis), dtype=to.outputs[0].dtype)


@writes("Cumsum")
def cumsum_in_keras2(to: Recorder, x: Any, *, axis: int | None, dtype: Any) -> Any:
    return _running_in_keras2(to, "math.cumsum", x, axis)


@writes("Cumprod")
def cumprod_in_keras2(to: Recorder, x: Any, *, axis: int | None, dtype: Any) -> Any:
    return _running_in_keras2(to, "math.cumprod", x, axis)


def _running_in_keras2(to: Recorder, function: str, x: Any, axis: int | None) -> Any:
    x = to.cast(x, to.outputs[0].dtype)
    if axis is None:
        return to.call(function, to.call("reshape", x, shape=[-1]), axis=0)
    return to.call(function, x, axis=axis)


@tf("math.cumsum cumsum keras.backend.cumsum")
def cumsum(to: Builder, x: Any, axis: Any = 0, exclusive: Any = False, reverse: Any = False) -> Any:
    place = whole(axis, "axis")
    given = to.op("Flip", x, axis=place) if reverse else x
    total = to.op("Cumsum", given, axis=place)
    if exclusive:
        total = to.op("Subtract", total, given)
    return to.op("Flip", total, axis=place) if reverse else total


@tf("math.cumprod keras.backend.cumprod")
def cumprod(to: Builder, x: Any, axis: Any = 0, exclusive: Any = False, reverse: Any = False) -> Any:
    if exclusive:
        raise Refusal("exclusive products cannot be said in keras.ops")
    place = whole(axis, "axis")
    total = to.op("Cumprod", to.op("Flip", x, axis=place) if reverse else x, axis=place)
    return to.op("Flip", total, axis=place) if reverse else total


@tf("math.top_k nn.top_k", writes="TopK")
def top_k(to: Builder, input: Any, k: Any = 1, sorted: Any = True, index_type: Any = "int32") -> Any:
    values, places = to.ops("TopK", input, k=whole(k, "k"), sorted=bool(sorted))
    dtype = known_dtype(index_type)
    return [values, places if dtype == "int32" else to.op("Cast", places, dtype=dtype)]


@writes("InTopK")
def in_top_k_in_keras2(to: Recorder, targets: Any, predictions: Any, *, k: int) -> Any:
    places = targets if to.dtype(targets) in ("int32", "int64") else to.cast(targets, "int32")
    return to.call("math.in_top_k", places, predictions=to.cast(predictions, "float32"), k=k)


@tf("math.in_top_k nn.in_top_k")
def in_top_k(to: Builder, targets: Any, predictions: Any, k: Any) -> Any:
    return to.op("InTopK", targets, predictions, k=whole(k, "k"))


@tf("sort", writes="Sort", meet="signed")
def sort(to: Builder, values: Any, axis: Any = -1, direction: Any = "ASCENDING") -> Any:
    place = whole(axis, "axis")
    found = to.op("Sort", values, axis=place)
    return to.op("Flip", found, axis=place) if direction == "DESCENDING" else found


@writes("Argsort")
def argsort_in_keras2(to: Recorder, x: Any, *, axis: int | None) -> Any:
    if axis is None or to.dtype(x) == "bool":
        raise Refusal("an order of all elements, or of booleans")
    return to.call("argsort", x, axis=axis)


@tf("argsort")
def argsort(to: Builder, values: Any, axis: Any = -1, direction: Any = "ASCENDING", stable: Any = False) -> Any:
    if direction == "DESCENDING":
        values = to.op("Negative", values)
    return to.op("Argsort", values, axis=whole(axis, "axis"))


@tf("math.unsorted_segment_sum math.segment_sum", writes="SegmentSum")
def segment_sum(to: Builder, data: Any, segment_ids: Any, num_segments: Any = None) -> Any:
    if num_segments is None:
        raise Refusal("how many segments there are is known only from the data")
    return to.op("SegmentSum", data, segment_ids, num_segments=whole(num_segments, "num_segments"))
