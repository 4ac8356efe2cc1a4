"""Graphs of old files, written by hand as those files have them, beside the same graph made with today's Keras."""

from __future__ import annotations

import json
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from spec_compiler.loading import parse_spec
from spec_compiler.models import model_from_json
from tests.dialects.short.description import describe
from tests.models.oracle import ATOL, RTOL, randomize


def layer(class_name: str, name: str, nodes: list[Any], **config: Any) -> dict[str, Any]:
    return {"class_name": class_name, "name": name, "config": {"name": name, **config}, "inbound_nodes": nodes}


def model(placed: list[dict[str, Any]], inputs: list[Any], outputs: list[Any], name: str = "m") -> dict[str, Any]:
    config = {"name": name, "layers": placed, "input_layers": inputs, "output_layers": outputs}
    return {"class_name": "Functional", "config": config, "keras_version": "2.8.0", "backend": "tensorflow"}


def source(name: str, *shape: int | None, dtype: str = "float32") -> dict[str, Any]:
    return layer("InputLayer", name, [], batch_input_shape=list(shape), dtype=dtype)


def states_and_masks() -> tuple[dict[str, Any], keras.Model, list[np.ndarray]]:
    """Fixed batch, unknown steps, a mask as keyword, and `tensor_index` > 0 of `return_state`; layers in no order."""
    lstm = {"units": 4, "return_state": True, "return_sequences": True}
    document = model(
        [
            layer("Concatenate", "out", [[["pool", 0, 0, {}], ["back", 0, 0, {}]]], axis=-1),
            layer("GlobalAveragePooling1D", "pool", [[["front", 0, 0, {"mask": ["m", 0, 0]}]]]),
            layer("LSTM", "back", [[["y", 0, 0, {}], ["front", 0, 1, {}], ["front", 0, 2, {}]]], units=4),
            layer("LSTM", "front", [[["x", 0, 0, {"mask": ["m", 0, 0]}]]], **lstm),
            source("y", 2, None, 3),
            source("m", 2, None, dtype="bool"),
            source("x", 2, None, 3),
        ],
        [["x", 0, 0], ["y", 0, 0], ["m", 0, 0]],
        [["out", 0, 0]],
    )
    x, y = (keras.Input((None, 3), batch_size=2) for _ in range(2))
    m = keras.Input((None,), batch_size=2, dtype="bool")
    front = layers.LSTM(4, return_state=True, return_sequences=True, name="front")
    z, h, c = front(x, mask=m)
    out = layers.Concatenate()(
        [layers.GlobalAveragePooling1D()(z, mask=m), layers.LSTM(4, name="back")(y, initial_state=[h, c])]
    )
    rng = np.random.default_rng(0)
    mask = np.array([[True, True, False, False, True], [True, False, False, True, True]])
    arrays = [rng.normal(size=(2, 5, 3)).astype("float32"), rng.normal(size=(2, 4, 3)).astype("float32"), mask]
    return document, keras.Model([x, y, m], out), arrays


def nested_from_one() -> tuple[dict[str, Any], keras.Model, list[np.ndarray]]:
    """A nested model whose calls count from 1, and a layer shared by a call inside and outside of it."""
    inner = model(
        [source("i", None, 4), layer("Dense", "d", [[["i", 0, 0]]], units=4, activation="tanh")],
        [["i", 0, 0]], [["d", 0, 0]], "inner",
    )  # fmt: skip
    document = model(
        [
            source("x", None, 4),
            {**inner, "name": "inner", "inbound_nodes": [[["x", 0, 0, {}]], [["shared", 0, 0, {}]]]},
            layer("Dense", "shared", [[["inner", 1, 0, {}]], [["inner", 2, 0, {}]]], units=4),
            layer("Subtract", "out", [[["shared", 1, 0, {}], ["inner", 2, 0, {}]]]),
        ],
        [["x", 0, 0]], [["out", 0, 0]],
    )  # fmt: skip
    i = keras.Input((4,))
    block = keras.Model(i, layers.Dense(4, activation="tanh")(i), name="inner")
    x, shared = keras.Input((4,)), layers.Dense(4, name="shared")
    second = block(shared(block(x)))
    array = np.random.default_rng(1).normal(size=(5, 4)).astype("float32")
    return document, keras.Model(x, layers.Subtract()([shared(second), second])), [array]


@pytest.mark.parametrize("made", [states_and_masks, nested_from_one])
def test_old_graph_computes_what_keras_computes(made: Any) -> None:
    document, theirs, arrays = made()
    ours = model_from_json(json.dumps(document))
    assert ours.count_params() == theirs.count_params()
    assert ours.module is not None  # built, so that layers have weights to set
    randomize(theirs)
    for one in theirs.layers:
        if one.weights:
            ours.get_layer(one.name).set_weights(one.get_weights())
    given = arrays if len(arrays) > 1 else arrays[0]
    expected = theirs(given).detach().numpy()
    np.testing.assert_allclose(ours.predict(given, verbose=0, batch_size=len(arrays[0])), expected, RTOL, ATOL)


NODES = {
    "three": [[["x", 0, 0]]],
    "four": [[["x", 0, 0, {}]]],
    "four, null": [[["x", 0, 0, None]]],
    "one entry alone": [["x", 0, 0, {}]],
}


def chain(nodes: list[Any], inputs: Any, outputs: Any) -> str:
    return describe(
        parse_spec(json.dumps(model([source("x", 2, 4), layer("Dense", "y", nodes, units=3)], inputs, outputs)))
    )


@pytest.mark.parametrize("nodes", NODES)
@pytest.mark.parametrize("nested", [True, False])
def test_calls_and_ends_read_the_same_however_they_are_nested(nodes: str, nested: bool) -> None:
    ends = ([["x", 0, 0]], [["y", 0, 0]]) if nested else (["x", 0, 0], ["y", 0, 0])
    assert chain(NODES[nodes], *ends) == chain(NODES["three"], [["x", 0, 0]], [["y", 0, 0]])
