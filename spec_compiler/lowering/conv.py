"""Lowerings of `specs.layers.conv`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn
from torch.fx import Proxy
from torch.nn import functional as F

from spec_compiler.lowering.call import Call
from spec_compiler.lowering.expressions import ModuleExpr
from spec_compiler.lowering.table import lowers
from spec_compiler.lowering.weights import Rule
from spec_compiler.nn import conv as nn_conv
from spec_compiler.specs.layers.conv import BaseConv
from spec_compiler.specs.shapes import Shape

CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


def kernel_axes(rank: int) -> tuple[int, ...]:
    """Keras's (*kernel_size, in, out) as torch's (out, in, *kernel_size)."""
    return (rank + 1, rank, *range(rank))


def compact(sizes: Sequence[int]) -> int | tuple[int, ...]:
    """One integer for equal sizes, as one writes it by hand."""
    return sizes[0] if len(set(sizes)) == 1 else tuple(sizes)


@lowers(BaseConv)
def conv(layer: BaseConv, call: Call, x: Proxy) -> Proxy:
    dims = layer.spatial_dims(call.shapes[0])
    padding, x = padded(call, x, dims, layer.kernel_size, layer.strides, layer.dilation_rate, layer.padding)
    stated: dict[str, Any] = {
        "stride": (compact(layer.strides), 1),
        "padding": (padding, 0),
        "dilation": (compact(layer.dilation_rate), 1),
        "groups": (layer.groups, 1),
        "bias": (layer.use_bias, True),
    }
    kwargs = {key: value for key, (value, default) in stated.items() if value != default}
    channels = call.shapes[0][layer.channel_axis]
    expr = ModuleExpr(CONV[layer.rank], channels, layer.filters, compact(layer.kernel_size), **kwargs)
    run = call.module(expr, [Rule("kernel", "weight", axes=kernel_axes(layer.rank)), Rule("bias", "bias")])
    return call.activate(layer.activation, run(x), layer.channel_axis)


def padded(
    call: Call,
    x: Proxy,
    dims: Shape,
    kernel: Sequence[int],
    strides: Sequence[int],
    dilation: Sequence[int],
    padding: str,
    value: float = 0.0,
) -> tuple[Any, Proxy]:
    """The padding the kernel can do itself, and the input with the rest done: Keras's odd zero stands at the end."""
    if padding == "valid":
        return 0, x
    windows = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    if padding == "causal":
        return 0, F.pad(x, (windows[0] - 1, 0))
    totals = [same_padding(n, w, s) for n, w, s in zip(dims, windows, strides, strict=True)]
    known = [total for total in totals if total is not None]
    if len(known) < len(totals):
        return 0, call.function(nn_conv.same_pad, x, tuple(kernel), tuple(strides), tuple(dilation))
    if all(total % 2 == 0 for total in known):
        return compact([total // 2 for total in known]), x
    pads = [pad for total in reversed(known) for pad in (total // 2, total - total // 2)]
    return 0, F.pad(x, tuple(pads)) if value == 0 else F.pad(x, tuple(pads), value=value)


def same_padding(n: int | None, window: int, stride: int) -> int | None:
    """Zeros an axis of length n needs for `ceil(n / stride)` windows; None when that hangs on an unknown length."""
    if stride == 1:
        return window - 1
    return None if n is None else max((-(-n // stride) - 1) * stride + window - n, 0)
