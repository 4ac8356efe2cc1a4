"""Lowerings of `specs.layers.conv`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn
from torch.nn import functional as F

from spec_compiler.lowering.call import Call
from spec_compiler.lowering.expressions import ModuleExpr, differing
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.lowering.table import lowers
from spec_compiler.lowering.weights import Rule
from spec_compiler.nn import conv as nn_conv
from spec_compiler.specs.layers.conv import BaseConv, Windowed, effective_dilation
from spec_compiler.specs.shapes import Shape

CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


def kernel_axes(rank: int) -> tuple[int, ...]:
    """Keras's (*kernel_size, in, out) as torch's (out, in, *kernel_size)."""
    return (rank + 1, rank, *range(rank))


def compact(sizes: Sequence[int]) -> int | tuple[int, ...]:
    """One integer for equal sizes, as one writes it by hand."""
    return sizes[0] if len(set(sizes)) == 1 else tuple(sizes)


@lowers(BaseConv)
def conv(layer: BaseConv, call: Call, x: Proxy) -> Any:
    channels = call.shapes[0][layer.channel_axis]
    expr, x = convolution(layer, call, x, channels, layer.filters, layer.groups, layer.use_bias)
    run = call.module(expr, [Rule("kernel", "weight", axes=kernel_axes(layer.rank)), Rule("bias", "bias")])
    return call.activate(layer.activation, run(x))


def convolution(
    layer: Windowed, call: Call, x: Any, channels: int | None, filters: int, groups: int, bias: bool
) -> tuple[ModuleExpr, Any]:
    """The layer's window as a module of torch, and its input, padded where the module cannot."""
    dims = call.lengths(layer.spatial_dims(call.shapes[0]))
    dilation = effective_dilation(dims, layer.dilation_rate, layer.padding)
    padding, x = padded(call, x, dims, layer.kernel_size, layer.strides, dilation, layer.padding)
    kwargs = differing({
        "stride": (compact(layer.strides), 1),
        "padding": (padding, 0),
        "dilation": (compact(dilation), 1),
        "groups": (groups, 1),
        "bias": (bias, True),
    })  # fmt: skip
    return ModuleExpr(CONV[layer.rank], channels, filters, compact(layer.kernel_size), **kwargs), x


def padded(
    call: Call,
    x: Any,
    dims: Shape,
    kernel: Sequence[int],
    strides: Sequence[int],
    dilation: Sequence[int],
    padding: str,
) -> tuple[Any, Any]:
    """The padding the kernel can do itself, and the input with the rest done: Keras's odd zero stands at the end."""
    if padding == "valid":
        return 0, x
    windows = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    if padding == "causal":
        return 0, F.pad(x, (windows[0] - 1, 0))
    pads = same_padding(dims, windows, strides)
    if pads is None:
        return 0, call.function(nn_conv.same_pad, x, tuple(kernel), tuple(strides), tuple(dilation))
    if all(before == after for before, after in pads):
        return compact([before for before, _ in pads]), x
    return 0, F.pad(x, flat_pads(pads))


def same_padding(dims: Shape, windows: Sequence[int], strides: Sequence[int]) -> list[tuple[int, int]] | None:
    """What each axis needs before and behind it for `ceil(n / stride)` windows; None when a length is unknown."""
    pads = []
    for n, window, stride in zip(dims, windows, strides, strict=True):
        if n is None and stride > 1:
            return None
        # At stride 1 the padding is the same for every length.
        total = window - 1 if n is None else max((-(-n // stride) - 1) * stride + window - n, 0)
        pads.append((total // 2, total - total // 2))
    return pads


def flat_pads(pads: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """Pads of the last axes as `F.pad` takes them: the last axis first."""
    return tuple(n for pair in reversed(pads) for n in pair)
