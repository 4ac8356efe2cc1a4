"""Lowerings of `specs.layers.conv_lstm`: the input's convolution for all steps at once, then a loop over time."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from spec_compiler.lowering.call import Call
from spec_compiler.lowering.conv import CONV, compact, kernel_axes, padded
from spec_compiler.lowering.expressions import ModuleExpr, differing
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.lowering.recurrent import activations_of, gate_rate, opened, several, steps_mask
from spec_compiler.lowering.table import lowers
from spec_compiler.lowering.weights import Rule
from spec_compiler.nn import activations as nn_activations
from spec_compiler.nn import recurrent as nn_recurrent
from spec_compiler.nn.activations import sparsemax
from spec_compiler.specs.layers.conv import effective_dilation
from spec_compiler.specs.layers.conv_lstm import ConvLSTM

_ALONG_AN_AXIS = (nn.Softmax, nn.LogSoftmax, sparsemax)


@lowers(ConvLSTM)
def conv_lstm(
    layer: ConvLSTM, call: Call, x: Proxy, initial_state: Any = None, *states: Proxy
) -> Proxy | tuple[Proxy, ...]:
    last = not layer.channels_first
    step = layer.of_step(call.shapes[0])
    dims = call.lengths(layer.spatial_dims(step))
    dilation = effective_dilation(dims, layer.dilation_rate, layer.padding)
    x = x.movedim(-1, 2) if last else x
    padding, x = padded(call, x, dims, layer.kernel_size, layer.strides, dilation, layer.padding)
    run = call.module(_expression(layer, step[layer.channel_axis], padding, dilation), _rules(layer))
    x, mask, start, keep = opened(layer, call, x, steps_mask(call), initial_state, *states)
    if start is not None and last:
        start = [state.movedim(-1, 1) for state in start]
    y, *finals = several(run(x, **call.given(states=start, mask_bt=mask)), 3)
    if layer.return_sequences:
        y = y.movedim(2, -1) if last else y
    else:
        y = finals[0] if mask is None else y[:, -1]
        y = y.movedim(1, -1) if last else y
        mask = None if mask is None else mask[:, -1]
    if layer.return_state or layer.stateful:
        finals = [state.movedim(1, -1) if last else state for state in finals]
    keep(finals)
    if mask is not None and layer.zero_output_for_mask:
        y = torch.where(mask[(..., *[None] * (layer.rank + 1))], y, 0.0)
    return (y, *finals) if layer.return_state else y


def _expression(layer: ConvLSTM, channels: int | None, padding: Any, dilation: tuple[int, ...]) -> ModuleExpr:
    conv, gates, size = CONV[layer.rank], layer.gates * layer.filters, compact(layer.kernel_size)
    kwargs = differing({
        "stride": (compact(layer.strides), 1),
        "padding": (padding, 0),
        "dilation": (compact(dilation), 1),
        "bias": (layer.use_bias, True),
    })  # fmt: skip
    beyond = activations_of(layer)
    if not layer.channels_first:
        beyond = {name: _along_channels(function) for name, function in beyond.items()}
    rates = {name: (gate_rate(getattr(layer, name)), 0) for name in ("dropout", "recurrent_dropout")}
    return ModuleExpr(
        nn_recurrent.ConvLSTM,
        ModuleExpr(conv, channels, gates, size, **kwargs),
        ModuleExpr(conv, layer.filters, gates, size, padding="same", bias=False),
        **beyond,
        **differing(rates),
    )


def _along_channels(function: Any) -> Any:
    kind = function.cls if isinstance(function, ModuleExpr) else function
    return ModuleExpr(nn_activations.AlongChannels, function) if kind in _ALONG_AN_AXIS else function


def _rules(layer: ConvLSTM) -> list[Rule]:
    axes = kernel_axes(layer.rank)
    return [
        Rule("kernel", "input.weight", axes=axes),
        Rule("recurrent_kernel", "recurrent.weight", axes=axes),
        Rule("bias", "input.bias"),
    ]
