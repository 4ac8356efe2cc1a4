"""Lowerings of `specs.layers.locally_connected`."""

from __future__ import annotations

from typing import Any

from spec_compiler.lowering.call import Call
from spec_compiler.lowering.expressions import ModuleExpr, differing
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.lowering.table import lowers
from spec_compiler.lowering.weights import Rule
from spec_compiler.nn import locally_connected as nn_locally_connected
from spec_compiler.specs.layers.locally_connected import LocallyConnected
from spec_compiler.specs.shapes import require_dim

_BY_ELEMENT = {2: nn_locally_connected.MaskedConnections, 3: nn_locally_connected.ListedConnections}


@lowers(LocallyConnected)
def locally_connected(layer: LocallyConnected, call: Call, x: Proxy) -> Any:
    expr, rules = _by_place(layer, call) if layer.implementation == 1 else _by_element(layer, call)
    return call.activate(layer.activation, call.module(expr, rules)(x))


def _by_place(layer: LocallyConnected, call: Call) -> tuple[ModuleExpr, list[Rule]]:
    """A kernel a place: torch has (*places, filters, channels, *kernel_size)."""
    shape, rank = call.shapes[0], layer.rank
    places, window = layer.places(shape), layer.kernel_size
    channels = require_dim(shape, layer.channel_axis, type(layer).__name__)
    bias = differing({"bias": (layer.use_bias, True)})
    sizes = (places, channels, layer.filters, window, layer.strides)
    expr = ModuleExpr(nn_locally_connected.LocallyConnected, *sizes, **bias)
    at, sides = range(rank), range(rank, 2 * rank)
    if not layer.channels_first:
        axes = (*at, 2 * rank + 1, 2 * rank, *sides)
        kernel = Rule("kernel", "weight", shape=(*places, *window, channels, layer.filters), axes=axes)
        return expr, [kernel, Rule("bias", "bias", axes=(rank, *at))]
    axes = (*at, 2 * rank + 1, rank, *(side + 1 for side in sides))
    kernel = Rule("kernel", "weight", shape=(*places, channels, *window, layer.filters), axes=axes)
    return expr, [kernel, _reshaped_bias(layer, places)]


def _by_element(layer: LocallyConnected, call: Call) -> tuple[ModuleExpr, list[Rule]]:
    """Weights between elements, which both stand in Keras's order."""
    shape = call.shapes[0]
    places = layer.places(shape)
    out = layer.with_dims(shape, places, layer.filters)
    kwargs = differing({
        "same": (layer.padding == "same", False),
        "channels_first": (layer.channels_first, False),
        "bias": (layer.use_bias, True),
    })  # fmt: skip
    cls = _BY_ELEMENT[layer.implementation]
    expr = ModuleExpr(cls, shape[1:], out[1:], layer.kernel_size, layer.strides, **kwargs)
    bias = _reshaped_bias(layer, places) if layer.channels_first else Rule("bias", "bias")
    return expr, [Rule("kernel", "weight"), bias]


def _reshaped_bias(layer: LocallyConnected, places: tuple[int, ...]) -> Rule:
    # Keras reshapes the bias (*places, filters) to (filters, *places), where one would have permuted it.
    return Rule("bias", "bias", shape=(layer.filters, *places))
