"""Lowerings of `specs.layers.legacy`; Deconvolution2D's is that of the transposed convolutions."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from spec_compiler.lowering import conv_transpose as conv_transpose
from spec_compiler.lowering.activation import elementwise_weights
from spec_compiler.lowering.call import Call
from spec_compiler.lowering.expressions import ModuleExpr
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.lowering.table import lowers
from spec_compiler.lowering.weights import Rule
from spec_compiler.nn import legacy as nn_legacy
from spec_compiler.specs.layers.activation import shared_shape
from spec_compiler.specs.layers.legacy import Highway, MaxoutDense, ParametricSoftplus, SReLU


@lowers(Highway)
def highway(layer: Highway, call: Call, x: Proxy) -> Any:
    n = call.shapes[0][-1]
    expr = ModuleExpr(nn.Linear, n, n, **({} if layer.use_bias else {"bias": False}))
    projection, gate = (
        call.module(expr, [Rule(f"W{suffix}", "weight", axes=(1, 0)), Rule(f"b{suffix}", "bias")], name)
        for name, suffix in (("projection", ""), ("gate", "_carry"))
    )
    transform = torch.sigmoid(gate(x))
    return transform * call.activate(layer.activation, projection(x)) + (1 - transform) * x


@lowers(MaxoutDense)
def maxout_dense(layer: MaxoutDense, call: Call, x: Proxy) -> Any:
    bias = {} if layer.use_bias else {"bias": False}
    expr = ModuleExpr(nn_legacy.Maxout, call.shapes[0][-1], layer.units, layer.nb_feature, **bias)
    return call.module(expr, [Rule("W", "weight"), Rule("b", "bias")])(x)


@lowers(ParametricSoftplus)
def parametric_softplus(layer: ParametricSoftplus, call: Call, x: Proxy) -> Any:
    stated = shared_shape(call.shapes[0], layer.shared_axes, "ParametricSoftplus")
    shape, rules = elementwise_weights(call, stated, {"alphas": "alpha", "betas": "beta"})
    return call.module(ModuleExpr(nn_legacy.ParametricSoftplus, shape), rules)(x)


@lowers(SReLU)
def srelu(layer: SReLU, call: Call, x: Proxy) -> Any:
    stated = shared_shape(call.shapes[0], layer.shared_axes, "SReLU")
    parameters = {"t_left": "left", "a_left": "left_slope", "t_right": "width", "a_right": "right_slope"}
    shape, rules = elementwise_weights(call, stated, parameters)
    return call.module(ModuleExpr(nn_legacy.SReLU, shape), rules)(x)
