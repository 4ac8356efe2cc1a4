"""What `validate` passes runs: random models lower, compute outputs of the inferred shapes, and can be emitted."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
import yaml
from hypothesis import HealthCheck, currently_in_test_context, given, settings, target
from hypothesis import strategies as st

from spec_compiler import load_spec, lower, parse_spec, validate, validate_text
from spec_compiler.diagnostics import Reporter
from spec_compiler.ir import values_in
from spec_compiler.passes import check
from tests.models.generated import BUDGET, OLD, definitions, layer_names, models
from tests.models.generated_calls import calls, models_of_operations
from tests.models.generated_cases import cases
from tests.passes.test_budget import Largest

HEALTH = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large, HealthCheck.large_base_example]


@settings(max_examples=200, deadline=None, suppress_health_check=HEALTH, derandomize=True, database=None)
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


STARTS = sorted({*cases(), *OLD})


def test_every_layer_is_among_the_starts() -> None:
    assert {*STARTS} >= {*layer_names()} - {"Deconvolution2D"}  # read from Keras 1, where its case is


@pytest.mark.parametrize("name", STARTS)
@settings(max_examples=4, deadline=None, suppress_health_check=HEALTH, derandomize=True, database=None)
@given(data=st.data())
def test_a_model_that_starts_with_the_layer_and_validates_runs(name: str, data: st.DataObject) -> None:
    assert_runs(data.draw(models(name)))


SELDOM = {
    "*": {"quantization_config", "lora_rank", "lora_alpha", "time_major", "flash_attention", "bounding_box_format"},
    "BatchNormalization": {"renorm", "renorm_clipping", "renorm_momentum"},
    "EinsumDense": {"gptq_unpacked_column_size"},
    "LayerNormalization": {"rms_scaling"},
    "Resizing": {"fill_mode"},
    "UpSampling2D": {"half_pixel_centers"},
}
"""Arguments that hold one value, or change nothing, and are drawn by chance alone."""


@pytest.mark.slow
@pytest.mark.parametrize("name", STARTS)
def test_many_models_that_start_with_the_layer_run_and_meet_its_every_argument(name: str) -> None:
    met: set[str] = set()

    @settings(max_examples=200, deadline=None, suppress_health_check=HEALTH, database=None)
    @given(models(name))
    def run(document: dict[str, Any]) -> None:
        if assert_runs(document):
            items = document.get("models", {}).get("inner", document)["layers"]
            met.update(*(item[key] for item in items if item["name"] == "layer_0" for key in [next(iter(item))]))

    run()
    every = {*definitions()[f"layer.{name}"]["properties"]} - {"name"}
    missed = every - met - SELDOM["*"] - SELDOM.get(name, set())
    # A cell alone seldom runs: it is met as part of an RNN.
    most = len(every) if name.endswith("Cell") else len(every) // 6
    assert len(missed) <= most, f"never met in a model that runs: {sorted(missed)}"


def assert_runs(document: dict[str, Any]) -> bool:
    """Assert that the document, if nothing is wrong with it, makes a module whose outputs have the inferred shapes.

    Returns whether nothing is.
    """
    report = validate(document, budget=BUDGET)
    if currently_in_test_context():
        target(float(report.ok))
    if not report.ok:
        assert "internal" not in str(report)
        return False
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
                return True
            except RuntimeError as error:
                if any(message in str(error) for message in OF_DATA):
                    return True
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
    return True


BY_DATA = ("Embedding", "ops.")
"""What may fail by what is in its inputs: ids that a table lacks, matrices without an inverse."""
DATA_FAULTS = (IndexError, torch.linalg.LinAlgError)
OF_DATA = (
    "all elements of target should be between 0 and 1",
    "all elements of input should be between 0 and 1",
    "ZeroDivisionError",
    "would result in a division by zero",
    "q values must be in the range",
    "is out of bounds for",
    "while checking arguments for ctc_loss",
    "input tensor should not contain infs or NaNs",
)


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
    "text",
    [
        "inputs: {x: {shape: [], batch_size: 4}, y: {shape: [], batch_size: 4}}\nlayers: ["
        "{ops.vdot: {}, with: {x1: {from: x}, x2: {from: y}}}, {ops.prod: {keepdims: true, dtype: float16}}]",
        "inputs: {x: {shape: [], batch_size: 4}, y: {shape: [], batch_size: 4}}\nlayers: ["
        "{ops.vdot: {}, with: {x1: {from: x}, x2: {from: y}}, name: dot}, "
        "{ops.full: {shape: [], dtype: float16}, with: {fill_value: {from: dot}}}]",
        "inputs: {x: {shape: [3, 4, 2]}}\nlayers: [{TimeDistributed: {layer: {SpectralNormalization: "
        "{layer: {Dense: {units: 1, dtype: mixed_bfloat16}}, dtype: mixed_bfloat16}}}}]",
        "inputs: {x: {shape: [6, 5, 3]}}\nlayers: [{Resizing: {height: 4, width: 7, antialias: true, dtype: bfloat16}}]",
        "inputs: {x: {shape: [2, 5, 4], batch_size: 3}}\nlayers: [{TimeDistributed: {layer: m}}]\n"
        "models: {m: {inputs: {y: [5, 4]}, layers: [{Dropout: {rate: 0.4, noise_shape: [3, 5, 1]}}]}}",
    ],
)
def test_what_was_found_to_fail_runs(text: str) -> None:
    assert assert_runs(yaml.safe_load(text))


def test_a_batch_that_a_model_inside_cannot_take_is_told() -> None:
    model = "m: {inputs: {y: [5, 4]}, layers: [{Dropout: {rate: 0.4, noise_shape: [3, 5, 1]}}]}"
    for inputs, item, shape in (
        ("[5, 4]", "{m: {}}", "(2, 5, 4)"),
        ("[3, 5, 4]", "{TimeDistributed: {layer: m}}", "(2, 5, 4)"),
    ):
        text = f"inputs: {{x: {{shape: {inputs}, batch_size: 2}}}}\nlayers: [{item}]\nmodels: {{{model}}}"
        assert f"noise_shape (3, 5, 1) does not fit its input {shape} [SC301]" in str(validate_text(text))


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


def test_a_model_of_two_inputs_at_every_step_is_told() -> None:
    model = "m: {inputs: {a: [2], b: [2]}, layers: [{Add: {}, from: [a, b]}]}"
    item = "{TimeDistributed: {layer: m}, from: [x, y]}"
    report = validate_text(f"inputs: {{x: [5, 2], y: [5, 2]}}\nlayers: [{item}]\nmodels: {{{model}}}")
    assert "TimeDistributed takes a model of one input, 'm' takes 2 [SC" in str(report)


@pytest.mark.parametrize("operation", ["ops.all", "ops.sum: {axis: 0}"])
def test_a_model_without_a_batch_axis_at_every_step_is_told(operation: str) -> None:
    model = f"m: {{inputs: {{a: [2]}}, layers: [{{{operation}}}]}}"
    report = validate_text(f"inputs: {{x: [5, 2]}}\nlayers: [{{TimeDistributed: {{layer: m}}}}]\nmodels: {{{model}}}")
    assert "takes a model whose output has the batch axis first, 'm' makes (" in str(report)


def test_a_model_that_puts_the_steps_on_another_axis_is_told() -> None:
    """Alone, for two samples, its output has two of something else first; at every step, it is run on six samples."""
    models = "m: {inputs: {a: {shape: [2], batch_size: 2}}, layers: [{ops.maximum: {}, with: {x1: [[[1.0]], [[2.0]]], x2: {from: a}}}]}"
    text = f"inputs: {{x: {{shape: [%s, 2], batch_size: 2}}}}\nlayers: [{{TimeDistributed: {{layer: m}}}}]\nmodels: {{{models}}}"
    assert validate_text(text % 1).ok
    for steps in (2, 3):
        assert "takes a model whose output has the batch axis first, 'm' makes (2, 2, 2)" in str(
            validate_text(text % steps)
        )


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


@pytest.mark.parametrize(
    "layer",
    [
        "Identity",
        "Softmax",
        "ActivityRegularization",
        "ReLU",
        "Dropout: {rate: 0.5}",
        "ReversibleEmbedding: {input_dim: 5, output_dim: 3}",
    ],
)
def test_a_layer_of_one_input_called_on_two_is_told(layer: str) -> None:
    report = validate_text(
        f"inputs: {{x: [4]}}\nlayers: [{{{layer if ':' in layer else layer + ': {}'}, from: [x, x]}}]"
    )
    assert "takes one input" in str(report) or "is called on 2 inputs" in str(report)
