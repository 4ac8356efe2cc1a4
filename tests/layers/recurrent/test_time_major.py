"""`time_major`, which Keras 3 lacks: what its layer computes on the transposed batch, transposed back."""

from __future__ import annotations

import itertools
import json
import types
import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import torch

from spec_compiler.codegen import emit
from spec_compiler.diagnostics import Reporter
from spec_compiler.dialects.write import DIALECTS, to_json
from spec_compiler.ir import Graph, values_in
from spec_compiler.loading import parse_spec, validate
from spec_compiler.lowering.lower import assign, build, parameters_of, weights
from spec_compiler.lowering.names import class_name
from spec_compiler.lowering.to_fx import lower_graph
from spec_compiler.nn.steps import States
from spec_compiler.passes import check
from tests.layers.check import _said, assert_close

L = keras.layers
BATCH, STEPS, FEATURES = 4, 5, 3

LAYERS: dict[str, Callable[..., keras.Layer]] = {
    "lstm": lambda **kwargs: L.LSTM(4, **kwargs),
    "lstm in a loop": lambda **kwargs: L.LSTM(4, recurrent_activation="hard_sigmoid", **kwargs),
    "gru": lambda **kwargs: L.GRU(4, **kwargs),
    "gru, reset before": lambda **kwargs: L.GRU(4, reset_after=False, **kwargs),
    "simple": lambda **kwargs: L.SimpleRNN(4, use_bias=False, **kwargs),
    "cells": lambda **kwargs: L.RNN([L.LSTMCell(4), L.GRUCell(2)], **kwargs),
    "both ways": lambda **kwargs: L.Bidirectional(L.LSTM(4, **kwargs)),
    "both ways, summed": lambda **kwargs: L.Bidirectional(L.GRU(4, **kwargs), "sum"),
    "both ways, apart": lambda **kwargs: L.Bidirectional(L.SimpleRNN(4, **kwargs), None),
}
GRID = [
    case
    for case in itertools.product(LAYERS, [False, True], [False, True], [False, True], [False, True], [False, True])
    if not (case[0].startswith("both ways") and case[3])  # Keras 3 wants the backward layer stated then
]


def time_major(value: Any) -> Any:
    """Keras's document with every recurrent layer, and every sequence that goes in, steps first."""
    if isinstance(value, list):
        return [time_major(one) for one in value]
    if not isinstance(value, dict):
        return value
    value = {key: time_major(one) for key, one in value.items()}
    config = value.get("config")
    if value.get("class_name") in ("LSTM", "GRU", "SimpleRNN", "RNN"):
        value["config"] = {**config, "time_major": True}
    if value.get("class_name") == "InputLayer" and config["name"] in ("x", "mask"):
        first, second, *rest = config["batch_shape"]
        value["config"] = {**config, "batch_shape": [second, first, *rest]}
    return value


def checked(document: Any) -> Graph:
    reporter = Reporter()
    graph = check(parse_spec(json.dumps(document)), reporter)
    assert graph is not None, reporter.result()
    return graph


def lowered(oracle: keras.Model) -> tuple[Graph, torch.fx.GraphModule]:
    """Our time-major module of a Keras model, both with the same random weights."""
    rng = np.random.default_rng(0)
    oracle.set_weights([rng.standard_normal(w.shape).astype("float32") * 0.5 for w in oracle.weights])
    graph = checked(time_major(json.loads(oracle.to_json())))
    found = lower_graph(graph)
    module = build(found).eval()
    with torch.no_grad():
        for (layer, _, rules), value in zip(weights(found), oracle.get_weights(), strict=True):
            assign(parameters_of(module, layer, rules), rules, torch.from_numpy(value))
    return graph, module


def swapped(tensor: torch.Tensor, sequences: bool = True) -> torch.Tensor:
    return tensor.transpose(0, 1).contiguous() if sequences else tensor


@pytest.mark.parametrize(("name", "sequences", "state", "backwards", "masked", "started"), GRID)
def test_layer_computes_what_keras_computes_of_the_transposed_batch(
    name: str, sequences: bool, state: bool, backwards: bool, masked: bool, started: bool
) -> None:
    layer = LAYERS[name](return_sequences=sequences, return_state=state, go_backwards=backwards)
    x = keras.Input(batch_shape=(BATCH, STEPS, FEATURES), name="x")
    mask = keras.Input(batch_shape=(BATCH, STEPS), dtype="bool", name="mask")
    inner = getattr(layer, "forward_layer", layer)
    sizes = inner.state_size if isinstance(inner.state_size, (list, tuple)) else [inner.state_size]
    states = [keras.Input(batch_shape=(BATCH, n)) for n in [*keras.tree.flatten(sizes)] * (1 + (inner is not layer))]
    if name == "cells":
        given: Any = [states[:2], states[2:]]
    else:
        given = states
    kwargs = ({"mask": mask} if masked else {}) | ({"initial_state": given} if started else {})
    inputs = [x, *([mask] if masked else []), *(states if started else [])]
    oracle = keras.Model(inputs, layer(x, **kwargs))
    graph, module = lowered(oracle)

    rng = np.random.default_rng(1)
    arrays = [torch.from_numpy(rng.standard_normal(tuple(t.shape)).astype("float32")) for t in inputs]
    if masked:
        arrays[1] = torch.from_numpy(rng.random((BATCH, STEPS)) < 0.6)
    theirs = keras.tree.flatten(oracle(arrays, training=False))
    with torch.no_grad():
        ours = keras.tree.flatten(module(*[swapped(a, i < 1 + masked) for i, a in enumerate(arrays)]))
    outputs = 2 if name == "both ways, apart" else 1
    assert [tuple(y.shape) for y in ours] == [value.shape for value in values_in(graph.outputs)]
    for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        assert_close(a, swapped(b, sequences and i < outputs), f"output {i}")
    _assert_source(graph, module, [swapped(a, i < 1 + masked) for i, a in enumerate(arrays)], ours)


def _assert_source(graph: Graph, module: torch.nn.Module, arrays: list[torch.Tensor], ours: list[torch.Tensor]) -> None:
    emitted = types.ModuleType("emitted")
    exec(compile(emit(lower_graph(graph)), "<emitted>", "exec"), emitted.__dict__)
    again = getattr(emitted, class_name(graph.name))()
    again.load_state_dict(module.state_dict())
    with torch.no_grad():
        for a, b in zip(keras.tree.flatten(again.eval()(*arrays)), ours, strict=True):
            assert torch.equal(a, b)


@pytest.mark.parametrize("name", LAYERS)
def test_stateful_layer_continues_where_the_last_batch_ended(name: str) -> None:
    x = keras.Input(batch_shape=(BATCH, STEPS, FEATURES), name="x")
    oracle = keras.Model(x, LAYERS[name](stateful=True, return_sequences=True)(x))
    _, module = lowered(oracle)
    assert any(isinstance(kept, States) for kept in module.modules())
    rng = np.random.default_rng(2)
    for _ in range(3):
        batch = torch.from_numpy(rng.standard_normal((BATCH, STEPS, FEATURES)).astype("float32"))
        with torch.no_grad():
            ours, theirs = keras.tree.flatten(module(swapped(batch))), keras.tree.flatten(oracle(batch))
        for a, b in zip(ours, theirs, strict=True):
            assert_close(a, swapped(b), "output")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_document_says_so_in_every_dialect(dialect: str) -> None:
    x = keras.Input(batch_shape=(BATCH, STEPS, FEATURES), name="x")
    y = L.Bidirectional(L.GRU(4, return_sequences=True))(x)
    oracle = keras.Model(
        x, L.RNN([L.LSTMCell(3)])(L.SimpleRNN(3, return_sequences=True)(L.LSTM(4, return_sequences=True)(y)))
    )
    graph = checked(time_major(json.loads(oracle.to_json())))
    with warnings.catch_warnings(record=True) as told:
        document = to_json(graph.spec, dialect)
    assert [str(one.message).count("has no time_major") for one in told] == ([5] if dialect == "keras3" else [])
    again = check(parse_spec(document), Reporter())
    assert again is not None and _said(again) == _said(graph)
    assert document.count("time_major") >= 4
    if dialect == "keras3":
        with pytest.raises(ValueError, match="time_major"):
            keras.models.model_from_json(document)


def test_what_cannot_be_is_said() -> None:
    def model(*layers: dict[str, Any], shape: list[int | None]) -> str:
        first = {"class_name": "InputLayer", "config": {"name": "x", "batch_input_shape": shape}}
        return str(validate({"class_name": "Sequential", "config": {"layers": [first, *layers]}}))

    lstm = {"class_name": "LSTM", "config": {"units": 4, "time_major": True, "return_sequences": True}}
    plain = {"class_name": "LSTM", "config": {"units": 4, "go_backwards": True, "return_sequences": True}}
    last = {"class_name": "LSTM", "config": {"units": 4, "time_major": True}}
    conv = {"class_name": "ConvLSTM1D", "config": {"filters": 2, "kernel_size": 2, "time_major": True}}
    backwards = {"units": 4, "time_major": True, "go_backwards": True}

    def around(class_name: str, layer: Any, **config: Any) -> dict[str, Any]:
        return {"class_name": class_name, "config": {"layer": layer, **config}}

    def with_(layer: dict[str, Any], **config: Any) -> dict[str, Any]:
        return {**layer, "config": {**layer["config"], **config}}

    assert model(lstm, shape=[None, 4, 3]) == ""
    assert model(with_(lstm, stateful=True), shape=[None, 4, 3]) == ""
    assert "needs to know the batch size" in model(with_(lstm, stateful=True), shape=[5, None, 3])
    assert model(around("TimeDistributed", lstm), shape=[None, 2, 4, 3]) == ""
    assert "must return sequences here" in model(around("TimeDistributed", last), shape=[None, 2, 4, 3])
    both = around(
        "Bidirectional", with_(lstm, return_sequences=False), backward_layer=with_(plain, return_sequences=False)
    )
    assert "cannot be merged by 'concat'" in model(both, shape=[5, 4, 3])
    assert model(around("Bidirectional", lstm, backward_layer=plain), shape=[5, 4, 3]) == ""
    assert model(conv, shape=[None, 4, 5, 2]) == ""
    assert "has its batch turned round" in model(around("Bidirectional", conv), shape=[None, 4, 5, 2])
    assert model({"class_name": "CuDNNLSTM", "config": {"units": 4, "time_major": True}}, shape=[None, 4, 3]) == ""
    assert "turns the batch round" in model({"class_name": "CuDNNGRU", "config": backwards}, shape=[None, 4, 3])
