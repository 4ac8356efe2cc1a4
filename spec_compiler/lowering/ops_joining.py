"""Lowerings of `specs.layers.ops_joining`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from spec_compiler.lowering.ops_call import OpCall, lower_each, lowering
from spec_compiler.lowering.proxy import Proxy


def _alike(op: OpCall, xs: list[Proxy]) -> list[Proxy]:
    return [op.cast(x, op.dtype) for x in xs]


def _dim(axis: int) -> dict[str, Any]:
    return {"dim": axis} if axis else {}


@lowering
def Concatenate(op: OpCall, xs: list[Proxy], *, axis: int) -> Any:
    return torch.cat(_alike(op, xs), **_dim(op.axis(axis)))


@lowering
def Append(op: OpCall, x1: Proxy, x2: Proxy, *, axis: int | None) -> Any:
    xs = _alike(op, [x1, x2])
    return torch.cat([x.flatten() for x in xs]) if axis is None else torch.cat(xs, **_dim(axis))


@lowering
def Stack(op: OpCall, x: list[Proxy], *, axis: int) -> Any:
    return torch.stack(_alike(op, x), **_dim(axis))


def _stacked(op: OpCall, function: Callable[..., Any], xs: list[Proxy]) -> Any:
    return function(_alike(op, xs))


lower_each({"Hstack": torch.hstack, "Vstack": torch.vstack, "Dstack": torch.dstack}, _stacked)


def _split(op: OpCall, x: Proxy, places: Any, axis: int) -> Any:
    if isinstance(places, int):
        return op.parts(torch.chunk(x, places, **_dim(axis)))
    return op.parts(torch.tensor_split(x, tuple(places), **_dim(axis)))


@lowering
def Split(op: OpCall, x: Proxy, *, indices_or_sections: Any, axis: int) -> Any:
    return _split(op, x, indices_or_sections, axis)


@lowering
def Hsplit(op: OpCall, x: Proxy, *, indices_or_sections: Any) -> Any:
    return _split(op, x, indices_or_sections, min(1, op.rank(x) - 1))


@lowering
def Vsplit(op: OpCall, x: Proxy, *, indices_or_sections: Any) -> Any:
    return _split(op, x, indices_or_sections, 0)


@lowering
def Dsplit(op: OpCall, x: Proxy, *, indices_or_sections: Any) -> Any:
    return _split(op, x, indices_or_sections, 2)


@lowering
def ArraySplit(op: OpCall, x: Proxy, *, indices_or_sections: int, axis: int) -> Any:
    return op.parts(torch.tensor_split(x, indices_or_sections, **_dim(axis)))


@lowering
def Unstack(op: OpCall, x: Proxy, *, num: int | None, axis: int) -> Any:
    return op.parts(torch.unbind(x, **_dim(axis)))
