"""Lowerings of `specs.layers.recurrent`: torch's fused kernels wherever those have the arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spec_compiler.lowering.activations import callable_of
from spec_compiler.lowering.call import Call, named, unpacked
from spec_compiler.lowering.expressions import ModuleExpr
from spec_compiler.lowering.initializers import draw, initialize
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.lowering.table import lowers
from spec_compiler.lowering.weights import Rule
from spec_compiler.nn import recurrent as nn_recurrent
from spec_compiler.nn import steps as nn_steps
from spec_compiler.specs.layers.recurrent import (
    BaseCell,
    ForgetBias,
    GRUCell,
    LSTMCell,
    RecurrentWeights,
    Sequence,
    SimpleRNNCell,
    VectorSequence,
)
from spec_compiler.specs.layers.recurrent_cells import StackedRNNCells
from spec_compiler.specs.shapes import require_dim

MODULES: dict[type[BaseCell], tuple[type[nn.Module], type[nn.Module]]] = {
    LSTMCell: (nn_recurrent.LSTM, nn_recurrent.LSTMLoop),
    GRUCell: (nn_recurrent.GRU, nn_recurrent.GRULoop),
    SimpleRNNCell: (nn_recurrent.SimpleRNN, nn_recurrent.SimpleRNNLoop),
}
"""For each cell, the module on torch's fused kernel, and the loop over time that has what the kernel lacks."""

USUAL = {"activation": "tanh", "recurrent_activation": "sigmoid"}
"""The activations that every recurrent module has where nothing else is stated."""

TORCH_GATES = (1, 0, 2)
"""torch's reset, update and new gate, by their places in Keras's update, reset, new."""


@draw.register
def forget_bias(
    init: ForgetBias, shape: tuple[int, ...], dtype: torch.dtype, generator: torch.Generator | None
) -> Tensor:
    bias = initialize(init.initializer, shape, dtype, generator)
    bias[init.units : 2 * init.units] = 1
    return bias


def rules_of(cell: BaseCell) -> list[Rule]:
    """Where torch has the cell's weights."""
    gates = TORCH_GATES if isinstance(cell, GRUCell) else None
    rules = [
        Rule("kernel", "weight_ih_l0", axes=(1, 0), gates=gates),
        Rule("recurrent_kernel", "weight_hh_l0", axes=(1, 0), gates=gates),
    ]
    if not cell.use_bias:
        return rules
    if len(cell.bias_shape) == 1:
        return [*rules, Rule("bias", "bias_ih_l0", gates=gates)]
    return [*rules, Rule("bias", "bias_ih_l0", gates=gates, row=0), Rule("bias", "bias_hh_l0", gates=gates, row=1)]


def expression(cell: BaseCell, n: int) -> ModuleExpr:
    """The cell run over steps of `n` features, as a module."""
    bias = {} if cell.use_bias else {"bias": False}
    beyond = beyond_kernel(cell)
    fused, loop = next(modules for cls, modules in MODULES.items() if isinstance(cell, cls))
    if fused is nn_recurrent.SimpleRNN and beyond == {"activation": F.relu}:
        return ModuleExpr(fused, n, cell.units, **bias, nonlinearity="relu")
    return ModuleExpr(loop if beyond else fused, n, cell.units, **bias, **beyond)


def beyond_kernel(cell: BaseCell) -> dict[str, Any]:
    """What of the cell torch's fused kernel does not do, as arguments of the loop."""
    found: dict[str, Any] = {} if getattr(cell, "reset_after", True) else {"reset_after": False}
    found |= activations_of(cell)
    if drops_by_gate(cell):
        rates = {"input_dropout": cell.dropout, "recurrent_dropout": cell.recurrent_dropout}
        return found | {name: gate_rate(rate) for name, rate in rates.items() if gate_rate(rate)}
    return found | ({"recurrent_dropout": cell.recurrent_dropout} if cell.recurrent_dropout else {})


def drops_by_gate(cell: BaseCell) -> bool:
    """Whether each gate drops elements of its own: where the state is dropped, Keras does so with the input too."""
    return cell.gates > 1 and cell.recurrent_dropout > 0


def gate_rate(rate: float) -> float:
    """The fraction of elements that a gate of its own drops: Keras's gates take a rate of 1 for none."""
    return 0.0 if rate == 1 else rate


def activations_of(layer: RecurrentWeights) -> dict[str, Any]:
    """The layer's activations that are not the usual ones, as arguments of a module."""
    stated = {name: getattr(layer, name, usual) for name, usual in USUAL.items()}
    return {name: callable_of(activation) for name, activation in stated.items() if activation != USUAL[name]}


def of_other_dtypes(call: Call) -> bool:
    """Whether some of the layer's cells compute in another dtype than the layer."""
    layer = call.node.layer
    cells = layer.flat() if isinstance(layer, StackedRNNCells) else getattr(layer, "cells", ())
    return any(cell is not layer and cell.compute_dtype != call.compute_dtype for cell in cells)


def declared(call: Call, cell: BaseCell, n: int, name: str = "") -> Callable[..., tuple[Proxy, ...]]:
    """The cell's module for steps of `n` features: a function from the steps to their outputs and the final states."""
    expr = expression(cell, n)
    rules = [replace(rule, variable=f"{name}/{rule.variable}") if name else rule for rule in rules_of(cell)]
    dtype = call.compute_dtype if cell is call.node.layer else cell.compute_dtype
    run = call.module(expr, rules, name, computes_in=dtype, owner=cell)
    drop = None
    if cell.dropout and not drops_by_gate(cell):
        drop = call.module(ModuleExpr(nn.Dropout1d, cell.dropout), name=f"{name}.drop" if name else "drop")

    def over(x: Proxy, states: list[Proxy] | None = None, **kwargs: Any) -> Any:
        if of_other_dtypes(call):
            x = x.to(getattr(torch, dtype))
            states = states and [state.to(getattr(torch, dtype)) for state in states]
        if drop is not None and call.training is not False:
            # Dropout1d drops whole channels of (batch, channels, steps): a feature at every step.
            x = drop(x.transpose(1, 2)).transpose(1, 2)
        y, *finals = unpacked(run(x, **call.given(states=states, **kwargs)), 1 + cell.states)
        return y, *map(named, finals, ("h", "c"))

    return over


@lowers(BaseCell, StackedRNNCells)
def cell_step(layer: BaseCell | StackedRNNCells, call: Call, x: Proxy, states: Any) -> tuple[Proxy, ...]:
    cells = list(layer.flat()) if isinstance(layer, StackedRNNCells) else [layer]
    n, start = require_dim(call.shapes[0], -1, type(layer).__name__), flat(states)
    finals: list[Proxy] = []
    x = x.unsqueeze(1)
    for i, cell in enumerate(cells):
        own, start = start[: cell.states], start[cell.states :]
        x, *final = declared(call, cell, n, f"cell_{i}" if len(cells) > 1 else "")(x, states=own)
        n, finals = cell.units, finals + final
    outputs = (x[:, 0], *finals)
    return tuple(map(call.cast, outputs)) if of_other_dtypes(call) else outputs


@lowers(VectorSequence)
def sequence(
    layer: VectorSequence, call: Call, x: Proxy, initial_state: Any = None, *states: Proxy
) -> Proxy | tuple[Proxy, ...]:
    cells, sizes = (
        layer.cells,
        [require_dim(call.shapes[0], -1, type(layer).__name__), *(cell.units for cell in layer.cells)],
    )
    names = [f"cell_{i}" if len(cells) > 1 else "" for i in range(len(cells))]
    runs = [declared(call, *each) for each in zip(cells, sizes, names, strict=False)]
    mask = steps_mask(call)
    if layer.time_major:
        x, mask = x.transpose(0, 1), None if mask is None else mask.transpose(0, 1)
    x, mask, start, keep = opened(layer, call, x, mask, initial_state, *states)
    y, finals = over_steps(layer, call, x, mask, start, runs)
    if of_other_dtypes(call):
        y, finals = call.cast(y), [call.cast(state) for state in finals]
    keep(finals)
    if layer.time_major and layer.return_sequences:
        y = y.transpose(0, 1)
    return (y, *finals) if layer.return_state else y


def opened(
    layer: Sequence, call: Call, x: Proxy, mask: Proxy | None, initial_state: Any, *states: Proxy
) -> tuple[Proxy, Proxy | None, list[Proxy] | None, Callable[[list[Proxy]], None]]:
    """The steps and their mask in the order they are taken, the states to start from, and what keeps the final ones.

    No states to start from are zeros.
    """
    start = None if initial_state is None else flat([initial_state, *states])

    def keep(finals: list[Proxy]) -> None:
        if layer.stateful:
            kept(*finals)

    if layer.stateful:
        shapes = layer.kept_shapes(call.shapes[0])
        states_in = getattr(torch, layer.compute_dtype)
        kept = call.module(ModuleExpr(nn_steps.States, *shapes).to(states_in), name="states")
        start = start or several(kept(), len(shapes))
    if layer.go_backwards:
        x = named(x.flip(1), "reversed_steps")
        mask = None if mask is None else named(mask.flip(1), "reversed_mask")
    return x, mask, start, keep


def over_steps(
    layer: VectorSequence,
    call: Call,
    x: Proxy,
    mask: Proxy | None,
    start: list[Proxy] | None,
    runs: list[Callable[..., Any]],
) -> tuple[Proxy, list[Proxy]]:
    """The output, and the final states where the layer keeps or returns them."""
    finals: list[Proxy] = []
    wanted = layer.return_state or layer.stateful
    if mask is not None:
        compacted = several(call.function(nn_steps.compact, x, mask), 3)
        x, place, past = map(named, compacted, ("steps", "place", "past"))
        last = None
    for cell, run in zip(layer.cells, runs, strict=True):
        own = None if start is None else start[len(finals) : len(finals) + cell.states]
        x, *final = run(x, states=own, past_bt=past if mask is not None and wanted and cell.states > 1 else None)
        if mask is not None:
            named(x, "steps")
        if mask is not None and wanted:
            last = call.function(nn_steps.last, x, place)
            final[0] = named(last if own is None else torch.where(place[:, -1:] >= 0, last, own[0]), "h")
        finals += final
    if mask is None:
        return x if layer.return_sequences else finals[-layer.cells[-1].states], finals
    if layer.return_sequences:
        y = call.function(nn_steps.spread, x, place)
        return torch.where(mask.unsqueeze(-1), y, 0.0) if layer.zero_output_for_mask else y, finals
    y = call.function(nn_steps.last, x, place) if last is None else last
    return torch.where(mask[:, -1:], y, 0.0) if layer.zero_output_for_mask else y, finals


def steps_mask(call: Call) -> Proxy | None:
    """The mask of the steps."""
    # Where states are given beside the sequence, in a list or by name, Keras 3 does not see the sequence's own mask.
    node = call.node
    if node.layer.keras2_masks:
        return call.mask
    beside = "initial_state" in node.kwargs or any(isinstance(arg, (list, tuple)) for arg in node.args[1:])
    return None if beside and "mask" not in node.kwargs else call.mask


def flat(states: Any) -> list[Proxy]:
    """The states in `states`: one, or lists of them as cells nest them."""
    if isinstance(states, (list, tuple)):
        return [state for item in states for state in flat(item)]
    return [states]


def several(result: Proxy, n: int) -> list[Proxy]:
    """The `n` tensors of a step that returns a sequence of them, even of one."""
    return [result[0]] if n == 1 else list(unpacked(result, n))
