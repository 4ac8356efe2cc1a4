"""The whole grid on a GPU, held to the CPU: outputs, gradients, and what a step of training leaves in the buffers."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import pytest
import torch
from torch import Tensor, nn

from tests.devices import cuda, modules
from tests.devices.elsewhere import training_differs
from tests.layers.cases import Case, all_cases
from tests.layers.ops import calls

pytestmark = [cuda.needs_cuda, pytest.mark.filterwarnings("ignore")]

T = TypeVar("T", Case, calls.Case)

ONE_OF_MANY = {
    "svd": "singular vectors have a sign that each library chooses",
    "eigh": "and so have eigenvectors",
    "eig": "and so have eigenvectors",
    "argpartition": "in which order the places on each side stand is left open",
    "top_k": "which of equal whole numbers is taken is left open, and the order of those that are not sorted",
    "median": "which of several NaNs the gradient goes to is left open",
}
"""Operations that have more than one right result, and are only run; the last ones where `one_of_many` says so."""

ROUNDED = {"resize": "a sum that comes near a half, taken in another order, is rounded to the other side"}
"""Operations whose whole numbers may differ by one."""

LACKING = {
    "conv": "neither cuDNN nor torch convolves whole numbers",
    "max_pool": "torch has no largest whole number of a window",
}
"""Operations that a GPU does not have for whole numbers."""


def one_of_many(case: calls.Case) -> bool:
    """Whether there is more than one right result of a case."""
    if case.op == "top_k":
        return case.dtype != "float32" or case.kwargs.get("sorted") is False
    return case.op in ONE_OF_MANY and (case.op != "median" or case.nans)


def compare(
    module: nn.Module, inputs: Sequence[Tensor], training: bool, alike: bool = True, rounded: bool = False
) -> None:
    """Assert that a copy of the module on the GPU computes the same; with `alike` False, tensors of the same types.

    With `rounded`, whole numbers may differ by one.
    """
    moved = copy.deepcopy(module).to(cuda.NAME).train(training)
    expected = modules.results(module.train(training), inputs, "cpu")
    found = modules.results(moved, inputs, cuda.NAME)
    assert found.keys() == expected.keys()
    for what, y in found.items():
        assert y.device.type == cuda.NAME, f"{what} is on {y.device}"
        if rounded and not y.is_floating_point():
            assert (y.cpu().long() - expected[what].long()).abs().max() <= 1, f"{what}: more than rounded otherwise"
        elif alike:
            outputs = [x for name, x in found.items() if name.startswith("output")]
            cuda.assert_close(y, expected[what], what, through=outputs if what.startswith("gradient") else ())


def compare_layer(case: Case) -> None:
    """Compare a layer's case in training, if nothing is drawn there, and where that is another computation, not in training."""
    lowered, trained = modules.lowered_layer(case)
    inputs = modules.inputs_of(case)
    module = modules.built(trained)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.uniform_(-0.5, 0.5)
    compare(module, inputs, True, alike=not case.random)
    if case.random or training_differs(module):
        compare(modules.built(lowered), inputs, False)


def compare_operation(case: calls.Case) -> None:
    """Compare an operation's case."""
    module = modules.built(modules.lowered_operation(case))
    inputs = calls.tensors_of(case, calls.arrays_of(case))
    if case.op in LACKING and not any(x.is_floating_point() for x in inputs):
        try:
            compare(module, inputs, False)
        except RuntimeError:
            return
        raise AssertionError("is no longer lacking")
    with torch.set_grad_enabled(case.gradient):
        compare(module, inputs, False, alike=not one_of_many(case), rounded=case.op in ROUNDED)


def faults(cases: Iterable[T], of: Callable[[T], None]) -> list[str]:
    """What is wrong with each case."""
    found = []
    for case in cases:
        torch.manual_seed(0)
        try:
            with cuda.in_full_precision():
                of(case)
        except Exception as error:
            found.append(f"{case.id}: {type(error).__name__} {' '.join(str(error).split())[:300]}")
    return found


def parts(cases: Iterable[T], most: int = 60) -> dict[str, list[T]]:
    """The cases by file, and of a file at most so many in one test."""
    found = defaultdict(list)
    for case in cases:
        found[case.id.partition(":")[0]].append(case)
    return {f"{file}-{i}": of[i : i + most] for file, of in found.items() for i in range(0, len(of), most)}


LAYERS, OPERATIONS = parts(all_cases()), parts(calls.all_cases())


@pytest.mark.parametrize("part", LAYERS)
def test_layers_agree_with_the_cpu(part: str) -> None:
    found = faults(LAYERS[part], compare_layer)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("part", OPERATIONS)
def test_operations_agree_with_the_cpu(part: str) -> None:
    found = faults(OPERATIONS[part], compare_operation)
    assert not found, "\n".join(found)
