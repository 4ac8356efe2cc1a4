"""Lowerings of `specs.layers.regularization_noise`."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn import functional as F

from spec_compiler.lowering.call import Call
from spec_compiler.lowering.expressions import ModuleExpr
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.lowering.regularization import own, stock
from spec_compiler.lowering.table import lowers
from spec_compiler.nn import regularization as nn_regularization
from spec_compiler.specs.layers.regularization_noise import AlphaDropout, GaussianDropout, GaussianNoise


@lowers(AlphaDropout)
def alpha_dropout(layer: AlphaDropout, call: Call, x: Proxy) -> Any:
    if layer.noise_shape is None:
        return stock(call, x, layer.rate, nn.AlphaDropout, F.alpha_dropout)
    expr = ModuleExpr(nn_regularization.SharedAlphaDropout, layer.rate, tuple(call.dims(layer.noise_shape)))
    return own(call, x, expr, layer.rate)


@lowers(GaussianNoise)
def gaussian_noise(layer: GaussianNoise, call: Call, x: Proxy) -> Any:
    return own(call, x, ModuleExpr(nn_regularization.GaussianNoise, layer.stddev), layer.stddev)


@lowers(GaussianDropout)
def gaussian_dropout(layer: GaussianDropout, call: Call, x: Proxy) -> Any:
    return own(call, x, ModuleExpr(nn_regularization.GaussianDropout, layer.rate), layer.rate)
