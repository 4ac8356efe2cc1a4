"""A model run at every step of a sequence, `TimeDistributed(model)`: what Keras computes, trains and loads."""

from __future__ import annotations

import json
import types
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import torch

from spec_compiler.codegen import emit
from spec_compiler.dialects.write import DIALECTS, to_json
from spec_compiler.loading import parse_spec, validate
from spec_compiler.lowering.lower import lower_spec
from spec_compiler.lowering.names import class_name
from spec_compiler.passes.check_budget import Budget
from spec_compiler.runtime.model import Model
from tests.layers.check import assert_close

L = keras.layers
IMAGE = (6, 6, 2)


def convolutional() -> keras.Model:
    layers = [L.Conv2D(3, 3, activation="relu"), L.BatchNormalization(), L.MaxPooling2D(), L.Flatten(), L.Dense(4)]
    return keras.Sequential([keras.Input(IMAGE), *layers], name="cnn")


def graph() -> keras.Model:
    x = keras.Input(IMAGE)
    y = L.Conv2D(3, 3, padding="same", activity_regularizer="l2")(x)
    return keras.Model(x, L.GlobalAveragePooling2D()(L.Add()([y, L.Conv2D(3, 1)(x)])), name="graph")


def built_when_called() -> keras.Model:
    return keras.Sequential([L.Flatten(), L.Dense(4)], name="built")


def nested() -> keras.Model:
    return keras.Sequential([keras.Input(IMAGE), convolutional(), L.Dense(2)], name="outer")


def masked() -> keras.Model:
    layers = [L.Reshape((36, 2)), L.Masking(), L.LSTM(3)]
    return keras.Sequential([keras.Input(IMAGE), *layers], name="masked")


MODELS: list[Callable[[], keras.Model]] = [convolutional, graph, built_when_called, nested, masked]


def around(model: keras.Model, steps: int | None, **config: Any) -> keras.Model:
    x = keras.Input((steps, *IMAGE), name="x")
    found = keras.Model(x, L.GRU(3)(L.TimeDistributed(model, name="steps", **config)(x)))
    rng = np.random.default_rng(0)
    values = [rng.standard_normal(w.shape).astype("float32") * 0.5 for w in found.weights]
    found.set_weights([np.abs(v) if "variance" in w.path else v for v, w in zip(values, found.weights, strict=True)])
    return found


def batch() -> np.ndarray[Any, Any]:
    x = np.random.default_rng(1).standard_normal((4, 5, *IMAGE)).astype("float32")
    x[1, 1, :3] = 0
    return x


@pytest.mark.parametrize("steps", [5, None])
@pytest.mark.parametrize("make", MODELS)
def test_model_at_every_step_computes_and_trains_as_in_keras(
    make: Callable[[], keras.Model], steps: int | None
) -> None:
    theirs = around(make(), steps)
    document = theirs.to_json()
    assert str(validate(json.loads(document))) == ""
    ours = Model.from_spec(parse_spec(document))
    ours.set_weights(theirs.get_weights())
    assert ours.count_params() == theirs.count_params()
    x = batch()

    def assert_same() -> None:
        assert_close(torch.from_numpy(ours.predict(x, verbose=0)), torch.from_numpy(theirs.predict(x, verbose=0)), "y")

    assert_same()
    if make in (convolutional, nested):
        return  # In training Keras 3 normalizes one step after another, Keras 2 and we all steps together.
    for model in (ours, theirs):
        model.compile(optimizer="sgd", loss="mse")
    for _ in range(2):
        losses = [model.train_on_batch(x, np.ones((4, 3), "float32")) for model in (ours, theirs)]
        np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        assert_close(torch.from_numpy(a), torch.from_numpy(b), "weight")
    assert_same()


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("make", MODELS)
def test_document_reads_as_the_same_model(make: Callable[[], keras.Model], dialect: str) -> None:
    theirs = around(make(), 5)
    document = to_json(parse_spec(theirs.to_json()), dialect)
    found = Model.from_spec(parse_spec(document))
    # Keras 2 has the weights in another order: in a wrapper, what trains first.
    paths = [weight.path for weight in Model.from_spec(parse_spec(theirs.to_json())).weights]
    weights = dict(zip(paths, theirs.get_weights(), strict=True))
    found.set_weights([weights[weight.path] for weight in found.weights])
    x = batch()
    expected = torch.from_numpy(theirs.predict(x, verbose=0))
    assert_close(torch.from_numpy(found.predict(x, verbose=0)), expected, "output")
    if dialect == "keras3":
        loaded = keras.models.model_from_json(document)
        loaded.set_weights(theirs.get_weights())
        assert_close(torch.from_numpy(loaded.predict(x, verbose=0)), expected, "Keras's output")


@pytest.mark.parametrize("make", MODELS)
def test_emitted_source_and_export_are_the_module(make: Callable[[], keras.Model]) -> None:
    theirs = around(make(), None)
    lowered = lower_spec(parse_spec(theirs.to_json()))
    module = Model.from_spec(parse_spec(theirs.to_json())).module.eval()
    emitted = types.ModuleType("emitted")
    exec(compile(emit(lowered), "<emitted>", "exec"), emitted.__dict__)
    again = getattr(emitted, class_name(lowered.graph.name))().eval()
    again.load_state_dict(module.state_dict())
    x = torch.from_numpy(batch())
    with torch.no_grad():
        assert torch.equal(again(x), module(x))
        assert_close(torch.export.export(module, (x,)).module()(x), module(x), "exported")


def test_mask_of_the_steps_goes_past_the_model() -> None:
    x = keras.Input((5, 3), name="x")
    inner = keras.Sequential([keras.Input((3,)), L.Dense(4, activation="tanh"), L.Dense(2)], name="inner")
    theirs = keras.Model(x, L.GRU(3)(L.TimeDistributed(inner)(L.Masking()(x))))
    ours = Model.from_spec(parse_spec(theirs.to_json()))
    ours.set_weights(theirs.get_weights())
    values = np.random.default_rng(0).standard_normal((4, 5, 3)).astype("float32")
    values[0, 2:] = values[2, :1] = 0
    found, expected = (torch.from_numpy(model.predict(values, verbose=0)) for model in (ours, theirs))
    assert_close(found, expected, "output")


@pytest.mark.parametrize("shape", [(3, 5), (None, None)])
def test_mask_within_the_steps_reaches_the_model(shape: tuple[int | None, ...]) -> None:
    x = keras.Input(shape, dtype="int32", name="x")
    inner = keras.Sequential([keras.Input((shape[1], 3)), L.Dense(4, activation="tanh"), L.LSTM(2)], name="inner")
    theirs = keras.Model(x, L.TimeDistributed(inner)(L.Embedding(4, 3, mask_zero=True)(x)))
    lowered = lower_spec(parse_spec(theirs.to_json()))
    ours = Model.from_spec(parse_spec(theirs.to_json()))
    ours.set_weights(theirs.get_weights())
    ids = np.random.default_rng(0).integers(0, 4, (4, 3, 5)).astype("int32")
    found, expected = (torch.from_numpy(model.predict(ids, verbose=0)) for model in (ours, theirs))
    assert_close(found, expected, "output")
    emitted = types.ModuleType("emitted")
    exec(compile(emit(lowered), "<emitted>", "exec"), emitted.__dict__)
    again = getattr(emitted, class_name(lowered.graph.name))().eval()
    again.load_state_dict(ours.module.state_dict())
    with torch.no_grad():
        assert_close(again(torch.from_numpy(ids)), expected, "emitted source")


def test_wrapper_is_called_on_sequences_of_two_lengths() -> None:
    inputs = [keras.Input((n, 3)) for n in (5, 7)]
    steps = L.TimeDistributed(keras.Sequential([L.Dense(4, activation="tanh"), L.Dense(2)], name="inner"))
    theirs = keras.Model(inputs, [steps(x) for x in inputs])
    ours = Model.from_spec(parse_spec(theirs.to_json()))
    ours.set_weights(theirs.get_weights())
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((2, n, 3)).astype("float32") for n in (5, 7)]
    for a, b in zip(ours.predict(arrays, verbose=0), theirs.predict(arrays, verbose=0), strict=True):
        assert_close(torch.from_numpy(a), torch.from_numpy(b), "output")


def test_budget_counts_every_step() -> None:
    x = keras.Input((5, 3))
    inner = keras.Sequential([keras.Input((3,)), L.Dense(100), L.Dense(2)])
    document = json.loads(keras.Model(x, L.TimeDistributed(inner)(x)).to_json())
    for activations, ok in ((5 * 102, True), (5 * 102 - 1, False)):
        assert validate(document, budget=Budget(activations=activations)).ok is ok


def test_wrapper_freezes_the_model_when_it_is_set_so() -> None:
    document = around(built_when_called(), 5, trainable=False).to_json()
    ours = Model.from_spec(parse_spec(document))
    theirs = keras.models.model_from_json(document)
    for value in (None, False, True):
        for model in (ours, theirs) if value is not None else ():
            model.get_layer("steps").trainable = value
        assert [w.shape for w in ours.trainable_weights] == [tuple(w.shape) for w in theirs.trainable_weights]


def test_wrapper_has_the_weights_of_its_model() -> None:
    theirs = around(nested(), 5)
    ours = Model.from_spec(parse_spec(theirs.to_json()))
    ours.set_weights(theirs.get_weights())
    pairs = zip(ours.get_layer("steps").get_weights(), theirs.get_layer("steps").get_weights(), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)


def test_model_that_cannot_be_run_at_every_step_is_refused() -> None:
    def placed(class_name: str, name: str, nodes: list[Any], **config: Any) -> dict[str, Any]:
        return {"class_name": class_name, "name": name, "config": {"name": name, **config}, "inbound_nodes": nodes}

    def model(inputs: int, outputs: int) -> dict[str, Any]:
        layers = [placed("InputLayer", f"x{i}", [], batch_input_shape=[None, 4]) for i in range(inputs)]
        layers += [placed("Dense", f"y{i}", [[["x0", 0, 0]]], units=3) for i in range(outputs)]
        ends = {"input_layers": [[f"x{i}", 0, 0] for i in range(inputs)]}
        ends["output_layers"] = [[f"y{i}", 0, 0] for i in range(outputs)]
        return {"class_name": "Functional", "config": {"name": "m", "layers": layers, **ends}}

    def said(layer: dict[str, Any], shape: list[int | None]) -> str:
        first = {"class_name": "InputLayer", "config": {"name": "x", "batch_input_shape": shape}}
        return str(validate({"class_name": "Sequential", "config": {"layers": [first, layer]}}))

    def steps(layer: dict[str, Any]) -> dict[str, Any]:
        return {"class_name": "TimeDistributed", "config": {"layer": layer}}

    assert said(steps(model(1, 1)), [None, 5, 4]) == ""
    assert "takes 2 inputs, is called on 1 [SC206]" in said(steps(model(2, 1)), [None, 5, 4])
    assert "takes a model of one output, 'm' has 2" in said(steps(model(1, 2)), [None, 5, 4])
    assert "takes (None, 4) as 'x0', is called on (None, 3)" in said(steps(model(1, 1)), [None, 5, 3])
    assert "TimeDistributed" in said(steps(model(1, 1)), [None, 4])
    assert "cannot be run at every step in its turn" in said(steps(steps(model(1, 1))), [None, 5, 5, 4])
