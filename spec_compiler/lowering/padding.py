"""Lowerings of `specs.layers.padding`."""

from __future__ import annotations

from typing import Any

from torch.nn import functional as F

from spec_compiler.lowering.call import Call
from spec_compiler.lowering.conv import flat_pads
from spec_compiler.lowering.table import lowers
from spec_compiler.specs.layers.padding import Cropping, Cropping1D, Reframed, ZeroPadding


@lowers(ZeroPadding)
def zero_padding(layer: ZeroPadding, call: Call, x: Any) -> Any:
    pads = _by_axis(layer, call)
    while pads and pads[0] == (0, 0):
        pads = pads[1:]
    return F.pad(x, flat_pads(pads)) if pads else x


@lowers(Cropping, Cropping1D)
def cropping(layer: Cropping | Cropping1D, call: Call, x: Any) -> Any:
    sides = _by_axis(layer, call)
    while sides and sides[-1] == (0, 0):
        sides.pop()
    cuts = [slice(-before or None, after or None) for before, after in sides]
    return x[(slice(None), *cuts)] if cuts else x


def _by_axis(layer: Reframed, call: Call) -> list[tuple[int, int]]:
    """What is added to each of torch's axes behind the batch axis."""
    rank = layer.rank + 2
    first = 2 if layer.channels_first else 1
    sides = {call.axis(first + i): pair for i, pair in enumerate(layer.sides)}
    return [sides.get(axis, (0, 0)) for axis in range(1, rank)]
