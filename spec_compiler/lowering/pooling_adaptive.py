"""Lowerings of `specs.layers.pooling_adaptive`."""

from __future__ import annotations

from typing import Any

from torch import nn

from spec_compiler.lowering.call import Call
from spec_compiler.lowering.conv import compact
from spec_compiler.lowering.expressions import ModuleExpr
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.lowering.table import lowers
from spec_compiler.specs.layers.pooling_adaptive import AdaptiveAveragePooling, AdaptiveMaxPooling, AdaptivePooling

MAX_POOL = {1: nn.AdaptiveMaxPool1d, 2: nn.AdaptiveMaxPool2d, 3: nn.AdaptiveMaxPool3d}
AVERAGE_POOL = {1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveAvgPool2d, 3: nn.AdaptiveAvgPool3d}


@lowers(AdaptiveAveragePooling)
def adaptive_average_pooling(layer: AdaptiveAveragePooling, call: Call, x: Proxy) -> Any:
    return _adaptive(layer, call, x, AVERAGE_POOL[layer.rank])


@lowers(AdaptiveMaxPooling)
def adaptive_max_pooling(layer: AdaptiveMaxPooling, call: Call, x: Proxy) -> Any:
    return _adaptive(layer, call, x, MAX_POOL[layer.rank])


def _adaptive(layer: AdaptivePooling, call: Call, x: Proxy, module: type[nn.Module]) -> Any:
    return call.module(ModuleExpr(module, compact(layer.output_size)))(x)
