"""Lowerings of `specs.layers.ops_convolutions`."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

from spec_compiler.lowering.call import permuted
from spec_compiler.lowering.conv import compact, kernel_axes, padded
from spec_compiler.lowering.conv_transpose import placed
from spec_compiler.lowering.expressions import differing
from spec_compiler.lowering.ops_call import OpCall, lower_each, lowering, torch_dtype
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.lowering.table import lowering_of
from spec_compiler.specs.layers.conv import effective_dilation
from spec_compiler.specs.layers.ops_convolutions import each, pooling_layer, spatial, transposed_layer
from spec_compiler.specs.shapes import Shape

CONV: dict[int, Any] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
CONV_TRANSPOSE: dict[int, Any] = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def _pooled(op: OpCall, name: str, inputs: Proxy, **settings: Any) -> Any:
    layer = pooling_layer(name, op.rank(inputs), settings)
    lower = lowering_of(type(layer))
    if name == "MaxPool" and op.dtype in ("int8", "uint8", "int16"):
        # torch counts the places of channels that are last in the numbers' own dtype.
        y: Any = lower(layer, op.call, inputs.to(torch.int32))
        return y.to(torch_dtype(op.dtype))
    return lower(layer, op.call, inputs)


lower_each({name: name for name in ("MaxPool", "AveragePool", "AdaptiveMaxPool", "AdaptiveAveragePool")}, _pooled)


def _first(x: Any, rank: int, data_format: str | None) -> Any:
    """`x` with its channels behind the batch axis, where torch wants them."""
    return x if data_format == "channels_first" else permuted(x, rank, to_keras=False)


def _back(y: Any, rank: int, data_format: str | None) -> Any:
    return y if data_format == "channels_first" else permuted(y, rank, to_keras=True)


def _turned(kernel: Any, rank: int) -> Any:
    return kernel.permute(*kernel_axes(rank))


def _convolved(
    op: OpCall, x: Any, dims: Shape, kernel: Any, size: Any, groups: int, strides: Any, padding: str, dilation: Any
) -> Any:
    """The convolution of `x`, channels first, with torch's kernel."""
    rank = len(dims)
    steps, dilations = each(strides, rank, "strides"), each(dilation, rank, "dilation_rate")
    dilations = effective_dilation(dims, dilations, padding)
    pads, x = padded(op.call, x, dims, size, steps, dilations, padding)
    stated = differing({
        "stride": (compact(steps), 1),
        "padding": (pads, 0),
        "dilation": (compact(dilations), 1),
        "groups": (groups, 1),
    })  # fmt: skip
    return CONV[rank](x, kernel, **stated)


@lowering
def Conv(
    op: OpCall, inputs: Proxy, kernel: Proxy, *, strides: Any, padding: str, data_format: str | None, dilation_rate: Any
) -> Any:
    x, k = op.type(inputs).shape, op.type(kernel).shape
    dims, channels = spatial(x, data_format)
    groups = (channels or 1) // (k[-2] or 1)
    y = _convolved(
        op, _first(inputs, len(x), data_format), dims, _turned(kernel, len(dims)), k[:-2], groups, strides, padding,
        dilation_rate,
    )  # fmt: skip
    return _back(y, len(x), data_format)


def _depthwise(op: OpCall, x: Any, dims: Shape, kernel: Proxy, strides: Any, padding: str, dilation: Any) -> Any:
    *size, channels, _ = op.type(kernel).shape
    # Keras's (*size, channels, multiplier) is torch's (channels * multiplier, 1, *size).
    turned = kernel.flatten(-2).movedim(-1, 0).unsqueeze(1)
    return _convolved(op, x, dims, turned, size, channels or 1, strides, padding, dilation)


@lowering
def DepthwiseConv(
    op: OpCall, inputs: Proxy, kernel: Proxy, *, strides: Any, padding: str, data_format: str | None, dilation_rate: Any
) -> Any:
    rank, dims = op.rank(inputs), spatial(op.type(inputs).shape, data_format)[0]
    y = _depthwise(op, _first(inputs, rank, data_format), dims, kernel, strides, padding, dilation_rate)
    return _back(y, rank, data_format)


@lowering
def SeparableConv(
    op: OpCall, inputs: Proxy, depthwise_kernel: Proxy, pointwise_kernel: Proxy, *, strides: Any, padding: str,
    data_format: str | None, dilation_rate: Any,
) -> Any:  # fmt: skip
    rank, dims = op.rank(inputs), spatial(op.type(inputs).shape, data_format)[0]
    y = _depthwise(op, _first(inputs, rank, data_format), dims, depthwise_kernel, strides, padding, dilation_rate)
    channels, multiplier = op.type(depthwise_kernel).shape[-2:]
    taken = op.type(pointwise_kernel).shape[-2]
    groups = differing({"groups": ((channels or 1) * (multiplier or 1) // (taken or 1), 1)})
    return _back(CONV[len(dims)](y, _turned(pointwise_kernel, len(dims)), **groups), rank, data_format)


@lowering
def ConvTranspose(
    op: OpCall, inputs: Proxy, kernel: Proxy, *, strides: Any, padding: str, output_padding: Any, data_format: str | None,
    dilation_rate: Any,
) -> Any:  # fmt: skip
    rank = op.rank(inputs)
    layer = transposed_layer(
        rank - 2, op.type(kernel).shape, strides, padding, output_padding, data_format, dilation_rate
    )
    stated, excess = placed(layer)
    y = CONV_TRANSPOSE[rank - 2](_first(inputs, rank, data_format), _turned(kernel, rank - 2), **stated)
    y = F.pad(y, excess) if any(excess) else y
    return _back(y, rank, data_format)
