"""Lowerings of `specs.layers.normalization_norms`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from spec_compiler.lowering.call import Call, InnerCall
from spec_compiler.lowering.expressions import ModuleExpr
from spec_compiler.lowering.normalization import eps_of
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.lowering.table import lowers, lowers_mask, mask_lowering_of
from spec_compiler.lowering.weights import Rule, under
from spec_compiler.nn import normalization as nn_normalization
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.layers.normalization_norms import RMSNormalization, SpectralNormalization, UnitNormalization


@lowers(RMSNormalization)
def rms_normalization(layer: RMSNormalization, call: Call, x: Proxy) -> Any:
    dims = tuple(call.shapes[0][axis] for axis in layer.axes(call.shapes[0]))
    size = dims[0] if len(dims) == 1 else dims
    return call.module(ModuleExpr(nn.RMSNorm, size, eps=eps_of(layer)), [Rule("scale", "weight")])(x)


@lowers(UnitNormalization)
def unit_normalization(layer: UnitNormalization, call: Call, x: Proxy) -> Any:
    axes: Any = tuple(call.axis(axis) for axis in layer.axes)
    return F.normalize(x, dim=axes[0] if len(axes) == 1 else axes)


class _Normalized(InnerCall):
    """The call of the layer inside, whose module is put into a SpectralNorm."""

    def copies(self, layer: LayerSpec) -> bool:
        return False  # SpectralNorm makes them, where it changes the weights

    def place(self, expr: ModuleExpr, rules: Sequence[Rule], name: str) -> Callable[..., Any]:
        kernel = next(rule for rule in rules if rule.variable in ("kernel", "embeddings"))
        spec = self.outer.node.layer
        assert isinstance(spec, SpectralNormalization)
        vector = spec.variables(*self.outer.shapes)[1]
        kwargs: dict[str, Any] = {}
        if kernel.axes is not None:
            kwargs["axes"] = tuple(kernel.axes.index(i) for i in range(len(kernel.axes)))
        if spec.power_iterations != 1:
            kwargs["power_iterations"] = spec.power_iterations
        whole = ModuleExpr(nn_normalization.SpectralNorm, expr, vector.shape[-1], **kwargs)
        whole = whole.to(getattr(torch, spec.layer.variable_dtype))
        module = self.outer.place(whole, [Rule("vector_u", "vector_u"), *under("layer", list(rules))], name)
        return partial(module, **self.outer.steps_told())


@lowers(SpectralNormalization)
def spectral_normalization(layer: SpectralNormalization, call: Call, x: Proxy) -> Any:
    y: Any = _Normalized(call, layer.layer, "layer", call.shapes[0], call.mask, {}).lower(x)
    return y if layer.layer.compute_dtype == call.compute_dtype else call.cast(y)


@lowers_mask(SpectralNormalization)
def spectral_normalization_mask(layer: SpectralNormalization, call: Call, x: Proxy) -> Any:
    return mask_lowering_of(type(layer.layer))(layer.layer, call, x)
