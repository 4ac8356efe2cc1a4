"""Lowerings of `specs.layers.activation`."""

from __future__ import annotations

from typing import Any

import torch

from spec_compiler.ir import Value
from spec_compiler.lowering.call import Call
from spec_compiler.lowering.expressions import ModuleExpr
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.lowering.table import lowers
from spec_compiler.lowering.weights import Rule
from spec_compiler.nn import activation as nn_activation
from spec_compiler.specs.layers.activation import ActivationLayer, PReLU, Softmax, shared_shape

# What Keras puts in a masked element's place before the softmax.
_MASKED = {"float16": -3e4}


@lowers(ActivationLayer)
def activation_layer(layer: ActivationLayer, call: Call, x: Proxy) -> Any:
    return call.activate(layer, x)


@lowers(Softmax)
def softmax(layer: Softmax, call: Call, x: Proxy) -> Any:
    mask = call.mask
    if mask is None:
        return call.activate(layer, x)
    explicit = call.node.kwargs.get("mask")
    if isinstance(explicit, Value):
        mask = call.proxy(explicit)
        mask = mask if explicit.dtype == "bool" else mask > 0.5
    else:
        # A mask that came with the input says which steps count, and has no axis of features.
        mask = mask.unsqueeze(call.axis(-1))
    masked = torch.where(mask, x, _MASKED.get(layer.compute_dtype, -1e9))
    if layer.keras2_masks:
        # Where every element is masked, they come out alike, not as zeros.
        return call.activate(layer, masked)
    return torch.where(mask, call.activate(layer, masked), 0.0)


def elementwise_weights(
    call: Call, shape: tuple[int, ...], parameters: dict[str, str]
) -> tuple[tuple[int, ...], list[Rule]]:
    """The shape that weights of an element each have in the input's layout, and their rules: Keras's name -> torch's."""
    axes = None
    if call.channels_first:
        axes = (len(shape) - 1, *range(len(shape) - 1))
        shape = tuple(shape[axis] for axis in axes)
    return shape, [Rule(variable, parameter, axes=axes) for variable, parameter in parameters.items()]


@lowers(PReLU)
def prelu(layer: PReLU, call: Call, x: Proxy) -> Any:
    stated = shared_shape(call.shapes[0], layer.shared_axes, "PReLU")
    shape, rules = elementwise_weights(call, stated, {"alpha": "weight"})
    return call.module(ModuleExpr(nn_activation.PReLU, shape), rules)(x)
