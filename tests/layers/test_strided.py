"""Inputs that are views, as a slice or a permutation makes them: the numbers that come out are the same."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from spec_compiler.lowering.lower import build
from tests.devices import modules
from tests.layers.cases import all_cases, one_a_class
from tests.layers.ops import calls

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same'")

HALVES = (torch.float16, torch.bfloat16)
"""Not compared: the order of a sum shows in their last digits."""


def turned(x: Tensor) -> Tensor:
    """`x` with its axes in the opposite order in memory, and every other number there another's."""
    axes = tuple(reversed(range(x.dim())))
    return torch.stack([x.permute(axes)] * 2, dim=-1)[..., 0].permute(axes)


def assert_same_of_views(module: nn.Module, inputs: Sequence[Tensor]) -> None:
    module.eval()
    expected, found = (modules.flat(module(*xs)) for xs in ([x.clone() for x in inputs], [turned(x) for x in inputs]))
    for a, b in zip(found, expected, strict=True):
        if a.dtype not in HALVES:
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6, equal_nan=True)


OPERATIONS = {
    case.op: case
    for case in reversed(calls.all_cases())
    if not any(x.dtype in HALVES for x in calls.tensors_of(case, calls.arrays_of(case)))
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_compute_the_same_of_views(name: str) -> None:
    case = OPERATIONS[name]
    assert_same_of_views(build(modules.lowered_operation(case)), calls.tensors_of(case, calls.arrays_of(case)))


@pytest.mark.parametrize("case", one_a_class(all_cases()), ids=lambda case: case.id)
def test_layers_compute_the_same_of_views(case) -> None:
    assert_same_of_views(modules.built(modules.lowered_layer(case)[0]), modules.inputs_of(case))
