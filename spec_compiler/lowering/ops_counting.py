"""Lowerings of `specs.layers.ops_counting`."""

from __future__ import annotations

from typing import Any

import torch

from spec_compiler.lowering.expressions import differing
from spec_compiler.lowering.ops_call import OpCall, lowering
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.nn.ops_counting import bincount, unique
from spec_compiler.specs.layers.ops_types import array_of


@lowering
def Size(op: OpCall, x: Proxy) -> Any:
    return x.new_full((), x.numel(), dtype=torch.int32)


@lowering
def Nonzero(op: OpCall, x: Proxy) -> Any:
    places = op.parts(torch.nonzero(x, as_tuple=True))
    return tuple(place.to(torch.int32) for place in ((places,) if len(op.outputs) == 1 else places))


@lowering
def Bincount(op: OpCall, x: Proxy, *, weights: Any, minlength: int, sparse: bool) -> Any:
    stated = {} if weights is None else {"weights": op.cast(op.constant(array_of(weights)), op.dtype)}
    return op.call.function(bincount, x, **stated, **({"minlength": minlength} if minlength else {}))


@lowering
def Unique(
    op: OpCall, x: Proxy, *, sorted: bool, return_index: bool, return_inverse: bool, return_counts: bool,
    axis: int | None, size: int | None, fill_value: float | None,
) -> Any:  # fmt: skip
    stated = {
        "index": (return_index, False), "inverse": (return_inverse, False), "counts": (return_counts, False),
        "dim": (axis, None), "size": (size, None), "fill": (fill_value or 0, 0),
    }  # fmt: skip
    return op.parts(op.call.function(unique, x, **differing(stated)))
