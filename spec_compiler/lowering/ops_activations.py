"""Lowerings of `specs.layers.ops_activations`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F

from spec_compiler.lowering.ops_call import OpCall, lower_each, lowering
from spec_compiler.lowering.ops_elementwise import unary, unary_of_floats
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.nn.activations import sparse_plus, sparse_sigmoid, sparsemax

lower_each({"Relu": F.relu, "Relu6": F.relu6, "HardTanh": F.hardtanh}, unary)
lower_each(
    {
        "Sigmoid": torch.sigmoid, "Softplus": F.softplus, "Softsign": F.softsign, "Silu": F.silu,
        "LogSigmoid": F.logsigmoid, "HardSigmoid": F.hardsigmoid, "HardSilu": F.hardswish, "Selu": F.selu,
        "TanhShrink": F.tanhshrink,
    },
    unary_of_floats,
)  # fmt: skip


def _own(op: OpCall, function: Callable[..., Any], x: Proxy) -> Any:
    return op.call.function(function, op.as_float(x))


lower_each({"SparseSigmoid": sparse_sigmoid, "SparsePlus": sparse_plus}, _own)


def _with_argument(op: OpCall, function: tuple[Callable[..., Any], float], x: Proxy, **settings: float) -> Any:
    """Functions whose second argument is the operation's one setting; the default is torch's."""
    torch_function, default = function
    (value,) = settings.values()
    return torch_function(op.as_float(x), *([] if value == default else [value]))


lower_each(
    {
        "SoftShrink": (F.softshrink, 0.5), "HardShrink": (F.hardshrink, 0.5), "LeakyRelu": (F.leaky_relu, 0.01),
        "Elu": (F.elu, 1.0), "Celu": (F.celu, 1.0),
    },
    _with_argument,
)  # fmt: skip


@lowering
def Squareplus(op: OpCall, x: Proxy, *, b: float) -> Any:
    x = op.as_float(x)
    return (x + torch.sqrt(x**2 + b)) / 2


@lowering
def Gelu(op: OpCall, x: Proxy, *, approximate: bool) -> Any:
    return F.gelu(op.as_float(x), **({"approximate": "tanh"} if approximate else {}))


@lowering
def Threshold(op: OpCall, x: Proxy, *, threshold: float, default_value: float) -> Any:
    return F.threshold(x, threshold, default_value)


@lowering
def Glu(op: OpCall, x: Proxy, *, axis: int) -> Any:
    return F.glu(op.as_float(x), dim=axis)


def _along(op: OpCall, function: Callable[..., Any], x: Proxy, *, axis: Any) -> Any:
    x = op.as_float(x)
    if isinstance(axis, int):
        return function(x, dim=op.axis(axis))
    dims = tuple(range(op.rank(x))) if axis is None else op.axes(axis)
    logarithm = x - torch.logsumexp(x, dims, keepdim=True)
    return logarithm if function is F.log_softmax else torch.exp(logarithm)


lower_each({"Softmax": F.softmax, "LogSoftmax": F.log_softmax}, _along)


@lowering
def Sparsemax(op: OpCall, x: Proxy, *, axis: int) -> Any:
    return op.call.function(sparsemax, op.as_float(x), **({} if axis == -1 else {"dim": axis}))
