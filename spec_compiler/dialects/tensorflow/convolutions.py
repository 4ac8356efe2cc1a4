"""TensorFlow's convolutions and poolings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spec_compiler.dialects.tensorflow.arrays import order_of_axes
from spec_compiler.dialects.tensorflow.builder import Builder
from spec_compiler.dialects.tensorflow.folding import shape as shape_of_constant
from spec_compiler.dialects.tensorflow.table import tf, writes
from spec_compiler.dialects.tensorflow.values import Dim, Refusal, Tensor, is_tensor, wholes
from spec_compiler.specs.layers.ops_convolutions import transposed_layer
from spec_compiler.specs.layers.ops_types import is_float

if TYPE_CHECKING:
    from spec_compiler.dialects.tensorflow.recorder import Recorder


def spatial(value: Any, rank: int, data_format: str, what: str) -> list[int]:
    """A size for each spatial axis, of one for all, one for each, or one for each axis of the tensor."""
    found = wholes(1 if value is None else value, what)
    if len(found) == rank + 2:
        others = (found[0], found[1]) if data_format == "channels_first" else (found[0], found[-1])
        if others != (1, 1):
            raise Refusal(f"{what} of batch or channels must be 1")
        found = found[2:] if data_format == "channels_first" else found[1:-1]
    if len(found) not in (1, rank):
        raise Refusal(f"{what} {found} do not suit {rank} spatial axes")
    return found * rank if len(found) == 1 else found


def padded(to: Builder, x: Any, padding: Any, explicit: Any = None) -> tuple[Any, str]:
    """The input, padded where the file states the widths, and Keras's word for the padding."""
    widths = padding if isinstance(padding, list) else explicit
    if isinstance(padding, str) and padding.upper() in ("SAME", "VALID"):
        return x, padding.lower()
    if not isinstance(widths, list) or not widths:
        raise Refusal(f"there is no padding {padding!r}")
    if not isinstance(widths[0], list):
        widths = [widths[i : i + 2] for i in range(0, len(widths), 2)]
    return to.op("Pad", x, pad_width=[wholes(pair, "a width of the padding") for pair in widths]), "valid"


def _convolution(names: str, rank: int) -> None:
    @tf(names)
    def convolution(
        to: Builder, input: Any, filters: Any, strides: Any = 1, padding: Any = "VALID", data_format: Any = None,
        dilations: Any = None, use_cudnn_on_gpu: Any = True, explicit_paddings: Any = None,
    ) -> Any:  # fmt: skip
        return convolved(to, rank, input, filters, strides, padding, data_format, dilations, explicit_paddings)


def convolved(
    to: Builder, rank: int, x: Any, kernel: Any, strides: Any, padding: Any, data_format: Any, dilations: Any,
    explicit: Any = None,
) -> Any:  # fmt: skip
    """A convolution over `rank` axes."""
    order = order_of_axes(data_format)
    x, word = padded(to, x, padding, explicit)
    return to.op(
        "Conv", x, kernel, strides=spatial(strides, rank, order, "strides"), padding=word, data_format=order,
        dilation_rate=spatial(dilations, rank, order, "dilations"),
    )  # fmt: skip


_convolution("nn.conv1d", 1)
_convolution("nn.conv2d", 2)
_convolution("nn.conv3d", 3)


@tf("nn.convolution")
def convolution(
    to: Builder, input: Any, filters: Any, strides: Any = None, padding: Any = "VALID", data_format: Any = None,
    dilations: Any = None,
) -> Any:  # fmt: skip
    return convolved(to, to.rank(input) - 2, input, filters, strides, padding, data_format, dilations)


@tf("nn.atrous_conv2d")
def atrous_conv2d(to: Builder, value: Any, filters: Any, rate: Any, padding: Any) -> Any:
    return convolved(to, 2, value, filters, 1, padding, None, rate)


@tf("nn.depthwise_conv2d compat.v1.nn.depthwise_conv2d_native")
def depthwise_conv2d(
    to: Builder, input: Any, filters: Any, strides: Any, padding: Any, data_format: Any = None, dilations: Any = None,
    explicit_paddings: Any = None,
) -> Any:  # fmt: skip
    order = order_of_axes(data_format)
    x, word = padded(to, input, padding, explicit_paddings)
    return to.op(
        "DepthwiseConv", x, filters, strides=spatial(strides, 2, order, "strides"), padding=word, data_format=order,
        dilation_rate=spatial(dilations, 2, order, "dilations"),
    )  # fmt: skip


@tf("nn.separable_conv2d")
def separable_conv2d(
    to: Builder, input: Any, depthwise_filter: Any, pointwise_filter: Any, strides: Any, padding: Any,
    data_format: Any = None, dilations: Any = None,
) -> Any:  # fmt: skip
    between = depthwise_conv2d(to, input, depthwise_filter, strides, padding, data_format, dilations)
    return convolved(to, 2, between, pointwise_filter, 1, "VALID", data_format, None)


def _transposed(names: str, rank: int) -> None:
    @tf(names)
    def conv_transpose(
        to: Builder, input: Any, filters: Any, output_shape: Any, strides: Any, padding: Any = "SAME",
        data_format: Any = None, dilations: Any = None,
    ) -> Any:  # fmt: skip
        return _conv_transpose(to, rank, input, filters, output_shape, strides, padding, data_format, dilations)


def _conv_transpose(
    to: Builder, rank: int, x: Any, kernel: Any, output_shape: Any, strides: Any, padding: Any, data_format: Any,
    dilations: Any,
) -> Any:  # fmt: skip
    order = order_of_axes(data_format)
    steps, holes = spatial(strides, rank, order, "strides"), spatial(dilations, rank, order, "dilations")
    word = str(padding).lower()
    if word not in ("same", "valid") or max(holes) > 1:
        raise Refusal("a padding in numbers, or dilation")
    size = tuple(shape_of_constant(kernel)) if isinstance(kernel, list) else to.shape(kernel)
    if len(size) != rank + 2:
        raise Refusal(f"a kernel of shape {list(size)}")
    lengths = output_shape if isinstance(output_shape, list) else []
    if len(lengths) == rank + 2:
        lengths = lengths[2:] if order == "channels_first" else lengths[1:-1]
    found = to.shape(x)[2:] if order == "channels_first" else to.shape(x)[1:-1]
    usual = transposed_layer(rank, size, steps, word, None, order, 1).infer_shape(to.shape(x))
    own = usual[2:] if order == "channels_first" else usual[1:-1]
    open_ends = any(n is None for n in found) or any(isinstance(n, (Dim, Tensor)) for n in lengths)
    if len(lengths) != rank or (not open_ends and wholes(lengths, "a length") != list(own)):
        raise Refusal("an output_shape other than the kernel gives by itself")
    if open_ends and not (word == "same" or all(k == s for k, s in zip(size, steps, strict=False))):
        raise Refusal("an output_shape that only the data tell")
    return to.op("ConvTranspose", x, kernel, strides=steps, padding=word, data_format=order)


_transposed("nn.conv1d_transpose", 1)
_transposed("nn.conv2d_transpose", 2)
_transposed("nn.conv3d_transpose", 3)


# Poolings.


def _pooling(names: str, op: str, rank: int | None) -> None:
    @tf(names)
    def pool(
        to: Builder, input: Any, ksize: Any, strides: Any, padding: Any, data_format: Any = None,
        explicit_paddings: Any = None,
    ) -> Any:  # fmt: skip
        return pooled(to, op, rank or to.rank(input) - 2, input, ksize, strides, padding, data_format)


def pooled(to: Builder, op: str, rank: int, x: Any, size: Any, strides: Any, padding: Any, data_format: Any) -> Any:
    """A pooling over `rank` axes."""
    order = order_of_axes(data_format)
    if not isinstance(padding, str) or padding.upper() not in ("SAME", "VALID"):
        raise Refusal("a padding in numbers")
    return to.op(
        op, x, pool_size=spatial(size, rank, order, "ksize"), strides=spatial(strides, rank, order, "strides"),
        padding=padding.lower(), data_format=order,
    )  # fmt: skip


for _rank, _names in ((None, "nn.{}_pool"), (1, "nn.{}_pool1d"), (2, "nn.{}_pool2d"), (3, "nn.{}_pool3d")):
    _pooling(_names.format("max"), "MaxPool", _rank)
    _pooling(_names.format("avg"), "AveragePool", _rank)


def _pooling_in_keras2(op: str, function: str) -> None:
    @writes(op)
    def pool(to: Recorder, inputs: Any, *, pool_size: Any, strides: Any, padding: str, data_format: Any) -> Any:
        if data_format is not None or not is_float(to.dtype(inputs)):
            raise Refusal("channels first, or whole numbers")
        steps = pool_size if strides is None else strides
        return to.call(function, inputs, ksize=pool_size, strides=steps, padding=padding.upper())


_pooling_in_keras2("MaxPool", "nn.max_pool")
_pooling_in_keras2("AveragePool", "nn.avg_pool")


@writes("Conv")
def conv_in_keras2(
    to: Recorder, inputs: Any, kernel: Any, *, strides: Any, padding: str, data_format: Any, dilation_rate: Any
) -> Any:
    x, filters = to.meeting([inputs, kernel])
    if data_format is not None or not is_tensor(kernel) or to.shape(filters)[-2] != to.shape(x)[-1]:
        raise Refusal("channels first or in groups, or a kernel that is a constant")
    rank = to.rank(x) - 2
    steps, holes = (n if isinstance(n, list) else [n] * rank for n in (strides, dilation_rate))
    if max(steps) > 1 and max(holes) > 1:
        raise Refusal("strides and dilation at once")
    return to.call("nn.convolution", x, filters=filters, strides=steps, padding=padding.upper(), dilations=holes)


@tf("nn.pool")
def pool(
    to: Builder, input: Any, window_shape: Any, pooling_type: Any, strides: Any = None, padding: Any = "VALID",
    data_format: Any = None, dilations: Any = None,
) -> Any:  # fmt: skip
    rank = to.rank(input) - 2
    if max(spatial(dilations, rank, "channels_last", "dilations")) > 1:
        raise Refusal("dilation")
    op = {"MAX": "MaxPool", "AVG": "AveragePool"}.get(str(pooling_type))
    if op is None:
        raise Refusal(f"there is no pooling {pooling_type!r}")
    return pooled(to, op, rank, input, window_shape, strides, padding, data_format)


@tf("image.extract_patches")
def extract_patches(to: Builder, images: Any, sizes: Any, strides: Any, rates: Any, padding: Any) -> Any:
    return to.op(
        "ExtractPatches", images, size=spatial(sizes, 2, "channels_last", "sizes"),
        strides=spatial(strides, 2, "channels_last", "strides"),
        dilation_rate=spatial(rates, 2, "channels_last", "rates"), padding=str(padding).lower(),
    )  # fmt: skip


@tf("keras.backend.pool2d")
def pool2d(
    to: Builder, x: Any, pool_size: Any, strides: Any = 1, padding: Any = "valid", data_format: Any = None,
    pool_mode: Any = "max",
) -> Any:  # fmt: skip
    order = "NCHW" if data_format == "channels_first" else None
    return pooled(to, "MaxPool" if pool_mode == "max" else "AveragePool", 2, x, pool_size, strides, padding, order)
