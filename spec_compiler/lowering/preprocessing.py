"""Lowerings of `specs.layers.preprocessing`."""

from __future__ import annotations

from typing import Any

import torch

from spec_compiler.lowering.call import Call, over_last
from spec_compiler.lowering.expressions import ModuleExpr
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.lowering.table import lowers
from spec_compiler.lowering.weights import Rule
from spec_compiler.nn import preprocessing as nn_preprocessing
from spec_compiler.specs.initializers.constant import array_shape
from spec_compiler.specs.layers.preprocessing import Normalization, Rescaling
from spec_compiler.specs.shapes import require_dim


@lowers(Rescaling)
def rescaling(layer: Rescaling, call: Call, x: Proxy) -> Any:
    scale, offset = layer.factors, layer.offsets
    if isinstance(scale, list) or isinstance(offset, list):
        given = [offset] if offset else []
        return call.module(ModuleExpr(nn_preprocessing.Rescaling, scale, *given, **call.stated_dtype()))(x)
    scaled = x if scale == 1 else x * scale
    return scaled + offset if offset else scaled


@lowers(Normalization)
def normalization(layer: Normalization, call: Call, x: Proxy) -> Any:
    given = None if layer.mean is None else array_shape(layer.mean)
    if given == ():
        return _by_numbers(layer, x)
    axes = layer.places(call.shapes[0]) if given is None else layer.places(call.shapes[0])[-len(given) :]
    lengths = given or tuple(require_dim(call.shapes[0], axis, "Normalization") for axis in axes)
    if axes and call.several_ranks:
        return over_last(_by_arrays(layer, call, lengths, lengths), x, axes)
    first = axes[0] if axes else len(call.shapes[0])
    # With the axes between and behind them of length 1, as they broadcast to the input.
    shape = tuple(dict(zip(axes, lengths, strict=True)).get(i, 1) for i in range(first, len(call.shapes[0])))
    return _by_arrays(layer, call, lengths, shape)(x)


def _by_arrays(layer: Normalization, call: Call, lengths: tuple[Any, ...], shape: tuple[Any, ...]) -> Any:
    """The module whose mean and variance, of `lengths` in Keras, have `shape`."""
    invert = {"invert": True} if layer.invert else {}
    if layer.mean is None:
        of_rules = None if shape == lengths else shape
        rules = [
            Rule("mean", "mean", shape=of_rules),
            Rule("variance", "variance", shape=of_rules),
            Rule("count", "count"),
        ]
        return call.module(ModuleExpr(nn_preprocessing.AdaptedNormalization, shape, **invert), rules)
    mean, variance = (
        torch.tensor(value, dtype=torch.float64, device="cpu").reshape(shape).tolist()
        for value in (layer.mean, layer.variance)
    )
    return call.module(ModuleExpr(nn_preprocessing.Normalization, mean, variance, **invert, **call.stated_dtype()))


def _by_numbers(layer: Normalization, x: Proxy) -> Any:
    deviation = max(layer.variance**0.5, 1e-7)
    if layer.invert:
        return x * deviation + layer.mean
    centered = x - layer.mean if layer.mean else x
    return centered if deviation == 1 else centered / deviation
