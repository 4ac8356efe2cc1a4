"""What `trainable` reaches of the layers that Keras makes inside a layer, given to it or set of it, against Keras."""

from __future__ import annotations

import json
import types
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

import spec_compiler
from spec_compiler import layers, parse_spec
from spec_compiler.models import Model, Sequential, model_from_json
from tests.models.oracle import randomize
from tests.models.test_trainable import listed

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

THEIRS = types.SimpleNamespace(L=keras.layers, Input=keras.Input, Model=keras.Model, Sequential=keras.Sequential)
OURS = types.SimpleNamespace(L=layers, Input=spec_compiler.Input, Model=Model, Sequential=Sequential)

Build = Callable[..., Any]
"""Makes the layer of a module of layers; `given` are arguments of the layer that says whether it trains."""

LAYERS: dict[str, tuple[tuple[int, ...], Build]] = {
    "MultiHeadAttention": ((5, 4), lambda k, **given: k.MultiHeadAttention(2, 3, name="l", **given)),
    "GroupQueryAttention": ((5, 4), lambda k, **given: k.GroupQueryAttention(3, 2, 1, name="l", **given)),
    "ConvLSTM1D": ((3, 5, 4), lambda k, **given: k.ConvLSTM1D(2, 2, name="l", **given)),
    "ConvLSTM2D": ((3, 5, 4, 2), lambda k, **given: k.ConvLSTM2D(2, 2, name="l", **given)),
    "ConvLSTM3D": ((2, 3, 4, 3, 2), lambda k, **given: k.ConvLSTM3D(2, 2, name="l", **given)),
    "LSTM": ((5, 4), lambda k, **given: k.LSTM(2, name="l", **given)),
    "GRU": ((5, 4), lambda k, **given: k.GRU(2, name="l", **given)),
    "SimpleRNN": ((5, 4), lambda k, **given: k.SimpleRNN(2, name="l", **given)),
    "RNN": ((5, 4), lambda k, **given: k.RNN(k.LSTMCell(2), name="l", **given)),
    "cells": ((5, 4), lambda k, **given: k.RNN([k.LSTMCell(2), k.GRUCell(3)], name="l", **given)),
    "a cell": ((5, 4), lambda k, **given: k.RNN([k.LSTMCell(2, **given), k.GRUCell(3)], name="l")),
    "Bidirectional": ((5, 4), lambda k, **given: k.Bidirectional(k.GRU(2), name="l", **given)),
    "both ways": ((5, 4), lambda k, **given: k.Bidirectional(k.LSTM(2, **given), name="l")),
    "images both ways": ((3, 5, 4), lambda k, **given: k.Bidirectional(k.ConvLSTM1D(2, 2, **given), name="l")),
    "TimeDistributed": ((5, 4), lambda k, **given: k.TimeDistributed(k.Dense(2), name="l", **given)),
    "images at every step": ((2, 3, 5, 4), lambda k, **given: k.TimeDistributed(k.ConvLSTM1D(2, 2, **given), name="l")),
    "SpectralNormalization": ((5, 4), lambda k, **given: k.SpectralNormalization(k.Dense(2), name="l", **given)),
    "SeparableConv1D": ((5, 4), lambda k, **given: k.SeparableConv1D(2, 2, name="l", **given)),
    "BatchNormalization": ((5, 4), lambda k, **given: k.BatchNormalization(name="l", **given)),
}


def model_of(kind: str, n: Any, nested: bool = False, **given: Any) -> Any:
    """The layer behind another with weights; `nested`: in a model of its own."""
    shape, build = LAYERS[kind]
    x, layer = n.Input(shape, name="x"), build(n.L, **given)
    y = n.L.Dense(shape[-1], name="before")(x)
    attends = kind.endswith("Attention")
    if not nested:
        return n.Model(x, n.L.Flatten(name="end")(layer(y, y) if attends else layer(y)))
    inner = n.Input(shape, name="inner_x")
    body = n.Model(inner, layer(inner, inner) if attends else layer(inner), name="inner")
    return n.Model(x, n.L.Flatten(name="end")(body(y)))


def layer_of(model: Any) -> Any:
    return (model.get_layer("inner") if any(layer.name == "inner" for layer in model.layers) else model).get_layer("l")


def assert_alike(ours: Any, theirs: Any) -> None:
    """The same weights are listed as training, and the same do, in a step of training."""
    ours.set_weights(randomize(theirs))
    for a, b in ((layer_of(ours), layer_of(theirs)), (ours, theirs)):
        assert a.trainable == b.trainable
        assert listed(a.weights) == listed(b.weights)
        assert [weight.trainable for weight in a.weights] == [weight.trainable for weight in b.weights]
        assert listed(a.trainable_weights) == listed(b.trainable_weights)
        assert listed(a.non_trainable_weights) == listed(b.non_trainable_weights)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((4, *theirs.input_shape[1:]))
    y = rng.standard_normal((4, *theirs.output_shape[1:]))
    for model in (ours, theirs):
        model.compile("sgd", "mse")
    np.testing.assert_allclose(ours.train_on_batch(x, y), theirs.train_on_batch(x, y), rtol=1e-5)
    for weight, a, b in zip(theirs.weights, ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5, err_msg=weight.path)


@pytest.mark.parametrize("nested", [False, True], ids=["", "nested"])
@pytest.mark.parametrize("kind", LAYERS)
def test_trainable_given_reaches_what_it_reaches_in_keras(kind: str, nested: bool) -> None:
    ours, theirs = (model_of(kind, n, nested, trainable=False) for n in (OURS, THEIRS))
    assert_alike(ours, theirs)
    document = theirs.to_json()
    assert_alike(model_from_json(document), keras.models.model_from_json(document))
    assert_alike(keras.models.model_from_json(ours.to_json()), keras.models.model_from_json(document))


@pytest.mark.parametrize("given", [{}, {"trainable": False}], ids=["", "given"])
@pytest.mark.parametrize("nested", [False, True], ids=["", "nested"])
@pytest.mark.parametrize("kind", LAYERS)
def test_trainable_set_reaches_all_within_as_in_keras(kind: str, nested: bool, given: dict[str, Any]) -> None:
    ours, theirs = (model_of(kind, n, nested, **given) for n in (OURS, THEIRS))
    assert_alike(ours, theirs)
    for value in (False, True, False):
        layer_of(ours).trainable = layer_of(theirs).trainable = value
        assert_alike(ours, theirs)
    # What was set of the layers that Keras makes inside is in no file.
    document = theirs.to_json()
    assert_alike(model_from_json(document), keras.models.model_from_json(document))


@pytest.mark.parametrize("kind", [kind for kind in LAYERS if kind.startswith(("Multi", "Group", "ConvLSTM"))])
def test_the_short_form_and_keras_2_freeze_the_layers_made_inside(kind: str) -> None:
    model = model_of(kind, OURS)
    layer_of(model).trainable = False
    for dialect in ["short", *(["keras2"] if kind != "GroupQueryAttention" else [])]:
        document = json.loads(model.to_json(dialect))
        again = Model.from_spec(parse_spec(json.dumps(document)))
        assert [weight.path for weight in again.trainable_weights] == ["before/kernel", "before/bias"], dialect
        # What they cannot say, that a layer does not train and what is inside does, they say by what trains.
        given = model_of(kind, OURS, trainable=False)
        again = Model.from_spec(parse_spec(given.to_json(dialect)))
        assert listed(again.trainable_weights) == listed(given.trainable_weights) == listed(given.weights)
