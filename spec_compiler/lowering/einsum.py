"""Lowering of `specs.layers.einsum`."""

from __future__ import annotations

from typing import Any

from torch import nn

from spec_compiler.lowering.call import Call
from spec_compiler.lowering.expressions import ModuleExpr
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.lowering.table import lowers
from spec_compiler.lowering.weights import Rule
from spec_compiler.nn import einsum as nn_einsum
from spec_compiler.specs.layers.einsum import EinsumDense


@lowers(EinsumDense)
def einsum_dense(layer: EinsumDense, call: Call, x: Proxy) -> Any:
    shape = call.shapes[0]
    kernel, bias = layer.kernel_shape(shape), layer.bias_shape(shape)
    if _is_linear(layer):
        expr = ModuleExpr(nn.Linear, *kernel, **({"bias": False} if bias is None else {}))
        rules = [Rule("kernel", "weight", axes=(1, 0)), Rule("bias", "bias")]
    else:
        expr = ModuleExpr(nn_einsum.EinsumDense, layer.equation, kernel, *([] if bias is None else [bias]))
        rules = [Rule("kernel", "weight"), Rule("bias", "bias")]
    return call.activate(layer.activation, call.module(expr, rules)(x))


def _is_linear(layer: EinsumDense) -> bool:
    """Whether the last axis is projected onto another and all else stays: `...ab,bc->...ac`."""
    letters = layer.parsed
    last, new = letters.taken[-1], letters.given[-1]
    projects = letters.kernel == last + new and letters.given[:-1] == letters.taken[:-1] and new not in letters.taken
    return projects and letters.elided != "right" and layer.bias_axes in (None, new)
