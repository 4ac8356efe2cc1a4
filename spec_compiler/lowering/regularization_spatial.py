"""Lowerings of `specs.layers.regularization_spatial`."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn import functional as F

from spec_compiler.lowering.call import Call
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.lowering.regularization import stock
from spec_compiler.lowering.table import lowers
from spec_compiler.specs.layers.regularization_spatial import SpatialDropout

SPATIAL = {1: (nn.Dropout1d, F.dropout1d), 2: (nn.Dropout2d, F.dropout2d), 3: (nn.Dropout3d, F.dropout3d)}


@lowers(SpatialDropout)
def spatial_dropout(layer: SpatialDropout, call: Call, x: Proxy) -> Any:
    return stock(call, x, layer.rate, *SPATIAL[layer.rank])
