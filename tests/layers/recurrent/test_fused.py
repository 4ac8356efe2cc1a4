"""Where recurrent layers run on torch's fused kernels: Python calls torch as often for many steps as for few."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any

import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from spec_compiler import Input, layers
from spec_compiler.lowering.lower import lower
from spec_compiler.models import Model
from spec_compiler.nn import recurrent
from spec_compiler.nn.steps import States

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
    "GRU(reset_after=False)": (
        lambda: GRU(4, reset_after=False),
        "the kernels reset after the matrix product, and on the CPU a loop is faster than what brings them to it",
    ),
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


class AsOnGpu(Calls):
    """Has tensors of the CPU say that they are on a GPU."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return True if func == torch.Tensor.is_cuda.__get__ else super().__torch_function__(func, types, args, kwargs)


def module_of(layer: Any, steps: int, masked: bool) -> nn.Module:
    x = Input(batch_shape=(2, steps, 3))
    return lower(Model(x, layer(layers.Masking()(x) if masked else x)).spec)


def calls(layer: Any, steps: int, masked: bool, training: bool, mode: type[Calls] = Calls) -> int:
    """How often Python calls torch to run the layer over `steps` steps."""
    module = module_of(layer, steps, masked).train(training)
    with mode() as counted:
        module(torch.randn(2, steps, 3))
    assert any(isinstance(part, nn.RNNBase) for part in module.modules())
    return counted.count


@pytest.mark.parametrize("masked", [False, True], ids=["plain", "masked"])
@pytest.mark.parametrize("name", FUSED)
def test_default_activations_run_on_the_fused_kernel(name: str, masked: bool) -> None:
    for training in (True, False):
        assert calls(FUSED[name](), 3, masked, training) == calls(FUSED[name](), 17, masked, training)


RESETS_BEFORE: dict[str, Any] = {
    f"{args}": lambda args=args: GRU(4, reset_after=False, **args) for args in (*ARGUMENTS, {"recurrent_dropout": 0.3})
}


@pytest.mark.parametrize("masked", [False, True], ids=["plain", "masked"])
@pytest.mark.parametrize("name", RESETS_BEFORE)
def test_a_gru_that_resets_before_runs_on_a_gpus_kernel(name: str, masked: bool) -> None:
    for training in (True, False):
        if not (training and "recurrent_dropout" in name):
            few, many = (calls(RESETS_BEFORE[name](), steps, masked, training, AsOnGpu) for steps in (3, 17))
            assert few == many


@pytest.mark.parametrize("masked", [False, True], ids=["plain", "masked"])
@pytest.mark.parametrize("layers_of", [FUSED, RESETS_BEFORE], ids=["fused", "resets before"])
def test_a_gpu_is_told_the_same(layers_of: dict[str, Any], masked: bool) -> None:
    """The weights are not the parameters where they are computed with in another dtype, as functional_call has them here."""
    for name, make in layers_of.items():
        module, x = module_of(make(), 9, masked).eval(), torch.randn(2, 9, 3)
        x[0, 5:] = x[1, :2] = 0
        for states in (m for m in module.modules() if isinstance(m, States)):
            states.reset_states()
        weights = {key: weight.detach() for key, weight in module.named_parameters()}
        with AsOnGpu():
            found = torch.func.functional_call(module, weights, (x,))
        for states in (m for m in module.modules() if isinstance(m, States)):
            states.reset_states()
        torch.testing.assert_close(found, module(x), msg=lambda said, name=name: f"{name}: {said}")


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_two_steps_of_a_kernel_are_one_that_resets_before(dtype: torch.dtype, bias: bool) -> None:
    """To the last digits of the dtype: the difference from float64 is no larger than the loop's own."""
    torch.manual_seed(0)
    loop = recurrent.GRULoop(5, 7, bias=bias, reset_after=False).double()
    x, h = torch.randn(3, 9, 5, dtype=torch.float64), torch.randn(3, 7, dtype=torch.float64)

    def run(in_dtype: torch.dtype, on_kernel: bool) -> list[torch.Tensor]:
        module = copy.deepcopy(loop).to(in_dtype)
        given = [x.to(in_dtype).requires_grad_(), h.to(in_dtype).requires_grad_()]
        if on_kernel:
            with AsOnGpu():
                y, final = module(given[0], [given[1]])
        else:
            y, final = module(given[0], [given[1]])
        gradients = torch.autograd.grad(
            y.double().square().sum() + final.double().sum(), [*given, *module.parameters()]
        )
        return [t.detach().double() for t in (y, final, *gradients)]

    exact, loops, kernels = run(torch.float64, False), run(dtype, False), run(dtype, True)
    for a, b, c in zip(exact, loops, kernels, strict=True):
        largest = a.abs().max() * torch.finfo(dtype).eps
        assert (c - a).abs().max() <= 2 * (b - a).abs().max() + 4 * largest


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


def nodes(layer: Any, steps: int) -> Counter[str]:
    """What autograd records of the layer over `steps` steps: how often each kind of operation."""
    x = Input(batch_shape=(2, steps, 3))
    module = lower(Model(x, layer(x)).spec).train()
    seen, todo = set(), [module(torch.randn(2, steps, 3)).grad_fn]
    while todo:
        node = todo.pop()
        if node is not None and node not in seen:
            seen.add(node)
            todo += [before for before, _ in node.next_functions]
    return Counter(node.name().partition("Backward")[0] for node in seen)


def test_the_gradient_of_a_loop_takes_time_in_the_number_of_steps() -> None:
    # An index a step would have every step's gradient be as long as the sequence.
    assert "Select" not in nodes(LSTM(4, activation="relu", return_sequences=True), 40)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: GRU(4, reset_after=False), {"Addmm": 2, "Split": 1, "Sigmoid": 2, "Mul": 1, "Tanh": 1, "Lerp": 1}),
        (lambda: LSTM(4, activation="elu"), {"Addmm": 1, "Split": 1, "Sigmoid": 3, "Elu": 2, "Mul": 2, "Addcmul": 1}),
        (lambda: SimpleRNN(4, activation="elu"), {"Addmm": 1, "Elu": 1}),
    ],
    ids=["GRU(reset_after=False)", "LSTM(elu)", "SimpleRNN(elu)"],
)
def test_a_step_of_a_loop_is_no_more_than_its_arithmetic(make: Any, expected: dict[str, int]) -> None:
    assert nodes(make(), 8) - nodes(make(), 7) == expected
