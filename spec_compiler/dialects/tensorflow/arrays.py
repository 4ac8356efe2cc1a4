"""TensorFlow's functions that move elements about: joining, splitting, permuting, padding."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

from spec_compiler.dialects.tensorflow.builder import Builder
from spec_compiler.dialects.tensorflow.table import tf, writes
from spec_compiler.dialects.tensorflow.values import Dim, Refusal, Tensor, is_tensor, whole, wholes

if TYPE_CHECKING:
    from spec_compiler.dialects.tensorflow.recorder import Recorder


@tf("concat", writes="Concatenate", meet="output")
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


@tf("stack keras.backend.stack", writes="Stack", meet="output")
def stack(to: Builder, values: Any, axis: Any = 0) -> Any:
    values = values if isinstance(values, list) else [values]
    return to.op("Stack", _alike(to, values), axis=whole(axis, "axis"))


@tf("unstack", writes="Unstack")
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


@writes("Split")
def split_in_keras2(to: Recorder, x: Any, *, indices_or_sections: Any, axis: int) -> Any:
    if not isinstance(indices_or_sections, (list, tuple)):
        return to.call("split", x, num_or_size_splits=indices_or_sections, axis=axis)
    length = to.shape(x)[axis]
    if length is None:
        raise Refusal("the length of the axis that is split is known only from the data")
    ends = [0, *(min(max(i + length if i < 0 else i, 0), length) for i in indices_or_sections), length]
    sizes = [max(0, end - start) for start, end in pairwise(ends)]
    if sum(sizes) != length:
        raise Refusal("parts that overlap")
    return to.call("split", x, num_or_size_splits=sizes, axis=axis)


@tf("expand_dims")
def expand_dims(to: Builder, input: Any, axis: Any) -> Any:
    return to.op("ExpandDims", input, axis=whole(axis, "axis"))


@writes("ExpandDims")
def expand_dims_in_keras2(to: Recorder, x: Any, *, axis: Any) -> Any:
    places = [axis] if isinstance(axis, int) else list(axis)
    rank = to.rank(x) + len(places)
    for place in sorted(place % rank for place in places):
        x = to.call("expand_dims", x, axis=place)
    return x


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


@writes("Squeeze")
def squeeze_in_keras2(to: Recorder, x: Any, *, axis: Any) -> Any:
    places = [i for i, n in enumerate(to.shape(x)) if n == 1] if axis is None else wholes(axis, "axis")
    return to.call("squeeze", x, axis=places) if places else x


@tf("transpose compat.v1.transpose", writes="Transpose", perm="axes")
def transpose(to: Builder, a: Any, perm: Any = None, conjugate: Any = False) -> Any:
    if conjugate:
        a = to.op("Conjugate", a)
    return to.op("Transpose", a, axes=None if perm is None else wholes(perm, "perm"))


@writes("Swapaxes")
def swapaxes_in_keras2(to: Recorder, x: Any, *, axis1: int, axis2: int) -> Any:
    order = list(range(to.rank(x)))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return to.call("transpose", x, perm=order)


@writes("Moveaxis")
def moveaxis_in_keras2(to: Recorder, x: Any, *, source: Any, destination: Any) -> Any:
    places = {to.axis(to_, x): to.axis(from_, x) for from_, to_ in zip(_list(source), _list(destination), strict=True)}
    others = iter(i for i in range(to.rank(x)) if i not in places.values())
    return to.call("transpose", x, perm=[places[i] if i in places else next(others) for i in range(to.rank(x))])


def _list(value: Any) -> list[int]:
    return [value] if isinstance(value, int) else list(value)


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


@writes("Pad")
def pad_in_keras2(to: Recorder, x: Any, constant_values: Any = None, *, pad_width: Any, mode: str) -> Any:
    rank = to.rank(x)
    if isinstance(pad_width, int):
        pad_width = [[pad_width, pad_width]]
    elif pad_width and isinstance(pad_width[0], int):
        pad_width = [[n, n] for n in pad_width] if len(pad_width) == 1 else [pad_width]
    widths = [list(pair) * 2 if len(pair) == 1 else list(pair) for pair in pad_width]
    widths = widths * rank if len(widths) == 1 else widths
    value = constant_values if constant_values is not None else 0
    if not isinstance(value, (int, float)):
        raise Refusal("what it is padded with must be a number")
    return to.call(
        "pad", x, paddings=widths, mode=mode.upper(), constant_values=to.cast(value, to.dtype(x)) if value else 0
    )


@writes("Flip")
def flip_in_keras2(to: Recorder, x: Any, *, axis: Any) -> Any:
    return to.call("reverse", x, axis=list(range(to.rank(x))) if axis is None else _list(axis))


@tf("reverse")
def reverse(to: Builder, tensor: Any, axis: Any) -> Any:
    return to.op("Flip", tensor, axis=wholes(axis, "axis"))


@tf("keras.backend.reverse")
def backend_reverse(to: Builder, x: Any, axes: Any) -> Any:
    return reverse(to, x, axes)


@writes("Roll")
def roll_in_keras2(to: Recorder, x: Any, *, shift: Any, axis: Any) -> Any:
    if axis is None:
        lengths = [-1 if n is None else n for n in to.shape(x)]
        rolled = to.call("roll", to.call("reshape", x, shape=[-1]), shift=sum(_list(shift)), axis=0)
        return to.call("reshape", rolled, shape=lengths)
    shifts, places = _list(shift), _list(axis)
    if not places:
        return x
    return to.call("roll", x, shift=shifts * len(places) if len(shifts) == 1 else shifts, axis=places)


@tf("roll")
def roll(to: Builder, input: Any, shift: Any, axis: Any) -> Any:
    shifts, places = wholes(shift, "shift"), wholes(axis, "axis")
    if len(shifts) == len(places) == 1:
        return to.op("Roll", input, shift=shifts[0], axis=places[0])
    return to.op("Roll", input, shift=shifts, axis=places)


@tf("repeat", writes="Repeat")
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


@tf("nn.space_to_depth space_to_depth", writes="SpaceToDepth")
def space_to_depth(to: Builder, input: Any, block_size: Any, data_format: Any = "NHWC") -> Any:
    return to.op(
        "SpaceToDepth", input, block_size=whole(block_size, "block_size"), data_format=order_of_axes(data_format)
    )


@tf("nn.depth_to_space depth_to_space", writes="DepthToSpace")
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
