"""Lowerings of `specs.layers.ops_linalg`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F

from spec_compiler.lowering.expressions import differing
from spec_compiler.lowering.ops_call import OpCall, lower_each, lowering, torch_dtype
from spec_compiler.lowering.ops_reductions import dims_of
from spec_compiler.lowering.proxy import Proxy


def _of_matrix(op: OpCall, function: Callable[..., Any], x: Proxy) -> Any:
    return function(x)


def _several(op: OpCall, function: Callable[..., Any], x: Proxy) -> Any:
    return op.call.outputs(function(x))


lower_each({"Inv": torch.linalg.inv, "Det": torch.linalg.det, "Logdet": torch.logdet}, _of_matrix)
lower_each({"Eigh": torch.linalg.eigh, "Slogdet": torch.linalg.slogdet}, _several)


def _triangle(op: OpCall, function: Callable[..., Any], x: Proxy, *, upper: bool) -> Any:
    return function(x, **({"upper": True} if upper else {}))


lower_each({"Cholesky": torch.linalg.cholesky, "CholeskyInverse": torch.cholesky_inverse}, _triangle)


@lowering
def Eig(op: OpCall, x: Proxy) -> Any:
    # Of float64 they would be complex128, which Keras does not speak of.
    return op.call.outputs(torch.linalg.eig(op.cast(x, "float32") if op.type(x).dtype == "float64" else x))


@lowering
def LuFactor(op: OpCall, x: Proxy) -> Any:
    both, pivots = op.call.outputs(torch.linalg.lu_factor(x))
    # torch counts rows from 1.
    return both, pivots - 1


@lowering
def Qr(op: OpCall, x: Proxy, *, mode: str) -> Any:
    return op.call.outputs(torch.linalg.qr(x, **({} if mode == "reduced" else {"mode": mode})))


@lowering
def SVD(op: OpCall, x: Proxy, *, full_matrices: bool, compute_uv: bool) -> Any:
    if not compute_uv:
        return torch.linalg.svdvals(x)
    return op.call.outputs(torch.linalg.svd(x, **({} if full_matrices else {"full_matrices": False})))


@lowering
def Solve(op: OpCall, a: Proxy, b: Proxy) -> Any:
    if op.rank(b) == op.rank(a):
        return torch.linalg.solve(a, b)
    return torch.linalg.solve(a, b.unsqueeze(-1)).squeeze(-1)


@lowering
def SolveTriangular(op: OpCall, a: Proxy, b: Proxy, *, lower: bool) -> Any:
    if op.rank(b) == op.rank(a):
        return torch.linalg.solve_triangular(a, b, upper=not lower)
    return torch.linalg.solve_triangular(a, b.unsqueeze(-1), upper=not lower).squeeze(-1)


@lowering
def Lstsq(op: OpCall, a: Proxy, b: Proxy, *, rcond: float | None) -> Any:
    if rcond is not None:
        # torch's lstsq heeds it on the CPU alone.
        return torch.linalg.pinv(a, rtol=rcond) @ b
    if op.rank(b) == 2:
        return torch.linalg.lstsq(a, b).solution
    return torch.linalg.lstsq(a, b.unsqueeze(-1)).solution.squeeze(-1)


@lowering
def MatrixRank(op: OpCall, x: Proxy, *, tol: float | None) -> Any:
    return torch.linalg.matrix_rank(x, **({} if tol is None else {"atol": tol})).to(torch.int32)


@lowering
def Pinv(op: OpCall, x: Proxy, *, rcond: float | None) -> Any:
    return torch.linalg.pinv(x, **({} if rcond is None else {"rtol": rcond}))


@lowering
def Norm(op: OpCall, x: Proxy, *, ord: Any, axis: Any, keepdims: bool) -> Any:
    stated = {**({} if ord is None else {"ord": ord}), **({} if axis is None else {"dim": axis})}
    return torch.linalg.norm(op.as_float(x), **stated, **({"keepdim": True} if keepdims else {}))


@lowering
def Normalize(op: OpCall, x: Proxy, *, axis: Any, order: int, epsilon: float | None) -> Any:
    x, eps = op.as_float(x), 1e-07 if epsilon is None else epsilon
    dims = dims_of(op, x, axis)
    dim: Any = dims[0] if len(dims) == 1 else dims
    # Over several axes, 2 is the root of the sum of squares, 1 the norm of matrices.
    if order == 2 or len(dims) == 1:
        return F.normalize(x, dim=dim, eps=eps, **differing({"p": (order, 2)}))
    return x / torch.linalg.norm(x, order, dim, keepdim=True).clamp(min=eps)


@lowering
def Trace(op: OpCall, x: Proxy, *, offset: int, axis1: int, axis2: int) -> Any:
    diagonal = torch.diagonal(x, **differing({"offset": (offset, 0), "dim1": (axis1, 0), "dim2": (axis2, 1)}))
    dtype = None if "float" in op.dtype else torch_dtype(op.dtype)
    return diagonal.sum(-1, **op.call.given(dtype=dtype))
