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
from tests.models.generated import models

HEALTH = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large, HealthCheck.large_base_example]


@settings(max_examples=300, deadline=None, suppress_health_check=HEALTH, derandomize=True, database=None)
@given(models())
def test_a_model_that_validates_runs(document: dict[str, Any]) -> None:
    assert_runs(document)


@pytest.mark.slow
@settings(max_examples=20_000, deadline=None, suppress_health_check=HEALTH, database=None)
@given(models())
def test_many_models_that_validate_run(document: dict[str, Any]) -> None:
    assert_runs(document)


def assert_runs(document: dict[str, Any]) -> None:
    """Assert that the document, if nothing is wrong with it, makes a module whose outputs have the inferred shapes."""
    report = validate(document)
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
        for batch, training in ((1, False), (3, False), (3, True)):
            inputs = [_drawn(value, batch, "Embedding" in str(document)) for value in graph.inputs]
            try:
                outputs = list(_leaves(module.train(training)(*inputs)))
            except IndexError:
                assert "Embedding" in str(document)  # what another layer computed are no ids
                return
            for value, y in zip(values_in(graph.outputs), outputs, strict=True):
                assert value.shape is not None
                assert len(y.shape) == len(value.shape)
                # An axis that is not known may have any length: samples may be put together.
                fits = all(n in (None, m) for n, m in zip(value.shape, y.shape, strict=True))
                assert fits, f"{tuple(y.shape)}, inferred {value.shape}"
                assert str(y.dtype) == f"torch.{value.dtype}", f"{y.dtype}, inferred {value.dtype}"


def _drawn(value: Any, batch: int, ids: bool) -> torch.Tensor:
    """Random numbers; where they may be ids, those that any table has."""
    shape = (batch, *value.shape[1:])
    if "int" in value.dtype:
        return torch.zeros(shape, dtype=torch.int32)
    return torch.rand(shape) if ids else torch.randn(shape)


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
