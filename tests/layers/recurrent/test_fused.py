"""Where recurrent layers run on torch's fused kernels: Python calls torch as often for many steps as for few."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from spec_compiler import Input, layers
from spec_compiler.lowering.lower import lower
from spec_compiler.models import Model

LSTM, GRU, SimpleRNN = layers.LSTM, layers.GRU, layers.SimpleRNN
CLASSES = [LSTM, GRU, SimpleRNN]

ARGUMENTS: list[dict[str, Any]] = [
    {},
    {"use_bias": False},
    {"return_sequences": True, "return_state": True},
    {"go_backwards": True, "unroll": True},
    {"dropout": 0.3},
    {"stateful": True},
    {"return_sequences": True, "zero_output_for_mask": True},
]

FUSED: dict[str, Any] = {
    **{f"{cls.__name__}({args})": lambda cls=cls, args=args: cls(4, **args) for cls in CLASSES for args in ARGUMENTS},
    "SimpleRNN(relu)": lambda: SimpleRNN(4, activation="relu"),
    "RNN(LSTMCell)": lambda: layers.RNN(layers.LSTMCell(4)),
    "RNN([LSTMCell, GRUCell, SimpleRNNCell])": lambda: layers.RNN(
        [layers.LSTMCell(4), layers.GRUCell(3), layers.SimpleRNNCell(2)], return_sequences=True, return_state=True
    ),
    "RNN(StackedRNNCells)": lambda: layers.RNN(layers.StackedRNNCells([layers.GRUCell(4), layers.GRUCell(3)])),
    **{f"Bidirectional({cls.__name__})": lambda cls=cls: layers.Bidirectional(cls(4)) for cls in CLASSES},
    "Bidirectional(LSTM, backward GRU)": lambda: layers.Bidirectional(
        LSTM(4, return_sequences=True), backward_layer=GRU(4, return_sequences=True, go_backwards=True)
    ),
}
"""Layers with the default activations, in training."""

LOOPS: dict[str, tuple[Any, str]] = {
    "GRU(reset_after=False)": (lambda: GRU(4, reset_after=False), "the kernels reset after the matrix product"),
    **{
        f"{cls.__name__}(recurrent_dropout)": (
            lambda cls=cls: cls(4, recurrent_dropout=0.3),
            "the kernels drop nothing between steps",
        )
        for cls in CLASSES
    },
    "LSTM(relu)": (lambda: LSTM(4, activation="relu"), "the kernels have tanh"),
    "GRU(hard_sigmoid)": (lambda: GRU(4, recurrent_activation="hard_sigmoid"), "the kernels have sigmoid"),
    "SimpleRNN(elu)": (lambda: SimpleRNN(4, activation="elu"), "the kernels have tanh and relu"),
}
"""Layers that loop over time in training, and why."""


class Calls(TorchFunctionMode):
    """Counts the calls of torch that Python makes."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))


def calls(layer: Any, steps: int, masked: bool, training: bool) -> int:
    """How often Python calls torch to run the layer over `steps` steps."""
    x = Input(batch_shape=(2, steps, 3))
    module = lower(Model(x, layer(layers.Masking()(x) if masked else x)).spec).train(training)
    with Calls() as counted:
        module(torch.randn(2, steps, 3))
    assert any(isinstance(part, nn.RNNBase) for part in module.modules())
    return counted.count


@pytest.mark.parametrize("masked", [False, True], ids=["plain", "masked"])
@pytest.mark.parametrize("name", FUSED)
def test_default_activations_run_on_the_fused_kernel(name: str, masked: bool) -> None:
    for training in (True, False):
        assert calls(FUSED[name](), 3, masked, training) == calls(FUSED[name](), 17, masked, training)


@pytest.mark.parametrize("name", LOOPS)
def test_what_the_kernels_lack_loops(name: str) -> None:
    make, why = LOOPS[name]
    assert calls(make(), 3, False, True) < calls(make(), 17, False, True), f"it no longer loops, against: {why}"


@pytest.mark.parametrize("cls", CLASSES)
def test_recurrent_dropout_loops_in_training_alone(cls: type[Any]) -> None:
    few, many = (calls(cls(4, recurrent_dropout=0.3, dropout=0.3), steps, True, False) for steps in (3, 17))
    assert few == many


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_projects_the_input_of_all_steps_at_once(name: str) -> None:
    x = Input(batch_shape=(2, 9, 3))
    module = lower(Model(x, LOOPS[name][0]()(x)).spec).train()
    taken = []

    class Shapes(Calls):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func is torch.nn.functional.linear:
                taken.append(tuple(args[0].shape))
            return super().__torch_function__(func, types, args, kwargs)

    with Shapes():
        module(torch.randn(2, 9, 3))
    assert {shape for shape in taken if shape[-1] == 3} == {(2, 9, 3)}


def test_the_gradient_of_a_loop_takes_time_in_the_number_of_steps() -> None:
    # An index a step would have every step's gradient be as long as the sequence.
    x = Input(batch_shape=(2, 40, 3))
    module = lower(Model(x, LSTM(4, activation="relu", return_sequences=True)(x)).spec).train()
    seen, todo = set(), [module(torch.randn(2, 40, 3)).grad_fn]
    while todo:
        step = todo.pop()
        if step is not None and step not in seen:
            seen.add(step)
            todo += [before for before, _ in step.next_functions]
    assert not [step for step in seen if step.name().startswith("Select")]
