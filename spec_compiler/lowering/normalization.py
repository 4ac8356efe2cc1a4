"""Lowerings of `specs.layers.normalization`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import torch
from torch import nn
from torch.fx import Proxy
from torch.nn import functional as F

from spec_compiler.lowering.call import Call, InnerCall
from spec_compiler.lowering.expressions import ModuleExpr
from spec_compiler.lowering.table import lowers
from spec_compiler.lowering.weights import Rule, under
from spec_compiler.nn import normalization as nn_normalization
from spec_compiler.specs.layers.normalization import (
    Affine,
    BatchNormalization,
    GroupNormalization,
    LayerNormalization,
    RMSNormalization,
    SpectralNormalization,
    UnitNormalization,
)
from spec_compiler.specs.shapes import product

BATCH_NORM = {
    2: nn_normalization.BatchNorm1d,
    3: nn_normalization.BatchNorm1d,
    4: nn_normalization.BatchNorm2d,
    5: nn_normalization.BatchNorm3d,
}
STATISTICS = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}


def affine_kwargs(layer: Affine) -> dict[str, bool]:
    """Which of weight and bias there is, where one is missing."""
    return {key: False for key in ("scale", "center") if not getattr(layer, key)}


@lowers(BatchNormalization)
def batch_normalization(layer: BatchNormalization, call: Call, x: Proxy) -> Any:
    shape = call.shapes[0]
    axes = layer.axes(shape)
    rank = len(shape)
    mask = None if call.mask is None else call.mask.unsqueeze(call.axis(-1))
    frozen = {} if call.trainable else {"frozen": True}
    # 1 - 0.99 is 0.010000000000000009.
    kwargs: dict[str, Any] = {"eps": layer.epsilon, "momentum": round(1 - layer.momentum, 12)}
    cls = BATCH_NORM.get(2 if len(axes) > 1 else rank, nn_normalization.BatchNorm3d)
    cls = nn_normalization.MaskedBatchNorm if call.ever_masked else cls
    channels = prod(shape[axis] for axis in axes)  # type: ignore[misc]
    expr = ModuleExpr(cls, channels, **kwargs, **affine_kwargs(layer), **frozen)
    flat = (channels,) if len(axes) > 1 else None
    rules = [Rule(variable, parameter, shape=flat) for variable, parameter in STATISTICS.items()]
    # Half the precision would not do for sums over a batch: Keras computes in float32 then.
    half = call.compute_dtype in ("float16", "bfloat16")
    norm = call.module(expr, rules, computes_in="float32" if half else None)
    x = x.float() if half else x

    def run(x: Any, mask: Any) -> Any:
        y = norm(x, **call.given(mask=mask, training=call.training))
        return call.cast(y) if half else y

    if len(axes) > 1:
        return _over_several(run, x, mask, axes, rank)
    axis = call.axis(axes[0])
    if axis == 1:
        return run(x, mask)
    return run(x.movedim(axis, 1), None if mask is None else mask.movedim(axis, 1)).movedim(1, axis)


def _over_several(run: Any, x: Any, mask: Any, axes: tuple[int, ...], rank: int) -> Any:
    """Batch normalization of (everything else, channels), the channels being all places along `axes`."""
    order = (*(i for i in range(rank) if i not in axes), *axes)
    split = rank - len(axes)
    if mask is not None:
        mask = mask.expand_as(x).permute(order).flatten(split).flatten(0, split - 1)
    x = x.permute(order)
    y = run(x.flatten(split).flatten(0, split - 1), mask).reshape_as(x)
    return y.permute(tuple(order.index(i) for i in range(rank)))


@lowers(LayerNormalization)
def layer_normalization(layer: LayerNormalization, call: Call, x: Proxy) -> Any:
    axes = layer.axes(call.shapes[0])
    dims, stated, last = _normalized(axes, call)
    rules = [Rule("gamma", "weight", shape=stated), Rule("beta", "bias", shape=stated)]
    if not last or None in dims or (layer.center and not layer.scale):
        kwargs = affine_kwargs(layer)
        # Without weights nothing depends on the lengths, which need not be known then.
        shape = tuple(0 if n is None else n for n in dims)
        expr = ModuleExpr(nn_normalization.AxisLayerNorm, shape, tuple(sorted(axes)), eps=layer.epsilon, **kwargs)
        return call.module(expr, rules)(x)
    kwargs = {} if layer.scale else {"elementwise_affine": False}
    kwargs |= {"bias": False} if layer.scale and not layer.center else {}
    size = dims[0] if len(dims) == 1 else dims
    return call.module(ModuleExpr(nn.LayerNorm, size, eps=layer.epsilon, **kwargs), rules)(x)


def _normalized(axes: tuple[int, ...], call: Call) -> tuple[tuple[int | None, ...], Any, bool]:
    """Lengths of the axes, front to back; what Keras's weights are reshaped to; whether they are the last axes."""
    shape = call.shapes[0]
    in_order = tuple(sorted(axes))
    dims = tuple(shape[axis] for axis in in_order)
    # Keras's weights may name the axes in another order, yet are reshaped to this one, not permuted.
    stated = dims if axes != in_order else None
    return dims, stated, in_order == tuple(range(len(shape) - len(axes), len(shape)))


@lowers(RMSNormalization)
def rms_normalization(layer: RMSNormalization, call: Call, x: Proxy) -> Any:
    dims = tuple(call.shapes[0][axis] for axis in layer.axes(call.shapes[0]))
    size = dims[0] if len(dims) == 1 else dims
    return call.module(ModuleExpr(nn.RMSNorm, size, eps=layer.epsilon), [Rule("scale", "weight")])(x)


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
    if layer.scale != layer.center or one_value or (weighted and len(shape) > 3):
        expr = ModuleExpr(nn_normalization.GroupNorm, groups, channels, eps=layer.epsilon, **affine_kwargs(layer))
    else:
        kwargs = {} if layer.scale else {"affine": False}
        expr = ModuleExpr(nn.GroupNorm, groups, channels, eps=layer.epsilon, **kwargs)
    norm = call.module(expr, rules)
    axis = call.axis(place)
    return norm(x) if axis == 1 else norm(x.movedim(axis, 1)).movedim(1, axis)


@lowers(UnitNormalization)
def unit_normalization(layer: UnitNormalization, call: Call, x: Proxy) -> Any:
    axes = tuple(call.axis(axis) for axis in layer.axes)
    return F.normalize(x, dim=axes[0] if len(axes) == 1 else axes)


class _Normalized(InnerCall):
    """The call of the layer inside, whose module is put into a SpectralNorm."""

    def place(self, expr: ModuleExpr, rules: Sequence[Rule], name: str) -> Callable[..., Any]:
        kernel = next(rule for rule in rules if rule.variable in ("kernel", "embeddings"))
        spec = self.outer.node.layer
        assert isinstance(spec, SpectralNormalization)
        vector = spec.variables(*self.outer.shapes)[1]
        kwargs: dict[str, Any] = {}
        if kernel.axes is not None:
            kwargs["axes"] = tuple(kernel.axes.index(i) for i in range(len(kernel.axes)))
        if spec.power_iterations != 1:
            kwargs["power_iterations"] = spec.power_iterations
        whole = ModuleExpr(nn_normalization.SpectralNorm, expr, vector.shape[-1], **kwargs)
        whole = whole.to(getattr(torch, spec.variable_dtype))
        return self.outer.place(whole, [Rule("vector_u", "vector_u"), *under("layer", list(rules))], name)


@lowers(SpectralNormalization)
def spectral_normalization(layer: SpectralNormalization, call: Call, x: Proxy) -> Any:
    y: Any = _Normalized(call, layer.layer, "layer", call.shapes[0], call.mask, {}).lower(x)
    return y if layer.layer.compute_dtype == layer.compute_dtype else call.cast(y)
