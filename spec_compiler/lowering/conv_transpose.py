"""Lowerings of `specs.layers.conv_transpose`."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn import functional as F

from spec_compiler.lowering.call import Call
from spec_compiler.lowering.conv import compact, flat_pads, kernel_axes
from spec_compiler.lowering.expressions import ModuleExpr, differing
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.lowering.table import lowers
from spec_compiler.lowering.weights import Rule
from spec_compiler.specs.layers.conv_transpose import BaseConvTranspose

CONV_TRANSPOSE = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}


@lowers(BaseConvTranspose)
def conv_transpose(layer: BaseConvTranspose, call: Call, x: Proxy) -> Any:
    stated, excess = placed(layer)
    channels = call.shapes[0][layer.channel_axis]
    kernel, bias = compact(layer.kernel_size), differing({"bias": (layer.use_bias, True)})
    expr = ModuleExpr(CONV_TRANSPOSE[layer.rank], channels, layer.filters, kernel, **stated, **bias)
    run = call.module(expr, [Rule("kernel", "weight", axes=kernel_axes(layer.rank)), Rule("bias", "bias")])
    y = run(x)
    return call.activate(layer.activation, F.pad(y, excess) if any(excess) else y)


def placed(layer: BaseConvTranspose) -> tuple[dict[str, Any], tuple[int, ...]]:
    """Where torch's kernel puts the windows, as its arguments, and what is to be cut off then, as `F.pad` takes it."""
    crops = layer.crops()
    missing = [before - after for before, after in crops]
    # torch's padding cuts both ends alike. What Keras cuts more off the end is cut of a length that the strides divide, on
    # which the kernels take half the time; and not by a slice, whose gradient has the channels first in memory.
    more = [n if n > 0 else n % step for n, step in zip(missing, layer.strides, strict=True)]
    stated = differing({
        "stride": (compact(layer.strides), 1),
        "padding": (compact([before for before, _ in crops]), 0),
        "output_padding": (compact(more), 0),
        "dilation": (compact(layer.dilation_rate), 1),
    })  # fmt: skip
    return stated, flat_pads([(0, n - added) for added, n in zip(more, missing, strict=True)])
