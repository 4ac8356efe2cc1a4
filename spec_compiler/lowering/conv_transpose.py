"""Lowerings of `specs.layers.conv_transpose`."""

from __future__ import annotations

from typing import Any

from torch import nn

from spec_compiler.lowering.call import Call
from spec_compiler.lowering.conv import compact, kernel_axes
from spec_compiler.lowering.expressions import ModuleExpr, differing
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.lowering.table import lowers
from spec_compiler.lowering.weights import Rule
from spec_compiler.specs.layers.conv_transpose import BaseConvTranspose

CONV_TRANSPOSE = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}


@lowers(BaseConvTranspose)
def conv_transpose(layer: BaseConvTranspose, call: Call, x: Proxy) -> Any:
    crops = layer.crops()
    padding = [before for before, _ in crops]
    kwargs = differing({
        "stride": (compact(layer.strides), 1),
        "padding": (compact(padding), 0),
        "output_padding": (compact([max(before - after, 0) for before, after in crops]), 0),
        "bias": (layer.use_bias, True),
        "dilation": (compact(layer.dilation_rate), 1),
    })  # fmt: skip
    channels = call.shapes[0][layer.channel_axis]
    kernel = compact(layer.kernel_size)
    expr = ModuleExpr(CONV_TRANSPOSE[layer.rank], channels, layer.filters, kernel, **kwargs)
    run = call.module(expr, [Rule("kernel", "weight", axes=kernel_axes(layer.rank)), Rule("bias", "bias")])
    y = run(x)
    # Keras cuts the odd element off the end; torch's padding cuts both ends alike.
    ends = [slice(None, before - after) if after > before else slice(None) for before, after in crops]
    while ends and ends[-1] == slice(None):
        ends.pop()
    if ends:
        y = y[(slice(None), slice(None), *ends)]
    return call.activate(layer.activation, y)
