"""Lowerings of `specs.layers.normalization`."""

from __future__ import annotations

from math import prod
from typing import Any

from spec_compiler.lowering.call import Call
from spec_compiler.lowering.expressions import ModuleExpr
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.lowering.table import lowers
from spec_compiler.lowering.weights import Rule
from spec_compiler.nn import normalization as nn_normalization
from spec_compiler.specs.layers.normalization import (
    Affine,
    BatchNormalization,
)
from spec_compiler.specs.layers.normalization_norms import RMSNormalization
from spec_compiler.specs.layers.normalization_samples import LayerNormalization

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


def eps_of(layer: LayerNormalization | RMSNormalization) -> float:
    """What is added before the root is taken: Keras's `epsilon()` where nothing is stated."""
    return 1e-7 if layer.epsilon is None else layer.epsilon


@lowers(BatchNormalization)
def batch_normalization(layer: BatchNormalization, call: Call, x: Proxy) -> Any:
    shape = call.shapes[0]
    axes = layer.axes(shape)
    rank = len(shape)
    mask = None if call.mask is None else call.mask.unsqueeze(call.axis(-1))
    # Keras asks the layer alone, not the models around it.
    frozen = {} if layer.trainable else {"frozen": True}
    # 1 - 0.99 is 0.010000000000000009.
    kwargs: dict[str, Any] = {"eps": layer.epsilon, "momentum": round(1 - layer.momentum, 12)}
    cls = BATCH_NORM.get(2 if len(axes) > 1 else rank, nn_normalization.BatchNorm3d)
    cls = nn_normalization.MaskedBatchNorm if call.ever_masked or call.several_ranks else cls
    channels = prod(shape[axis] for axis in axes)  # type: ignore[misc]
    expr = ModuleExpr(cls, channels, **kwargs, **affine_kwargs(layer), **frozen)
    flat = (channels,) if len(axes) > 1 else None
    rules = [Rule(variable, parameter, shape=flat) for variable, parameter in STATISTICS.items()]
    # Half the precision would not do for sums over a batch: Keras computes in float32 then.
    half = call.compute_dtype in ("float16", "bfloat16")
    norm = call.module(expr, rules, computes_in="float32" if half else None)
    x = x.float() if half else x

    def run(x: Any, mask: Any) -> Any:
        y = norm(x, **call.given(mask=mask, training=call.training), **call.steps_told())
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
