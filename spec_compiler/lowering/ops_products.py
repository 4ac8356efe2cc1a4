"""Lowerings of `specs.layers.ops_products`."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F

from spec_compiler.lowering.call import unpacked
from spec_compiler.lowering.expressions import differing
from spec_compiler.lowering.ops_call import OpCall, lower_each, lowering, torch_dtype
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.nn.ops import summable
from spec_compiler.specs.layers.ops_products import contracted_axes


def product(op: OpCall, function: Callable[..., Any], x1: Proxy, x2: Proxy) -> Any:
    """`function` of operands brought to the output's dtype; booleans are multiplied as numbers."""
    dtype = "float32" if op.dtype == "bool" else op.dtype
    y = function(op.cast(x1, dtype), op.cast(x2, dtype))
    return y.to(torch.bool) if op.dtype == "bool" else y


def contraction(op: OpCall, function: Callable[..., Any], *operands: Proxy) -> Any:
    """The same, where products are summed: torch has none of whole numbers on CUDA."""
    dtype = "float32" if op.dtype == "bool" else op.dtype
    cast = [op.cast(x, dtype) for x in operands]
    if "int" not in dtype:
        y = function(*cast)
        return y.to(torch.bool) if op.dtype == "bool" else y
    y = function(*(op.call.function(summable, x) for x in cast))
    # What does not fit goes round, as whole numbers do.
    y = y.to(torch.int64)
    return y if dtype == "int64" else y.to(torch_dtype(dtype))


def _kron(a: Proxy, b: Proxy) -> Any:
    # torch's goes wrong where axes were permuted.
    return torch.kron(a.contiguous(), b.contiguous())


lower_each({"Kron": _kron}, product)
lower_each({"Matmul": operator.matmul, "Inner": torch.inner}, contraction)


@lowering
def Dot(op: OpCall, x1: Proxy, x2: Proxy) -> Any:
    ranks = op.rank(x1), op.rank(x2)
    if 0 in ranks:
        return product(op, operator.mul, x1, x2)
    if max(ranks) <= 2:
        return contraction(op, operator.matmul, x1, x2)
    return contraction(op, lambda a, b: torch.tensordot(a, b, ([ranks[0] - 1], [max(ranks[1] - 2, 0)])), x1, x2)


def _row(op: OpCall, x: Proxy) -> Any:
    return x if op.rank(x) == 1 else op.typed(x.flatten(), op.type(x))


@lowering
def Vdot(op: OpCall, x1: Proxy, x2: Proxy) -> Any:
    return contraction(op, torch.vdot if op.dtype == "complex64" else torch.dot, _row(op, x1), _row(op, x2))


@lowering
def Outer(op: OpCall, x1: Proxy, x2: Proxy) -> Any:
    return product(op, torch.outer, _row(op, x1), _row(op, x2))


@lowering
def Cross(op: OpCall, x1: Proxy, x2: Proxy, *, axisa: int, axisb: int, axisc: int, axis: int | None) -> Any:
    dim = axisc if axis is None else axis
    stated = differing({"dim": (dim, -1)})
    if op.rank(x1) != op.rank(x2):
        # torch stretches only what has as many axes.
        types = op.type(x1), op.type(x2)
        stretched = unpacked(torch.broadcast_tensors(x1, x2), 2)  # type: ignore[no-untyped-call]
        x1, x2 = (op.typed(x, of) for x, of in zip(stretched, types, strict=True))
    return product(op, lambda a, b: torch.linalg.cross(a, b, **stated), x1, x2)


@lowering
def Tensordot(op: OpCall, x1: Proxy, x2: Proxy, *, axes: Any) -> Any:
    dims = contracted_axes(axes, op.rank(x1), op.rank(x2))
    stated = axes if isinstance(axes, int) else tuple(map(list, dims))
    return contraction(op, lambda a, b: torch.tensordot(a, b, stated), x1, x2)


@lowering
def Einsum(op: OpCall, *operands: Proxy, subscripts: str) -> Any:
    return contraction(op, lambda *xs: torch.einsum(subscripts, *xs), *operands)


@lowering
def CDist(op: OpCall, x: Proxy, y: Proxy) -> Any:
    x, y = op.cast(x, op.dtype), op.cast(y, op.dtype)
    return (x.unsqueeze(-2) - y.unsqueeze(-3)).square().sum(-1).sqrt()


@lowering
def Correlate(op: OpCall, x1: Proxy, x2: Proxy, *, mode: str) -> Any:
    x1, x2 = op.cast(x1, op.dtype), op.cast(x2, op.dtype)
    n, m = op.type(x1).shape[0], op.type(x2).shape[0]
    assert m is not None
    shorter = n is not None and n < m
    padding = differing({"padding": (m - 1 if mode != "valid" or shorter else 0, 0)})
    y = F.conv1d(x1.view(1, 1, -1), x2.view(1, 1, -1), **padding).view(-1)
    if mode == "full":
        return y
    if shorter:
        # numpy exchanges the two and turns the result around.
        assert n is not None
        return y.narrow(0, n // 2, m) if mode == "same" else y.narrow(0, n - 1, m - n + 1)
    return y.narrow(0, (m - 1) // 2, x1.size(0)) if mode == "same" else y
