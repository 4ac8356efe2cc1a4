"""Lowerings of `specs.layers.applications`."""

from __future__ import annotations

from typing import Any

from spec_compiler.lowering.call import Call
from spec_compiler.lowering.expressions import ModuleExpr
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.lowering.table import lowers
from spec_compiler.lowering.weights import Rule
from spec_compiler.nn.applications import LayerScale as ScaleModule
from spec_compiler.specs.layers.applications import CustomScaleLayer, LayerScale


@lowers(LayerScale)
def layer_scale(layer: LayerScale, call: Call, x: Proxy) -> Any:
    return call.module(ModuleExpr(ScaleModule, layer.projection_dim), [Rule("variable", "weight")])(x)


@lowers(CustomScaleLayer)
def custom_scale(layer: CustomScaleLayer, call: Call, inputs: list[Proxy]) -> Any:
    a, b = inputs
    return a + b * layer.scale
