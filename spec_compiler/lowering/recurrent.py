"""Lowerings of `specs.layers.recurrent`."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.fx import Proxy

from spec_compiler.lowering.call import Call
from spec_compiler.lowering.expressions import ModuleExpr
from spec_compiler.lowering.initializers import draw, initialize
from spec_compiler.lowering.table import lowers
from spec_compiler.lowering.weights import Rule
from spec_compiler.nn import recurrent as nn_recurrent
from spec_compiler.specs.layers.recurrent import LSTM, ForgetBias

RECURRENT = [
    Rule("kernel", "weight_ih_l0", axes=(1, 0)),
    Rule("recurrent_kernel", "weight_hh_l0", axes=(1, 0)),
    Rule("bias", "bias_ih_l0"),
]


@draw.register
def forget_bias(
    init: ForgetBias, shape: tuple[int, ...], dtype: torch.dtype, generator: torch.Generator | None
) -> Tensor:
    bias = initialize(init.initializer, shape, dtype, generator)
    bias[init.units : 2 * init.units] = 1
    return bias


def expression(layer: LSTM, n: int) -> ModuleExpr:
    """The layer as a module over `n` features; only what differs from the module's defaults is stated."""
    stated = {
        "bias": layer.use_bias,
        "return_sequences": layer.return_sequences,
        "return_state": layer.return_state,
        "go_backwards": layer.go_backwards,
        "zero_output_for_mask": layer.zero_output_for_mask,
    }
    defaults = {"bias": True}
    kwargs = {key: value for key, value in stated.items() if value != defaults.get(key, False)}
    return ModuleExpr(nn_recurrent.LSTM, n, layer.units, **kwargs)


@lowers(LSTM)
def lstm(layer: LSTM, call: Call, x: Proxy, initial_state: list[Proxy] | None = None) -> Proxy | tuple[Proxy, ...]:
    run = call.module(expression(layer, call.shapes[0][-1]), RECURRENT)
    return call.outputs(run(x, **call.given(mask_bt=call.mask, initial_state=initial_state)))
