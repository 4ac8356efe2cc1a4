"""Lowerings of `specs.layers.pooling`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn
from torch.nn import functional as F

from spec_compiler.lowering.call import Call
from spec_compiler.lowering.conv import compact, flat_pads
from spec_compiler.lowering.expressions import ModuleExpr, differing
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.lowering.table import lowers
from spec_compiler.nn import pooling as nn_pooling
from spec_compiler.specs.layers.pooling import MaxPooling, Pooling

MAX_POOL = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}
PADDED: dict[type[nn.Module], type[nn.Module]] = {
    nn.AvgPool1d: nn_pooling.AvgPool1d,
    nn.AvgPool2d: nn_pooling.AvgPool2d,
}


@lowers(MaxPooling)
def max_pooling(layer: MaxPooling, call: Call, x: Proxy) -> Any:
    return pool(layer, call, x, MAX_POOL[layer.rank], nn_pooling.same_max_pool)


def pool(layer: Pooling, call: Call, x: Proxy, module: type[nn.Module], by_data: Callable[..., Any]) -> Any:
    """torch's pooling `module` with Keras's padding, or our function where how much that is hangs on the data."""
    dims, same = call.lengths(layer.spatial_dims(call.shapes[0])), layer.padding == "same"
    sizes = [effective_size(n, k) if same else k for n, k in zip(dims, layer.pool_size, strict=True)]
    overhangs = [overhang(n, k, s) if same else (0, 0) for n, k, s in zip(dims, sizes, layer.steps, strict=True)]
    # torch takes no mean over a volume of windows longer than an axis.
    too_long = module is nn.AvgPool3d and same and any(k > (n or 1) for n, k in zip(dims, sizes, strict=True))
    if None in overhangs or too_long:
        return call.function(by_data, x, layer.pool_size, layer.steps)
    found = [pair for pair in overhangs if pair is not None]
    # torch pads both sides alike. With ceil_mode the last window may reach beyond that; but at stride 1 there is no
    # room for it, and a window is had before the first instead, which is dropped.
    first = [int(s == 1 and after > before) for (before, after), s in zip(found, layer.steps, strict=True)]
    padding = [before + extra for (before, _), extra in zip(found, first, strict=True)]
    uneven = any(after > before and s > 1 for (before, after), s in zip(found, layer.steps, strict=True))
    whole = not uneven and not any(padding)
    kwargs = differing({
        "stride": (compact(layer.steps), compact(sizes)),
        "padding": (compact(padding), 0),
        "ceil_mode": (uneven, False),
        "count_include_pad": (isinstance(layer, MaxPooling) or whole, True),
    })  # fmt: skip
    if isinstance(layer, MaxPooling):
        kwargs.pop("count_include_pad", None)
    module = PADDED.get(module, module) if any(padding) else module
    y = call.module(ModuleExpr(module, compact(sizes), **kwargs))(x)
    # A slice's gradient has the channels first in memory, which costs the kernels several times their own time.
    return F.pad(y, flat_pads([(-extra, 0) for extra in first])) if any(first) else y


def effective_size(n: int | None, size: int) -> int:
    """The size of a centred window, less where the input cannot tell: of twice its length, each window holds all of it."""
    return size if n is None else min(size, 2 * n)


def overhang(n: int | None, size: int, stride: int) -> tuple[int, int] | None:
    """How far the first and the last of `ceil(n / stride)` windows reach out of an axis, at most, over its lengths.

    None when n is unknown and how far the first reaches hangs on it.
    """
    totals = [max(size - (rest or stride), 0) for rest in (range(stride) if n is None else [n % stride])]
    befores = {total // 2 for total in totals}
    return (befores.pop(), max(total - total // 2 for total in totals)) if len(befores) == 1 else None
