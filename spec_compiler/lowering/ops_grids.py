"""Lowerings of `specs.layers.ops_grids`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from spec_compiler.lowering.expressions import differing
from spec_compiler.lowering.ops_call import OpCall, lower_each, lowering, torch_dtype
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.nn.ops import powers, spaced
from spec_compiler.specs.layers.ops_types import floating


def _from_diagonal(op: OpCall, function: Callable[..., Any], x: Proxy, *, k: int) -> Any:
    return function(x, **({"diagonal": k} if k else {}))


lower_each({"Tril": torch.tril, "Triu": torch.triu, "Diag": torch.diag}, _from_diagonal)


@lowering
def Diagflat(op: OpCall, x: Proxy, *, k: int) -> Any:
    return torch.diagflat(x, **differing({"offset": (k, 0)}))


@lowering
def Diagonal(op: OpCall, x: Proxy, *, offset: int, axis1: int, axis2: int) -> Any:
    return torch.diagonal(x, **differing({"offset": (offset, 0), "dim1": (axis1, 0), "dim2": (axis2, 1)}))


@lowering
def Full(op: OpCall, fill_value: Proxy, *, shape: Sequence[int], dtype: str | None) -> Any:
    value = op.cast(fill_value, op.dtype)
    return value.expand(*shape) if shape else value


@lowering
def Vander(op: OpCall, x: Proxy, *, N: int | None, increasing: bool) -> Any:
    count = {} if N is None else {"count": N}
    numbers = op.cast(x, "int32") if op.dtype == "bool" else x
    y = op.call.function(powers, numbers, **count, **({"increasing": True} if increasing else {}))
    return y.to(torch.bool) if op.dtype == "bool" else y


@lowering
def Meshgrid(op: OpCall, *x: Proxy, indexing: str) -> Any:
    rows = [one if op.rank(one) == 1 else one.flatten() for one in x]
    if len({one.dtype for one in op.outputs}) > 1:
        # torch's meshgrid wants one dtype.
        places = [1, 0, *range(2, len(rows))] if indexing == "xy" else range(len(rows))
        before = [(slice(None), *[None] * (len(rows) - 1 - place)) for place in places]
        spread = [row[key] for row, key in zip(rows, before, strict=True)]
        return op.parts(torch.broadcast_tensors(*spread))  # type: ignore[no-untyped-call]
    return op.parts(torch.meshgrid(*rows, indexing="ij" if len(rows) == 1 else indexing))


@lowering
def UnravelIndex(op: OpCall, indices: Proxy, *, shape: Sequence[int]) -> Any:
    places = [indices % shape[-1]]
    for i in range(len(shape) - 1, 0, -1):
        indices = indices // shape[i]
        places.append(indices % shape[i - 1])
    return tuple(reversed(places))


def _ends(op: OpCall, start: Any, stop: Any) -> tuple[Any, Any, str]:
    """Start and stop as tensors of one floating-point dtype."""
    like = start if isinstance(start, Proxy) else stop
    dtype = floating(*(op.type(end) if isinstance(end, Proxy) else end for end in (start, stop)))
    first, last = (op.cast(op.tensor(end, like, dtype), dtype) for end in (start, stop))
    return first, last, dtype


def _spaced(op: OpCall, start: Any, stop: Any, num: int, endpoint: bool) -> Any:
    return op.call.function(spaced, start, stop, num, **differing({"endpoint": (endpoint, True)}))


def _as_stated(op: OpCall, y: Any, dtype: str) -> Any:
    return y if dtype == op.dtype else y.to(torch_dtype(op.dtype))


@lowering
def Linspace(
    op: OpCall, start: Any, stop: Any, *, num: int, endpoint: bool, retstep: bool, dtype: str | None, axis: int
) -> Any:
    first, last, of = _ends(op, start, stop)
    y = _as_stated(op, _spaced(op, first, last, num, endpoint), of)
    count = num - 1 if endpoint else num
    return (y, _as_stated(op, (last - first) / (count or float("nan")), of)) if retstep else y


@lowering
def Logspace(
    op: OpCall, start: Any, stop: Any, *, num: int, endpoint: bool, base: float, dtype: str | None, axis: int
) -> Any:
    first, last, of = _ends(op, start, stop)
    return _as_stated(op, base ** _spaced(op, first, last, num, endpoint), of)


@lowering
def Geomspace(op: OpCall, start: Any, stop: Any, *, num: int, endpoint: bool, dtype: str | None, axis: int) -> Any:
    first, last, of = _ends(op, start, stop)
    exponents = _spaced(op, first.abs().log10(), last.abs().log10(), num, endpoint)
    return _as_stated(op, 10**exponents * first.sign(), of)
