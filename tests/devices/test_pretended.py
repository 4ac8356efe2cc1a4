"""What CUDA's kernels get wrong is not given to them, and the ways around it compute the same; the GPU is pretended."""

from __future__ import annotations

from typing import TypeVar

import pytest
import torch
from torch import Tensor, nn

from tests.devices import modules
from tests.devices.pretended import PretendedCuda
from tests.devices.test_elsewhere import by_file, faults, told
from tests.layers.cases import Case, all_cases
from tests.layers.ops import calls

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same'")

FAMILIES = ("attention/", "normalization/", "pooling/")
LAYERS = by_file(case for case in all_cases() if case.id.startswith(FAMILIES))
OPERATIONS = by_file(case for case in calls.all_cases() if case.id.startswith(("convolutions:", "nn:", "products:")))

T = TypeVar("T", Case, calls.Case)


def compare(module: nn.Module, inputs: list[Tensor], alike: bool = True) -> None:
    """Assert that a module computes the same on what it takes for a GPU: outputs and gradients."""
    buffers = {name: buffer.clone() for name, buffer in module.named_buffers()}
    expected = {what: y.clone() for what, y in modules.results(module, inputs, "cpu").items()}
    for name, buffer in module.named_buffers():
        buffer.copy_(buffers[name])
    module.zero_grad()
    with PretendedCuda():
        found = modules.results(module, inputs, "cpu")
    assert found.keys() == expected.keys()
    for what, y in found.items():
        if alike:
            half = y.dtype in (torch.float16, torch.bfloat16) or any(x.dtype is torch.bfloat16 for x in inputs)
            near = {"rtol": 2e-2, "atol": 2e-2} if half else {"rtol": 1e-5, "atol": 1e-5}
            torch.testing.assert_close(y, expected[what], **near, equal_nan=True, msg=lambda m, w=what: f"{w}: {m}")


def compare_layer(case: Case) -> None:
    _, trained = modules.lowered_layer(case)
    module = modules.built(trained)
    for parameter in module.parameters():
        nn.init.uniform_(parameter, -0.5, 0.5)
    compare(module.train(), modules.inputs_of(case), alike=not case.random)


def compare_operation(case: calls.Case) -> None:
    module = modules.built(modules.lowered_operation(case))
    with torch.set_grad_enabled(case.gradient):
        compare(module.eval(), calls.tensors_of(case, calls.arrays_of(case)))


@pytest.mark.parametrize("file", LAYERS)
def test_layers_go_around_what_is_wrong(file: str) -> None:
    found = faults(LAYERS[file], compare_layer)
    assert not found, told(found)


@pytest.mark.parametrize("file", OPERATIONS)
def test_operations_go_around_what_is_wrong(file: str) -> None:
    found = faults(OPERATIONS[file], compare_operation)
    assert not found, told(found)
