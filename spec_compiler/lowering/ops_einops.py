"""Lowering of `specs.layers.ops_einops`."""

from __future__ import annotations

from typing import Any

from spec_compiler.lowering.ops_call import OpCall, lowering
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.specs.layers.ops_einops import arrangement


@lowering
def Rearrange(op: OpCall, tensor: Proxy, pattern: str, /, **axes_lengths: int) -> Any:
    found = arrangement(op.type(tensor).shape, pattern, axes_lengths)
    x: Any = tensor
    for dim, names in reversed(list(enumerate(found.given))):
        if len(names) > 1:
            x = x.unflatten(dim, tuple(-1 if found.lengths[name] is None else found.lengths[name] for name in names))
    if found.order != sorted(found.order):
        x = x.permute(*found.order)
    for dim, names in enumerate(found.wanted):
        if len(names) > 1:
            x = x.flatten(dim, dim + len(names) - 1)
    return x
