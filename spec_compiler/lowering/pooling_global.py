"""Lowerings of `specs.layers.pooling_global`."""

from __future__ import annotations

from typing import Any

import torch

from spec_compiler.lowering.call import Call
from spec_compiler.lowering.conv import compact
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.lowering.table import lowers
from spec_compiler.specs.layers.pooling_global import GlobalAveragePooling, GlobalAveragePooling1D, GlobalMaxPooling


@lowers(GlobalAveragePooling)
def global_average_pooling(layer: GlobalAveragePooling, call: Call, x: Proxy) -> Any:
    return x.mean(_axes(layer, call), **_keepdim(layer))


@lowers(GlobalAveragePooling1D)
def masked_average(layer: GlobalAveragePooling1D, call: Call, x: Proxy) -> Any:
    mask = call.mask
    if mask is None:
        return global_average_pooling(layer, call, x)
    (axis,) = layer.spatial_axes
    dim = call.axis(axis)
    weight = mask.unsqueeze(3 - dim)
    kept = torch.where(weight, x, 0)
    return kept.sum(dim, **_keepdim(layer)) / weight.sum(dim, **_keepdim(layer))


@lowers(GlobalMaxPooling)
def global_max_pooling(layer: GlobalMaxPooling, call: Call, x: Proxy) -> Any:
    return x.amax(_axes(layer, call), **_keepdim(layer))


def _axes(layer: GlobalAveragePooling | GlobalMaxPooling, call: Call) -> Any:
    return compact([call.axis(axis) for axis in layer.spatial_axes])


def _keepdim(layer: GlobalAveragePooling | GlobalMaxPooling) -> dict[str, Any]:
    return {"keepdim": True} if layer.keepdims else {}
