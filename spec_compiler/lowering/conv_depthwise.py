"""Lowerings of `specs.layers.conv_depthwise`."""

from __future__ import annotations

from typing import Any

from spec_compiler.lowering.call import Call
from spec_compiler.lowering.conv import CONV, convolution, kernel_axes
from spec_compiler.lowering.expressions import ModuleExpr, differing
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.lowering.table import lowers
from spec_compiler.lowering.weights import Rule
from spec_compiler.specs.layers.conv_depthwise import BaseDepthwise, DepthwiseConv, SeparableConv


def depthwise_rule(layer: BaseDepthwise, variable: str, filters: int) -> Rule:
    """Keras's (*kernel_size, channels, multiplier) as torch's (channels * multiplier, 1, *kernel_size)."""
    return Rule(variable, "weight", shape=(*layer.kernel_size, 1, filters), axes=kernel_axes(layer.rank))


@lowers(DepthwiseConv)
def depthwise(layer: DepthwiseConv, call: Call, x: Proxy) -> Any:
    channels = call.shapes[0][layer.channel_axis]
    filters = layer.depthwise_channels(call.shapes[0])
    expr, x = convolution(layer, call, x, channels, filters, filters // layer.depth_multiplier, layer.use_bias)
    run = call.module(expr, [depthwise_rule(layer, "kernel", filters), Rule("bias", "bias")])
    return call.activate(layer.activation, run(x))


@lowers(SeparableConv)
def separable(layer: SeparableConv, call: Call, x: Proxy) -> Any:
    channels = call.shapes[0][layer.channel_axis]
    between = layer.depthwise_channels(call.shapes[0])
    expr, x = convolution(layer, call, x, channels, between, between // layer.depth_multiplier, False)
    depthwise = call.module(expr, [depthwise_rule(layer, "depthwise_kernel", between)], name="depthwise")
    bias = differing({"bias": (layer.use_bias, True)})
    rules = [Rule("pointwise_kernel", "weight", axes=kernel_axes(layer.rank)), Rule("bias", "bias")]
    pointwise = call.module(ModuleExpr(CONV[layer.rank], between, layer.filters, 1, **bias), rules, name="pointwise")
    return call.activate(layer.activation, pointwise(depthwise(x)))
