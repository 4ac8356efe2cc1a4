"""What `validate` passes runs: random models lower, compute outputs of the inferred shapes, and can be emitted."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings, target

from spec_compiler import load_spec, lower, parse_spec, validate, validate_text
from spec_compiler.diagnostics import Reporter
from spec_compiler.ir import values_in
from spec_compiler.passes import check
from tests.models.generated import BUDGET, models
from tests.models.generated_calls import calls, models_of_operations
from tests.passes.test_budget import Largest

HEALTH = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large, HealthCheck.large_base_example]


@settings(max_examples=300, deadline=None, suppress_health_check=HEALTH, derandomize=True, database=None)
@given(models())
def test_a_model_that_validates_runs(document: dict[str, Any]) -> None:
    assert_runs(document)


@settings(max_examples=200, deadline=None, suppress_health_check=HEALTH, derandomize=True, database=None)
@given(models_of_operations())
def test_a_model_of_operations_that_validates_runs(document: dict[str, Any]) -> None:
    assert_runs(document)


@pytest.mark.parametrize("name", sorted(calls()))
def test_every_operation_is_among_the_generated(name: str) -> None:
    assert any(validate(document).ok for document in calls()[name])


@pytest.mark.slow
@settings(max_examples=20_000, deadline=None, suppress_health_check=HEALTH, database=None)
@given(models_of_operations())
def test_many_models_of_operations_that_validate_run(document: dict[str, Any]) -> None:
    assert_runs(document)


@pytest.mark.slow
@settings(max_examples=20_000, deadline=None, suppress_health_check=HEALTH, database=None)
@given(models())
def test_many_models_that_validate_run(document: dict[str, Any]) -> None:
    assert_runs(document)


def assert_runs(document: dict[str, Any]) -> None:
    """Assert that the document, if nothing is wrong with it, makes a module whose outputs have the inferred shapes."""
    report = validate(document, budget=BUDGET)
    target(float(report.ok))
    if not report.ok:
        assert "internal" not in str(report)
        return
    spec = load_spec(document)
    graph = check(spec, Reporter())
    assert graph is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = lower(spec)
        known = {value.shape[0] for value in graph.inputs if value.shape} - {None}
        for batch, training in [(n, training) for n in sorted(known) or (1, 3) for training in (False, n > 1)]:
            stated = _of_batch(document, batch)
            graph = check(load_spec(stated), Reporter())
            if graph is None:
                continue  # An operation may hold for some batches alone.
            inputs = [_drawn(value, str(document)) for value in graph.inputs]
            try:
                with Largest() as largest:
                    outputs = list(_leaves(module.train(training)(*inputs)))
            except DATA_FAULTS:
                assert any(name in str(document) for name in BY_DATA)
                return
            except RuntimeError as error:
                if any(message in str(error) for message in OF_DATA):
                    return
                assert any(None in value.shape for node in graph.nodes for value in node.outputs if value.shape)
                continue
            assert largest.size <= 4 * batch * (BUDGET.params + BUDGET.activations)
            for value, y in zip(values_in(graph.outputs), outputs, strict=True):
                assert value.shape is not None
                assert len(y.shape) == len(value.shape)
                # An axis that is not known may have any length: samples may be put together.
                fits = all(n in (None, m) for n, m in zip(value.shape, y.shape, strict=True))
                assert fits, f"{tuple(y.shape)}, inferred {value.shape}"
                assert str(y.dtype) == f"torch.{value.dtype}", f"{y.dtype}, inferred {value.dtype}"


BY_DATA = ("Embedding", "ops.")
"""What may fail by what is in its inputs: ids that a table lacks, matrices without an inverse."""
DATA_FAULTS = (IndexError, torch.linalg.LinAlgError)
OF_DATA = ("all elements of target should be between 0 and 1", "ZeroDivisionError")


def _of_batch(document: dict[str, Any], batch: int) -> dict[str, Any]:
    """The document with the batch's size stated: what a layer says of it, as a `noise_shape` may, is then checked."""
    return {**document, "inputs": {key: {"batch_size": batch, **stated} for key, stated in document["inputs"].items()}}


def _drawn(value: Any, document: str) -> torch.Tensor:
    """Random numbers; where they may be ids, those that any table has."""
    shape, dtype, ids = value.shape, getattr(torch, value.dtype), "Embedding" in document
    if "int" in value.dtype or value.dtype == "bool":
        most = 2 if value.dtype == "bool" else 1 if ids or "ops." not in document else 3
        return torch.randint(most, shape).to(dtype)
    return (torch.rand(shape) if ids else torch.randn(shape)).to(dtype)


def _leaves(outputs: Any) -> Any:
    if isinstance(outputs, torch.Tensor):
        yield outputs
    else:
        for one in outputs.values() if isinstance(outputs, dict) else outputs:
            yield from _leaves(one)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("TimeDistributed: {layer: {LSTMCell: {units: 2}}}", "expected a layer of one input, got LSTMCell"),
        ("TimeDistributed: {layer: Add}", "expected a layer of one input, got Add"),
        ("SpectralNormalization: {layer: {LSTMCell: {units: 2}}}", "takes a layer of one input, not LSTMCell"),
        ("BatchNormalization: {gamma_initializer: orthogonal}", "Orthogonal makes matrices"),
        ("LSTM: {units: 2, bias_initializer: identity}", "Identity makes matrices"),
    ],
)
def test_what_was_found_not_to_run_is_told(layer: str, message: str) -> None:
    report = validate_text(f"inputs: {{x: [5, 4]}}\nlayers: [{{{layer}}}]")
    assert not report.ok and message in str(report)


@pytest.mark.parametrize("name", ["Conv1D", "Conv1DTranspose", "SeparableConv1D", "LocallyConnected1D"])
def test_a_convolution_of_no_channels_is_told(name: str) -> None:
    none = "{ops.diagonal: {offset: 4, axis1: 1, axis2: 2}}, {RepeatVector: {n: 5}}"
    text = f"inputs: {{x: [5, 4]}}\nlayers: [{none}, {{{name}: {{filters: 2, kernel_size: 2}}}}]"
    assert f"{name} takes an input with channels, got (None, 5, 0) [SC304]" in str(validate_text(text))


@pytest.mark.parametrize(
    "layer", ["GlobalAveragePooling1D", "MaxPooling1D", "UpSampling1D", "{Conv1D: {filters: 2, kernel_size: 2}}"]
)
def test_integers_become_the_floats_that_come_out(layer: str) -> None:
    spec = parse_spec(f"inputs: {{x: {{shape: [5, 4], dtype: int32}}}}\nlayers: [{layer}]")
    x = torch.arange(40, dtype=torch.int32).reshape(2, 5, 4)
    floats = parse_spec(f"inputs: {{x: [5, 4]}}\nlayers: [{layer}]")
    module, twin = lower(spec), lower(floats)
    twin.load_state_dict(module.state_dict())
    assert torch.equal(module(x), twin(x.float()))
