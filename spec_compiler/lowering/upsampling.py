"""Lowerings of `specs.layers.upsampling`."""

from __future__ import annotations

from typing import Any

from torch import nn

from spec_compiler.lowering.call import Call
from spec_compiler.lowering.conv import compact
from spec_compiler.lowering.expressions import ModuleExpr
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.lowering.table import lowers
from spec_compiler.nn.upsampling import UpsampleByCorners
from spec_compiler.specs.layers.upsampling import UpSampling

LARGEST_NEAREST = 40
"""Beyond this factor torch's `nearest` misplaces elements: its float32 of 1 / 41 is less than 1 / 41."""


@lowers(UpSampling)
def upsampling(layer: UpSampling, call: Call, x: Proxy) -> Any:
    if not getattr(layer, "half_pixel_centers", True):
        return call.module(ModuleExpr(UpsampleByCorners, scale_factor=layer.factors))(x)
    mode = getattr(layer, "interpolation", "nearest")
    if mode == "nearest" and max(layer.factors) > LARGEST_NEAREST:
        mode = "nearest-exact"
    stated = {} if mode == "nearest" else {"mode": mode}
    return call.module(ModuleExpr(nn.Upsample, scale_factor=compact(layer.factors), **stated))(x)
