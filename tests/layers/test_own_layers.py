"""Layers of the user's own, in this process: every dialect, Keras's files that hold them, weights, masks, training."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
import torch
from torch import nn

from spec_compiler import (
    LayerSpec,
    ModuleExpr,
    Rule,
    SpecError,
    Variable,
    fields,
    initializers,
    layers,
    lower,
    lowers,
    lowers_mask,
    parse_spec,
    register_layer,
    schema,
    validate_text,
)
from spec_compiler.constraints import NonNeg
from spec_compiler.dialects.write import DIALECTS, to_json, to_yaml
from spec_compiler.initializers import Constant
from spec_compiler.layers import LSTM, Dense, Embedding
from spec_compiler.models import Sequential, model_from_json
from spec_compiler.regularizers import L2
from spec_compiler.specs import registry
from spec_compiler.specs.contract import ContractError


class Offset(LayerSpec):
    """Add a weight a channel; the state counts its calls."""

    start: float = 2.0
    supports_masking = True

    def variables(self, x):
        return [
            Variable("offset", (x[-1],), Constant(self.start), regularizer=L2(0.5)),
            Variable("seen", (), Constant(0.0), trainable=False),
        ]


class Shift(nn.Module):
    def __init__(self, n: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(n))
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.weight


class HideFirst(LayerSpec):
    """Passes its input on, the first step masked."""

    def output_mask(self, masked):
        return "computed"


class Lambda(LayerSpec):
    """What a Lambda of an old file is known to have done."""


@lowers(Offset)
def offset(layer, call, x):
    rules = [Rule("offset", "weight"), Rule("seen", "seen")]
    return call.module(ModuleExpr(Shift, call.shapes[0][-1]), rules)(x)


@lowers(HideFirst)
def hide_first(layer, call, x):
    return x


@lowers_mask(HideFirst)
def hidden(layer, call, x):
    steps = call.function(torch.arange, call.shapes[0][1]) > 0
    return (x[..., 0] == x[..., 0]) & steps


@lowers(Lambda)
def double(layer, call, x):
    return x * 2


@pytest.fixture(autouse=True)
def own(monkeypatch):
    monkeypatch.setattr(registry, "_registered_layers", {})
    for cls in (Offset, HideFirst, Lambda):
        register_layer(cls)


@pytest.mark.parametrize("write", [to_json, to_yaml])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_own_layers_round_trip(dialect, write):
    text = "inputs: {x: [5, 4]}\nlayers: [{Offset: {start: 3}, name: up}, HideFirst, Lambda, {LSTM: {units: 2}}]"
    spec = parse_spec(text)
    again = parse_spec(write(spec, dialect))
    assert [type(one) for one in again.members()] == [type(one) for one in spec.members()]
    assert [one.get_config() for one in again.members()] == [one.get_config() for one in spec.members()]
    assert [one.name for one in again.members()][:2] == ["x", "up"]


@pytest.mark.parametrize("name", ["Dense", "Conv2D", "Convolution2D", "Sequential", "Model", "InputLayer"])
def test_a_layer_of_keras_cannot_be_registered_again(name):
    with pytest.raises(ValueError, match=f"Keras has a layer '{name}'"):
        register_layer(type(name, (LayerSpec,), {"__module__": __name__}))


def test_a_class_registered_again_by_the_same_cell_replaces_the_first():
    again = type("Offset", (LayerSpec,), {"__module__": __name__})
    assert register_layer(again) is again and registry.find("layer", "Offset") is again
    with pytest.raises(ValueError, match="registered already"):
        register_layer(type("Offset", (LayerSpec,), {"__module__": "another"}))


@keras.saving.register_keras_serializable("mine")
class KerasOffset(keras.layers.Layer):
    def __init__(self, start=2.0, **kwargs):
        super().__init__(**kwargs)
        self.start = start

    def build(self, shape):
        self.offset = self.add_weight(
            shape=(shape[-1],), name="offset", initializer="ones", regularizer=keras.regularizers.L2(0.5)
        )
        self.seen = self.add_weight(shape=(), name="seen", trainable=False)

    def call(self, x):
        return x + self.offset

    def get_config(self):
        return {**super().get_config(), "start": self.start}


def test_a_keras_file_with_own_layers_and_a_lambda_computes_and_trains_as_in_keras():
    theirs = keras.Sequential(
        [
            keras.Input((4,)),
            KerasOffset(0.5, name="up"),
            keras.layers.Lambda(lambda x: x * 2, output_shape=(4,), arguments={}),
            keras.layers.Dense(3),
        ]
    )
    text = theirs.to_json().replace("KerasOffset", "Offset")
    ours = model_from_json(text)
    rng = np.random.default_rng(0)
    values = [rng.standard_normal(v.shape).astype("float32") for v in theirs.weights]
    for model in (theirs, ours):
        model.set_weights(values)
        model.compile(optimizer="sgd", loss="mse")
    x, y = rng.standard_normal((8, 4)).astype("float32"), rng.standard_normal((8, 3)).astype("float32")
    np.testing.assert_allclose(ours.predict(x, verbose=0), theirs.predict(x, verbose=0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ours.train_on_batch(x, y), theirs.train_on_batch(x, y), rtol=1e-5)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_keras_loads_its_own_class_out_of_what_is_written_of_a_changed_model():
    cls = keras.saving.register_keras_serializable("mine")(type("Offset", (KerasOffset,), {}))
    spec = parse_spec(keras.Sequential([keras.Input((4,)), cls(0.5, name="up")]).to_json())
    spec.members()[-1].start = 0.25
    (layer,) = keras.models.model_from_json(to_json(spec)).layers
    assert type(layer) is cls
    assert layer.start == 0.25


def test_without_the_registered_class_the_lambda_stays_refused(monkeypatch):
    monkeypatch.setattr(registry, "_registered_layers", {})
    model = keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: x, output_shape=(4,))])
    assert [d.code.id for d in validate_text(model.to_json()).diagnostics] == ["SC107"]


def test_keras_2s_arguments_of_every_layer_are_read_of_own_ones():
    config = {"name": "a", "trainable": False, "batch_input_shape": [None, 4], "dtype": "float32", "start": 1}
    item = {"class_name": "Custom>Offset", "config": config}
    spec = parse_spec(json.dumps({"class_name": "Sequential", "config": [item], "keras_version": "2.2.4"}))
    assert spec.members()[-1] == Offset(start=1, name="a", trainable=False)
    assert lower(spec)(torch.zeros(2, 4)).tolist() == [[1.0] * 4] * 2


def test_a_fault_in_an_own_layer_stands_where_it_is():
    report = validate_text("inputs: {x: [4]}\nlayers:\n  - Offset: {stat: 1}\n  - Offset: {start: a}\n")
    assert [(d.code.id, d.span.line, d.span.column) for d in report.diagnostics] == [("SC102", 3, 14), ("SC104", 4, 21)]
    assert "did you mean 'start'" in str(report)


def test_an_own_mask_reaches_the_layers_behind():
    model = Sequential([layers.Input((5, 3)), HideFirst(), Offset(), LSTM(2)])
    masked = keras.Sequential([keras.Input((5, 3)), keras.layers.LSTM(2)])
    values = model.get_weights()
    masked.set_weights(values[2:])
    x = np.random.default_rng(0).standard_normal((2, 5, 3)).astype("float32")
    expected = masked.layers[-1](torch.from_numpy(x) + 2.0, mask=torch.tensor([[False, True, True, True, True]] * 2))
    np.testing.assert_allclose(model.predict(x, verbose=0), expected.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_a_keras_mask_passes_an_own_layer_that_supports_masking():
    for own, passed in ((Offset(), True), (Lambda(), False)):
        model = Sequential([layers.Input((5,)), Embedding(6, 3, mask_zero=True), own, LSTM(2, return_sequences=True)])
        model.compile(loss="mse")
        x = np.array([[1, 2, 0, 0, 3]])
        steps = model.predict(x, verbose=0)[0]
        assert np.array_equal(steps[1], steps[2]) is passed


def test_a_tensor_made_while_lowering_is_told():
    class Eager(LayerSpec):
        """Adds a tensor that the graph knows nothing of."""

    register_layer(Eager)
    lowers(Eager)(lambda layer, call, x: x + torch.ones(4))
    with pytest.raises(TypeError, match="the lowering of layer 'eager' computes with a tensor of its own"):
        lower(parse_spec("inputs: {x: [4]}\nlayers: [Eager]"))


def test_own_layers_stand_in_wrappers_and_nested_models():
    text = (
        "inputs: {x: [5, 4]}\nlayers: [{TimeDistributed: {layer: Offset}}, inner]\nmodels: {inner: {layers: [Offset]}}"
    )
    spec = parse_spec(text)
    assert lower(spec)(torch.zeros(2, 5, 4)).tolist() == [[[4.0] * 4] * 5] * 2
    for dialect in DIALECTS:
        assert lower(parse_spec(to_json(spec, dialect)))(torch.zeros(1, 5, 4)).shape == (1, 5, 4)


def test_the_layer_is_pickled_copied_and_shown_as_any_other():
    layer = Offset(start=1, name="a")
    assert Offset.from_config(layer.get_config()) == layer and "start=1.0" in repr(layer)
    assert layers.Offset is Offset and "Offset" in dir(layers)
    assert Dense(2, name="d") != layer


class Faulty(LayerSpec):
    """A layer with a mistake, the kind that `fault` says."""

    fault: str

    def infer_shape(self, x):
        return {"number": 7, "nothing": None, "list": list(x), "half": (x[0], x[1] / 2)}.get(self.fault, x)

    def variables(self, x):
        if self.fault in ("no list", "open"):
            return (
                Variable("offset", (4,), "ones") if self.fault == "no list" else [Variable("offset", (None,), "ones")]
            )
        return [Variable("offset", (x[-1] + (self.fault == "long"),), {"class_name": "Ones"})]


@lowers(Faulty)
def faulty(layer, call, x):
    name = "offsets" if layer.fault == "misnamed" else "offset"
    place = "wieght" if layer.fault == "misplaced" else "weight"
    rules = [] if layer.fault == "no rule" else [Rule(name, place)]
    y = call.module(ModuleExpr(Shift, call.shapes[0][-1]), rules)(x)
    return None if layer.fault == "no output" else (y, y) if layer.fault == "two outputs" else y


FAULTS = {
    "number": "Faulty.infer_shape() returned 7, expected a tuple",
    "nothing": "Faulty.infer_shape() returned None, expected a tuple",
    "list": "Faulty.infer_shape() returned [None, 4], expected a tuple",
    "half": "Faulty.infer_shape() returned (None, 2.0), expected a tuple",
    "no list": "Faulty.variables() returned <Variable>, expected a list of Variables",
    "long": "weight 'offset' has shape (5,) by variables(), and is 'weight' (4,) by its Rules",
    "no rule": "its variables() are ['offset'], and the Rules of its lowering place []",
    "misnamed": "its variables() are ['offset'], and the Rules of its lowering place ['offsets']",
    "misplaced": "a Rule has weight 'offset' be 'wieght', and the module has ['weight', 'seen']",
    "no output": "its lowering returned (None), and its infer_shape() tells of 1 output",
    "two outputs": "its lowering returned (a tensor, a tensor), and its infer_shape() tells of 1 output",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_an_own_layer_gives_amiss_is_told_as_its_own(fault):
    register_layer(Faulty)
    with pytest.raises(ContractError) as told:
        lower(parse_spec(f"inputs: {{x: [4]}}\nlayers: [Faulty: {{fault: {fault}}}]"))
    assert FAULTS[fault] in str(told.value) and told.value.module == __name__


def test_a_weight_of_unknown_length_is_the_files_fault():
    register_layer(Faulty)
    report = validate_text("inputs: {x: [4]}\nlayers: [Faulty: {fault: open}]")
    assert "2:10: layer 'faulty': its weight 'offset' has shape (None,), whose lengths must be known" in str(report)


def test_a_weight_may_name_what_it_starts_from():
    variable = Variable(
        "w", (2,), "he_normal", regularizer={"class_name": "L2", "config": {"l2": 0.5}}, constraint="non_neg"
    )
    assert variable == Variable("w", (2,), initializers.HeNormal(), regularizer=L2(0.5), constraint=NonNeg())
    with pytest.raises(SpecError, match="weight 'w': unknown initializer 'he_norml'"):
        Variable("w", (2,), "he_norml")


class Between(LayerSpec):
    """A layer with arguments of most kinds that `spec_compiler.fields` has."""

    size: fields.Pair = (1, 1)
    rate: fields.Rate = 0.5
    activation: fields.Activation = "linear"
    start: fields.InitializerField = "zeros"


def test_arguments_of_the_public_types_are_checked_and_described():
    register_layer(Between)
    good = "{size: 2, rate: 0, activation: relu, start: {HeNormal: {seed: 1}}}"
    layer = parse_spec(f"inputs: {{x: [4]}}\nlayers: [Between: {good}]").members()[-1]
    assert (layer.size, layer.rate, layer.start) == ((2, 2), 0, initializers.HeNormal(seed=1))
    report = validate_text("inputs: {x: [4]}\nlayers: [Between: {size: 0, rate: 2, activation: rleu, start: oness}]")
    for place in ("size", "rate", "activation", "start"):
        assert f"Between.{place}" in str(report)
    described = schema.model_schema()["$defs"]["layer.Between"]["properties"]
    assert described["start"]["$ref"] == "#/$defs/initializer" and described["rate"]["maximum"] == 1


def test_an_unknown_layer_in_python_is_told_what_is_near():
    with pytest.raises(AttributeError, match=r"spec_compiler\.layers has no layer 'Offst': did you mean 'Offset'\?"):
        layers.Offst  # noqa: B018
