"""Modules that are moved to another device run there, and wait for nothing: the whole grid, the device pretended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import pytest
from torch import Tensor, nn

from spec_compiler.lowering.lower import build
from tests.devices import modules
from tests.devices.elsewhere import DEVICE, Waits, running, training_differs
from tests.layers.cases import Case, all_cases, one_a_class, with_policy
from tests.layers.ops import calls

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same'")

WAIT = {
    "bincount": "the length of what comes out is the largest number that goes in",
    "nonzero": "as many places come out as are not zero",
    "unique": "as many numbers come out as differ",
    "repeat": "how often each is repeated is data, and with it the length of what comes out",
    "ctc_loss": "torch takes its lengths as data, on which its intermediate results' shapes hang",
    "ctc_decode": "the beam search runs in Python, on numbers and lists of beams",
    "lstsq": "whether torch gives residuals beside the solution hangs on the matrix's rank",
    "istft": "torch looks whether the windows leave a gap",
    "take": "torch copies a list of places to the device, and reads a single place",
}
"""Operations for whose numbers the host waits in some of their cases, or the device, and why."""

T = TypeVar("T", Case, calls.Case)


def run(module: nn.Module, inputs: Sequence[Tensor], *modes: bool) -> None:
    """Move the module, run it, training or not, and assert that all that comes out is where it was moved."""
    module.to(DEVICE)
    moved = [x.to(DEVICE) for x in inputs]
    for training in modes:
        with running():
            outputs = modules.flat(module.train(training)(*moved))
        assert {y.device for y in outputs} <= {DEVICE}


def run_layer(case: Case) -> None:
    """Run a layer's case as it is trained, with what goes to a loss; and as it is not, where that is computed otherwise."""
    lowered, trained = modules.lowered_layer(case)
    inputs = modules.inputs_of(case)
    module = build(trained)
    run(module, inputs, True)
    if training_differs(module):
        run(build(lowered), inputs, False)


def run_operation(case: calls.Case) -> None:
    """Run an operation's case."""
    lowered = modules.lowered_operation(case)
    run(build(lowered), calls.tensors_of(case, calls.arrays_of(case)), False)


def run_emitted(case: Case) -> None:
    """Run the source that is emitted for a layer's case."""
    lowered, _ = modules.lowered_layer(case)
    run(modules.emitted(lowered), modules.inputs_of(case), True, False)


def run_emitted_operation(case: calls.Case) -> None:
    """Run the source that is emitted for an operation's case."""
    module = modules.emitted(modules.lowered_operation(case))
    run(module, calls.tensors_of(case, calls.arrays_of(case)), False)


def faults(cases: Iterable[T], of: Callable[[T], None]) -> dict[str, tuple[T, Exception]]:
    """The cases that fail, by their ids. A case is no test of its own: there are 7,000, of a hundredth of a second."""
    found = {}
    for case in cases:
        try:
            of(case)
        except Exception as error:
            found[case.id] = (case, error)
    return found


def told(found: dict[str, tuple[T, Exception]]) -> str:
    return "\n".join(f"{name}: {type(error).__name__} {error}" for name, (_, error) in found.items())


def by_file(cases: Iterable[T]) -> dict[str, list[T]]:
    found = defaultdict(list)
    for case in cases:
        found[case.id.partition(":")[0]].append(case)
    return found


LAYERS, OPERATIONS = by_file(all_cases()), by_file(calls.all_cases())
FEW = one_a_class(all_cases())


@pytest.mark.parametrize("file", LAYERS)
def test_layers_run_where_they_are_moved(file: str) -> None:
    found = faults(LAYERS[file], run_layer)
    assert not found, told(found)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64"])
def test_layers_of_any_policy_run_where_they_are_moved(policy: str) -> None:
    found = faults([with_policy(case, policy) for case in FEW], run_layer)
    assert not found, told(found)


@pytest.mark.parametrize("file", OPERATIONS)
def test_operations_run_where_they_are_moved(file: str) -> None:
    found = faults(OPERATIONS[file], run_operation)
    waiting = {name for name, (case, error) in found.items() if case.op in WAIT and isinstance(error, Waits)}
    assert found.keys() == waiting, told(found)


def test_every_operation_of_the_table_waits() -> None:
    cases = [case for case in calls.all_cases() if case.op in WAIT]
    assert {case.op for case, _ in faults(cases, run_operation).values()} == WAIT.keys()


def test_emitted_layers_run_where_they_are_moved() -> None:
    found = faults(FEW, run_emitted)
    assert not found, told(found)


def test_emitted_operations_run_where_they_are_moved() -> None:
    cases = {case.op: case for case in reversed(calls.all_cases()) if case.op not in WAIT}
    found = faults(cases.values(), run_emitted_operation)
    assert not found, told(found)
