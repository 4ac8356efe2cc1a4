"""TensorFlow's functions that move elements about: joining, splitting, permuting, padding."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

from spec_compiler.dialects.tensorflow.builder import Builder
from spec_compiler.dialects.tensorflow.table import tf
from spec_compiler.dialects.tensorflow.values import Dim, Refusal, Tensor, is_tensor, whole, wholes


@tf("concat")
def concat(to: Builder, values: Any, axis: Any) -> Any:
    return joined(to, values, axis)


@tf("keras.backend.concatenate")
def concatenate(to: Builder, tensors: Any, axis: Any = -1) -> Any:
    return joined(to, tensors, axis)


def joined(to: Builder, values: Any, axis: Any) -> Any:
    """Tensors, and constants among them, one behind the other."""
    values = values if isinstance(values, list) else [values]
    if len(values) == 1:
        return to.op("Copy", values[0])
    return to.op("Concatenate", _alike(to, values), axis=whole(axis, "axis"))


def _alike(to: Builder, values: list[Any]) -> list[Any]:
    """Numbers among tensors as constants of the tensors' dtype."""
    first = next((value for value in values if is_tensor(value)), None)
    if first is None:
        return values
    dtype = to.dtype(first)
    return [value if is_tensor(value) else to.op("Cast", value, dtype=dtype) for value in values]


@tf("stack keras.backend.stack")
def stack(to: Builder, values: Any, axis: Any = 0) -> Any:
    values = values if isinstance(values, list) else [values]
    return to.op("Stack", _alike(to, values), axis=whole(axis, "axis"))


@tf("unstack")
def unstack(to: Builder, value: Any, num: Any = None, axis: Any = 0) -> Any:
    place = whole(axis, "axis")
    if not isinstance(value, Tensor):
        return [to.op("GetItem", value, [i]) for i in range(len(value))]
    return to.ops("Unstack", value, num=None if num is None else whole(num, "num"), axis=place)


@tf("split")
def split(to: Builder, value: Any, num_or_size_splits: Any, axis: Any = 0, num: Any = None) -> Any:
    place = whole(axis, "axis")
    if not isinstance(num_or_size_splits, list):
        return to.ops("Split", value, indices_or_sections=whole(num_or_size_splits, "the number of parts"), axis=place)
    sizes = wholes(num_or_size_splits, "a part's size")
    if -1 in sizes:
        length = whole(to.lengths(value)[place], "the length of the axis that is split")
        sizes = [length - sum(n for n in sizes if n != -1) if n == -1 else n for n in sizes]
    if len(sizes) == 1:
        return to.op("Copy", value)
    return to.ops("Split", value, indices_or_sections=list(accumulate(sizes))[:-1], axis=place)


@tf("expand_dims")
def expand_dims(to: Builder, input: Any, axis: Any) -> Any:
    return to.op("ExpandDims", input, axis=whole(axis, "axis"))


@tf("keras.backend.expand_dims")
def backend_expand_dims(to: Builder, x: Any, axis: Any = -1) -> Any:
    return expand_dims(to, x, axis)


@tf("squeeze keras.backend.squeeze")
def squeeze(to: Builder, input: Any, axis: Any = None) -> Any:
    places = None if axis is None or axis == [] else wholes(axis, "axis")
    if places is None and isinstance(input, Tensor):
        # An axis that may turn out to be of length 1 is none that TensorFlow's shapes drop either.
        places = [i for i, n in enumerate(to.shape(input)) if n == 1]
        if not places:
            return to.op("Copy", input)
    return to.op("Squeeze", input, axis=places[0] if places is not None and len(places) == 1 else places)


@tf("transpose compat.v1.transpose")
def transpose(to: Builder, a: Any, perm: Any = None, conjugate: Any = False) -> Any:
    if conjugate:
        a = to.op("Conjugate", a)
    return to.op("Transpose", a, axes=None if perm is None else wholes(perm, "perm"))


@tf("keras.backend.permute_dimensions")
def permute_dimensions(to: Builder, x: Any, pattern: Any) -> Any:
    return transpose(to, x, pattern)


@tf("keras.backend.transpose")
def backend_transpose(to: Builder, x: Any) -> Any:
    return transpose(to, x)


@tf("pad")
def pad(to: Builder, tensor: Any, paddings: Any, mode: Any = "CONSTANT", constant_values: Any = 0) -> Any:
    if not isinstance(paddings, list) or not all(isinstance(pair, list) for pair in paddings):
        raise Refusal("the widths of the padding must be known beforehand")
    widths = [wholes(pair, "a width of the padding") for pair in paddings]
    kind = str(mode).lower()
    filling = {} if kind != "constant" or constant_values == 0 else {"constant_values": constant_values}
    if filling and not isinstance(constant_values, (int, float)):
        raise Refusal("what it is padded with must be a number")
    made = to.op("Pad", tensor, pad_width=widths, mode=kind)
    made.made.kwargs |= filling
    return made


@tf("reverse")
def reverse(to: Builder, tensor: Any, axis: Any) -> Any:
    return to.op("Flip", tensor, axis=wholes(axis, "axis"))


@tf("keras.backend.reverse")
def backend_reverse(to: Builder, x: Any, axes: Any) -> Any:
    return reverse(to, x, axes)


@tf("roll")
def roll(to: Builder, input: Any, shift: Any, axis: Any) -> Any:
    shifts, places = wholes(shift, "shift"), wholes(axis, "axis")
    if len(shifts) == len(places) == 1:
        return to.op("Roll", input, shift=shifts[0], axis=places[0])
    return to.op("Roll", input, shift=shifts, axis=places)


@tf("repeat")
def repeat(to: Builder, input: Any, repeats: Any, axis: Any = None) -> Any:
    if isinstance(repeats, (Dim, Tensor)):
        raise Refusal("it repeats elements as often as only the data tell")
    times = wholes(repeats, "how often to repeat")
    place = None if axis is None else whole(axis, "axis")
    return to.op("Repeat", input, repeats=times[0] if len(times) == 1 else times, axis=place)


@tf("keras.backend.repeat_elements")
def repeat_elements(to: Builder, x: Any, rep: Any, axis: Any) -> Any:
    return repeat(to, x, rep, axis)


@tf("keras.backend.repeat")
def repeat_rows(to: Builder, x: Any, n: Any) -> Any:
    return to.op("Tile", to.op("ExpandDims", x, axis=1), repeats=[1, whole(n, "n"), 1])


@tf("meshgrid")
def meshgrid(to: Builder, first: Any, args: Any = (), indexing: Any = "xy") -> Any:
    inputs = first if isinstance(first, list) and any(map(is_tensor, first)) else [first, *args]
    return to.ops("Meshgrid", *inputs, indexing=indexing)


@tf("nn.space_to_depth space_to_depth")
def space_to_depth(to: Builder, input: Any, block_size: Any, data_format: Any = "NHWC") -> Any:
    return to.op(
        "SpaceToDepth", input, block_size=whole(block_size, "block_size"), data_format=order_of_axes(data_format)
    )


@tf("nn.depth_to_space depth_to_space")
def depth_to_space(to: Builder, input: Any, block_size: Any, data_format: Any = "NHWC") -> Any:
    if order_of_axes(data_format) == "channels_first":
        raise Refusal("channels first")
    return to.op("DepthToSpace", input, block_size=whole(block_size, "block_size"))


def order_of_axes(data_format: Any) -> str:
    """Keras's word for TensorFlow's: `channels_first` for `NCHW`."""
    if data_format is None or (isinstance(data_format, str) and data_format.endswith("C")):
        return "channels_last"
    if isinstance(data_format, str) and data_format.startswith("NC"):
        return "channels_first"
    raise Refusal(f"there is no data_format {data_format!r}")
