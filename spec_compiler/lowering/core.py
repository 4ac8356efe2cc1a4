"""Lowerings of `specs.layers.core`."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from spec_compiler.lowering.call import Call
from spec_compiler.lowering.expressions import ModuleExpr
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.lowering.table import lowers, lowers_mask
from spec_compiler.lowering.weights import Rule
from spec_compiler.specs.layers.core import Dense, Identity, Masking

LINEAR = [Rule("kernel", "weight", axes=(1, 0)), Rule("bias", "bias")]


@lowers(Dense)
def dense(layer: Dense, call: Call, x: Proxy) -> Any:
    n = call.shapes[0][-1]
    bias = {} if layer.use_bias else {"bias": False}
    linear = call.module(ModuleExpr(nn.Linear, n, layer.units, **bias), LINEAR)
    return call.activate(layer.activation, linear(x))


@lowers(Identity)
def identity(layer: Identity, call: Call, x: Proxy) -> Proxy:
    return x


@lowers(Masking)
def masking(layer: Masking, call: Call, x: Proxy) -> Proxy:
    # Inside another layer the mask is no value of the graph.
    keep = masking_mask(layer, call, x) if call.output_mask is None else call.output_mask
    return x * keep.unsqueeze(-1)


@lowers_mask(Masking)
def masking_mask(layer: Masking, call: Call, x: Proxy) -> Proxy:
    return torch.ne(x, layer.mask_value).any(-1)
