"""Lowerings of `specs.layers.regularization`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn
from torch.nn import functional as F

from spec_compiler.lowering.call import Call
from spec_compiler.lowering.expressions import ModuleExpr
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.lowering.table import lowers
from spec_compiler.nn import regularization as nn_regularization
from spec_compiler.specs.layers.regularization import (
    ActivityRegularization,
    Dropout,
)


def stock(call: Call, x: Proxy, p: float, module: type[nn.Module], function: Callable[..., Any]) -> Any:
    """torch's module, or its function where the call itself says that it trains."""
    if p == 0 or call.training is False:
        return x
    if call.training:
        return function(x, p, training=True)
    return call.module(ModuleExpr(module) if p == 0.5 else ModuleExpr(module, p))(x)


def own(call: Call, x: Proxy, expr: ModuleExpr, strength: float) -> Any:
    """A module of ours, told where the call itself says whether it trains."""
    if strength == 0 or call.training is False:
        return x
    return call.module(expr)(x, **call.given(training=call.training), **call.steps_told())


@lowers(Dropout)
def dropout(layer: Dropout, call: Call, x: Proxy) -> Any:
    if layer.noise_shape is None:
        return stock(call, x, layer.rate, nn.Dropout, F.dropout)
    expr = ModuleExpr(nn_regularization.SharedDropout, layer.rate, tuple(call.dims(layer.noise_shape)))
    return own(call, x, expr, layer.rate)


@lowers(ActivityRegularization)
def activity_regularization(layer: ActivityRegularization, call: Call, x: Proxy) -> Proxy:
    return x
