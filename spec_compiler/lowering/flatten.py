"""Lowering of `specs.layers.flatten`."""

from __future__ import annotations

from spec_compiler.lowering.call import Call
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.lowering.table import lowers
from spec_compiler.specs.layers.flatten import Flatten


@lowers(Flatten)
def flatten(layer: Flatten, call: Call, x: Proxy) -> Proxy:
    rank = len(call.shapes[0])
    if rank == 1:
        return x.unsqueeze(1)
    if layer.data_format == "channels_first" and rank > 2:
        x = x.movedim(1, -1)
    return x.flatten(1) if rank > 2 else x
