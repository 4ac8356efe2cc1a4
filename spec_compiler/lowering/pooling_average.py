"""Lowerings of `specs.layers.pooling_average`."""

from __future__ import annotations

from typing import Any

from torch import nn

from spec_compiler.lowering.call import Call
from spec_compiler.lowering.pooling import pool
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.lowering.table import lowers
from spec_compiler.nn import pooling as nn_pooling
from spec_compiler.specs.layers.pooling_average import AveragePooling

AVERAGE_POOL = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}


@lowers(AveragePooling)
def average_pooling(layer: AveragePooling, call: Call, x: Proxy) -> Any:
    # torch's kernel for volumes knows no half precision outside a GPU.
    half = layer.rank == 3 and call.compute_dtype in ("float16", "bfloat16")
    y = pool(layer, call, x.float() if half else x, AVERAGE_POOL[layer.rank], nn_pooling.same_average_pool)
    return call.cast(y) if half else y
