"""Convolutions and poolings as operations; kernels are tensors or constants.

What they compute: https://keras.io/api/ops/nn/.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ValidationError

from spec_compiler.specs.base import LayerSpec, single
from spec_compiler.specs.layers.conv import padded_dims
from spec_compiler.specs.layers.ops_arguments import Counts, Sizes
from spec_compiler.specs.layers.ops_table import Module, on_the_way, takes_complex
from spec_compiler.specs.layers.ops_types import real_dtype, require_floats, require_numbers, require_one_dtype
from spec_compiler.specs.shapes import RankError, Shape, ShapeError, TensorType, convolved, show
from spec_compiler.specs.types import Layout

op = Module("keras.src.ops.nn")

takes_complex("Conv ConvTranspose DepthwiseConv SeparableConv")


# Poolings: Keras's layers of the same names.


def pooling_layer(name: str, rank: int, settings: dict[str, Any]) -> LayerSpec:
    """The layer that computes what the pooling operation does on a tensor of `rank` axes."""
    from spec_compiler.specs import layers

    if rank not in (3, 4, 5):
        raise RankError(f"it takes a tensor of rank 3, 4 or 5, got rank {rank}")
    settings = {key: value for key, value in settings.items() if value is not None}
    try:
        return getattr(layers, f"{name}ing{rank - 2}D").model_validate(settings)  # type: ignore[no-any-return]
    except ValidationError as error:
        raise ShapeError(error.errors()[0]["msg"]) from None


def _pooled(name: str, x: TensorType, **settings: Any) -> TensorType:
    return TensorType(single(pooling_layer(name, len(x.shape), settings).infer_shape(x.shape)), x.dtype)


def channels_first(rank: int, arguments: dict[str, Any]) -> Layout:
    """What torch's kernels want; an input that has its channels first stays as it is."""
    return "keras" if arguments.get("data_format") == "channels_first" else "channels_first"


def with_format(settings: dict[str, Any]) -> dict[str, Any]:
    """The class's arguments with the data format stated."""
    return {**settings, "data_format": settings["data_format"] or "channels_last"}


pool = op.having(channels_first, prepared=with_format)


@pool
def MaxPool(
    inputs: TensorType,
    *,
    pool_size: Sizes,
    strides: Sizes | None = None,
    padding: Literal["valid", "same"] = "valid",
    data_format: Literal["channels_last", "channels_first"] | None = None,
) -> TensorType:
    require_numbers(inputs)
    return _pooled("MaxPool", inputs, pool_size=pool_size, strides=strides, padding=padding, data_format=data_format)


@pool
def AveragePool(
    inputs: TensorType,
    *,
    pool_size: Sizes,
    strides: Sizes | None = None,
    padding: Literal["valid", "same"] = "valid",
    data_format: Literal["channels_last", "channels_first"] | None = None,
) -> TensorType:
    require_floats(inputs)
    return _pooled(
        "AveragePool", inputs, pool_size=pool_size, strides=strides, padding=padding, data_format=data_format
    )


@pool
def AdaptiveMaxPool(
    inputs: TensorType,
    *,
    output_size: Sizes,
    data_format: Literal["channels_last", "channels_first"] | None = None,
) -> TensorType:
    require_floats(inputs)
    return _pooled("AdaptiveMaxPool", inputs, output_size=output_size, data_format=data_format)


@pool
def AdaptiveAveragePool(
    inputs: TensorType,
    *,
    output_size: Sizes,
    data_format: Literal["channels_last", "channels_first"] | None = None,
) -> TensorType:
    require_floats(inputs)
    return _pooled("AdaptiveAveragePool", inputs, output_size=output_size, data_format=data_format)


# Convolutions.


def spatial(x: Shape, data_format: str | None) -> tuple[Shape, int | None]:
    """Lengths of the spatial axes, and the number of channels."""
    return (x[2:], x[1]) if data_format == "channels_first" else (x[1:-1], x[-1])


def shaped(x: Shape, dims: Shape, channels: int | None, data_format: str | None) -> Shape:
    """A shape like `x` with other spatial lengths and channels."""
    return (x[0], channels, *dims) if data_format == "channels_first" else (x[0], *dims, channels)


def each(sizes: Sizes, rank: int, what: str) -> tuple[int, ...]:
    """One size an axis."""
    found = (sizes,) * rank if isinstance(sizes, int) else tuple(sizes)
    if len(found) == 1:
        found *= rank
    if len(found) != rank:
        raise ShapeError(f"{what} {list(found)} do not suit {rank} spatial axes")
    return found


def _require_kernel(inputs: TensorType, kernel: TensorType) -> int:
    rank = len(inputs.shape) - 2
    if rank not in (1, 2, 3):
        raise RankError(f"it takes a tensor of rank 3, 4 or 5, got {show(inputs.shape)}")
    if len(kernel.shape) != rank + 2 or None in kernel.shape:
        raise ShapeError(f"the kernel is of rank {rank + 2} and its lengths are known, got {show(kernel.shape)}")
    require_numbers(inputs)
    require_one_dtype(inputs, kernel)
    return rank


def _convolved(
    inputs: TensorType, kernel: Shape, strides: Sizes, padding: str, data_format: str | None, dilation: Sizes
) -> Shape:
    dims, _ = spatial(inputs.shape, data_format)
    steps = each(strides, len(dims), "strides")
    dilations = each(dilation, len(dims), "dilation_rate")
    if max(dilations) > 1:
        require_floats(inputs)
    windows = zip(dims, kernel, steps, dilations, strict=True)
    return tuple(convolved(n, k or 1, s, d, padding) for n, k, s, d in windows)


@op.having(order="inputs kernel strides padding data_format dilation_rate", prepared=with_format)
def Conv(
    inputs: TensorType,
    kernel: TensorType,
    *,
    strides: Sizes = 1,
    padding: Literal["valid", "same"] = "valid",
    data_format: Literal["channels_last", "channels_first"] | None = None,
    dilation_rate: Sizes = 1,
) -> TensorType:
    _require_kernel(inputs, kernel)
    *size, taken, filters = kernel.shape
    _, channels = spatial(inputs.shape, data_format)
    if channels is None:
        raise ShapeError(f"the number of channels of {show(inputs.shape)} must be known")
    groups, rest = divmod(channels, taken or 1)
    if rest or not groups or (filters or 0) % groups:
        raise ShapeError(f"{channels} channels do not go into a kernel of shape {show(kernel.shape)}")
    dims = _convolved(inputs, tuple(size), strides, padding, data_format, dilation_rate)
    return TensorType(shaped(inputs.shape, dims, filters, data_format), inputs.dtype)


@op.having(order="inputs kernel strides padding data_format dilation_rate", prepared=with_format)
def DepthwiseConv(
    inputs: TensorType,
    kernel: TensorType,
    *,
    strides: Sizes = 1,
    padding: Literal["valid", "same"] = "valid",
    data_format: Literal["channels_last", "channels_first"] | None = None,
    dilation_rate: Sizes = 1,
) -> TensorType:
    _require_kernel(inputs, kernel)
    *size, taken, multiplier = kernel.shape
    _, channels = spatial(inputs.shape, data_format)
    if channels is not None and channels != taken:
        raise ShapeError(f"{channels} channels do not go into a kernel of shape {show(kernel.shape)}")
    dims = _convolved(inputs, tuple(size), strides, padding, data_format, dilation_rate)
    return TensorType(shaped(inputs.shape, dims, (taken or 1) * (multiplier or 1), data_format), inputs.dtype)


@op.having(
    order="inputs depthwise_kernel pointwise_kernel strides padding data_format dilation_rate", prepared=with_format
)
def SeparableConv(
    inputs: TensorType,
    depthwise_kernel: TensorType,
    pointwise_kernel: TensorType,
    *,
    strides: Sizes = 1,
    padding: Literal["valid", "same"] = "valid",
    data_format: Literal["channels_last", "channels_first"] | None = None,
    dilation_rate: Sizes = 1,
) -> TensorType:
    between = DepthwiseConv(
        inputs, depthwise_kernel, strides=strides, padding=padding, data_format=data_format, dilation_rate=dilation_rate
    )
    if any(n != 1 for n in pointwise_kernel.shape[:-2]):
        raise ShapeError(f"the pointwise kernel is one pixel wide, got {show(pointwise_kernel.shape)}")
    return Conv(between, pointwise_kernel, data_format=data_format)


@on_the_way("Conv DepthwiseConv")
def _padded(
    inputs: TensorType,
    kernel: TensorType,
    *_: Any,
    padding: str,
    data_format: str | None,
    dilation_rate: Sizes,
    **__: Any,
) -> list[Shape]:
    """The input with its padding."""
    dims, channels = spatial(inputs.shape, data_format)
    dilations = each(dilation_rate, len(dims), "dilation_rate")
    size = [k or 1 for k in kernel.shape[:-2]]
    padded = dims if padding == "valid" else padded_dims(dims, size, dilations, padding)
    return [shaped(inputs.shape, padded, channels, data_format)]


@on_the_way("SeparableConv")
def _padded_and_convolved(
    inputs: TensorType, kernel: TensorType, pointwise_kernel: TensorType, **settings: Any
) -> list[Shape]:
    """The input with its padding, and the single channels convolved."""
    return [*_padded(inputs, kernel, **settings), DepthwiseConv(inputs, kernel, **settings).shape]


@op.having(order="inputs kernel strides padding output_padding data_format dilation_rate", prepared=with_format)
def ConvTranspose(
    inputs: TensorType,
    kernel: TensorType,
    *,
    strides: Sizes = 1,
    padding: Literal["valid", "same"] = "valid",
    output_padding: Counts | None = None,
    data_format: Literal["channels_last", "channels_first"] | None = None,
    dilation_rate: Sizes = 1,
) -> TensorType:
    rank = _require_kernel(inputs, kernel)
    require_floats(TensorType((), real_dtype(inputs.dtype)))
    layer = transposed_layer(rank, kernel.shape, strides, padding, output_padding, data_format, dilation_rate)
    _, channels = spatial(inputs.shape, data_format)
    if channels != kernel.shape[-1]:
        raise ShapeError(f"{channels} channels do not go into a kernel of shape {show(kernel.shape)}")
    return TensorType(single(layer.infer_shape(inputs.shape)), inputs.dtype)


def transposed_layer(
    rank: int, kernel: Shape, strides: Sizes, padding: str, output_padding: Counts | None, data_format: str | None,
    dilation_rate: Sizes,
) -> Any:  # fmt: skip
    """Keras's layer of the same windows."""
    from spec_compiler.specs import layers

    settings = {
        "filters": kernel[-2], "kernel_size": kernel[:-2], "strides": strides, "padding": padding,
        "output_padding": output_padding, "dilation_rate": dilation_rate, "data_format": data_format or "channels_last",
    }  # fmt: skip
    try:
        return getattr(layers, f"Conv{rank}DTranspose").model_validate(settings)
    except ValidationError as error:
        raise ShapeError(error.errors()[0]["msg"]) from None
