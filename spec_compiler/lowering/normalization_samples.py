"""Lowerings of `specs.layers.normalization_samples`."""

from __future__ import annotations

from typing import Any

from torch import nn

from spec_compiler.lowering.call import Call, over_last
from spec_compiler.lowering.expressions import ModuleExpr
from spec_compiler.lowering.normalization import affine_kwargs, eps_of
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.lowering.table import lowers
from spec_compiler.lowering.weights import Rule
from spec_compiler.nn import normalization as nn_normalization
from spec_compiler.specs.layers.normalization_samples import GroupNormalization, LayerNormalization
from spec_compiler.specs.shapes import product


@lowers(LayerNormalization)
def layer_normalization(layer: LayerNormalization, call: Call, x: Proxy) -> Any:
    axes = layer.axes(call.shapes[0])
    dims, stated, last = _normalized(axes, call)
    dims = dims if layer.scale or layer.center else call.lengths(dims)
    if call.several_ranks and not (last and layer.counts_from_behind):
        # Where the axes are hangs on the rank, so that the module gets them in one row, behind all others.
        return over_last(lambda y: _in_one_row(layer, call, y, dims), x, sorted(axes))
    rules = [Rule("gamma", "weight", shape=stated), Rule("beta", "bias", shape=stated)]
    if not last or None in dims or (layer.center and not layer.scale):
        kwargs = affine_kwargs(layer)
        # Without weights nothing depends on the lengths, which need not be known then.
        shape = tuple(0 if n is None else n for n in dims)
        places = tuple(axis - len(call.shapes[0]) if last else axis for axis in sorted(axes))
        expr = ModuleExpr(nn_normalization.AxisLayerNorm, shape, places, eps=eps_of(layer), **kwargs)
        return call.module(expr, rules)(x)
    kwargs = {} if layer.scale else {"elementwise_affine": False}
    kwargs |= {"bias": False} if layer.scale and not layer.center else {}
    size = dims[0] if len(dims) == 1 else dims
    return call.module(ModuleExpr(nn.LayerNorm, size, eps=eps_of(layer), **kwargs), rules)(x)


def _in_one_row(layer: LayerNormalization, call: Call, x: Proxy, dims: tuple[int | None, ...]) -> Any:
    """Layer normalization over the last axes of `x`, of lengths `dims`, as over one."""
    size = product(dims) or 0
    expr = ModuleExpr(nn_normalization.AxisLayerNorm, (size,), (-1,), eps=eps_of(layer), **affine_kwargs(layer))
    norm = call.module(expr, [Rule("gamma", "weight", shape=(size,)), Rule("beta", "bias", shape=(size,))])
    return norm(x.flatten(-len(dims))).reshape_as(x) if len(dims) > 1 else norm(x)


def _normalized(axes: tuple[int, ...], call: Call) -> tuple[tuple[int | None, ...], Any, bool]:
    """Lengths of the axes, front to back; what Keras's weights are reshaped to; whether they are the last axes."""
    shape = call.shapes[0]
    in_order = tuple(sorted(axes))
    dims = tuple(shape[axis] for axis in in_order)
    # Keras's weights may name the axes in another order, yet are reshaped to this one, not permuted.
    stated = dims if axes != in_order else None
    return dims, stated, in_order == tuple(range(len(shape) - len(axes), len(shape)))


@lowers(GroupNormalization)
def group_normalization(layer: GroupNormalization, call: Call, x: Proxy) -> Any:
    shape = call.shapes[0]
    place = layer.place(shape)
    channels = shape[place]
    groups = channels if layer.groups == -1 else layer.groups
    others = product(n for i, n in enumerate(shape) if i not in (0, place))
    one_value = groups == channels and others in (1, None)
    rules = [Rule("gamma", "weight"), Rule("beta", "bias")]
    weighted = layer.scale or layer.center
    several = len(call.every_shape) > 1
    if layer.scale != layer.center or one_value or several or (weighted and len(shape) > 3):
        expr = ModuleExpr(nn_normalization.GroupNorm, groups, channels, eps=layer.epsilon, **affine_kwargs(layer))
    else:
        kwargs = {} if layer.scale else {"affine": False}
        expr = ModuleExpr(nn.GroupNorm, groups, channels, eps=layer.epsilon, **kwargs)
    norm = call.module(expr, rules)
    axis = call.axis(place)
    return norm(x) if axis == 1 else norm(x.movedim(axis, 1)).movedim(1, axis)
