"""Lowerings of `specs.layers.preprocessing`."""

from __future__ import annotations

from typing import Any

from torch.fx import Proxy

from spec_compiler.lowering.call import Call
from spec_compiler.lowering.expressions import ModuleExpr
from spec_compiler.lowering.table import lowers
from spec_compiler.nn import preprocessing as nn_preprocessing
from spec_compiler.specs.layers.preprocessing import Rescaling


@lowers(Rescaling)
def rescaling(layer: Rescaling, call: Call, x: Proxy) -> Any:
    scale, offset = layer.factors, layer.offsets
    x = call.floats(x)
    if isinstance(scale, list) or isinstance(offset, list):
        return call.module(ModuleExpr(nn_preprocessing.Rescaling, scale, *([offset] if offset else [])))(x)
    scaled = x if scale == 1 else x * scale
    return scaled + offset if offset else scaled
