"""Masks that reach a layer fit its input: every way to make one, before every layer that reads one."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import torch

from spec_compiler import emit, load_spec, lower, validate
from spec_compiler.diagnostics import Reporter
from spec_compiler.dialects.write import to_json
from spec_compiler.ir import Graph, values_in
from spec_compiler.lowering.lower import assign, build, parameters_of, weights
from spec_compiler.lowering.to_fx import lower_graph
from spec_compiler.passes import check
from tests.layers import keras_oracle
from tests.layers.check import _flat, assert_close

Data = dict[str, Any]

BATCH = 3
EMBEDDING = {"Embedding": {"input_dim": 5, "output_dim": 4, "mask_zero": True}}
SOURCES: dict[str, tuple[Data, list[Data]]] = {
    "of steps": ({"x": [5, 4]}, [{"Masking": {}}]),
    "of places": ({"x": [5, 3, 4]}, [{"Masking": {}}]),
    "of volumes": ({"x": [5, 3, 4, 2]}, [{"Masking": {}}]),
    "of samples": ({"x": [4]}, [{"Masking": {}}]),
    "of ids": ({"x": {"shape": [5], "dtype": "int32"}}, [EMBEDDING]),
    "of words": ({"x": {"shape": [5, 3], "dtype": "int32"}}, [EMBEDDING]),
    "of places put in a row": ({"x": [5, 3, 4]}, [{"Masking": {}}, {"TimeDistributed": {"layer": "Flatten"}}]),
    "of words made sentences": (
        {"x": {"shape": [5, 3], "dtype": "int32"}},
        [EMBEDDING, {"TimeDistributed": {"layer": {"LSTM": {"units": 4}}}}],
    ),
    "of steps that got an axis": (
        {"x": [5, 4]},
        [{"Masking": {}}, {"TimeDistributed": {"layer": {"RepeatVector": {"n": 3}}}}],
    ),
    "of attention with two axes out": (
        {"x": [5, 4]},
        [{"Masking": {}}, {"MultiHeadAttention": {"num_heads": 1, "key_dim": 2, "output_shape": [2, 3]}, "from": 2}],
    ),
    "of one step": ({"x": [1, 4]}, [{"Masking": {}}]),
}
"""Inputs, and the layers on them that make a mask; `from: 2` is the layer before, twice."""

SINGLE: list[Data] = [
    {"LSTM": {"units": 2}},
    {"GRU": {"units": 2, "return_sequences": True}},
    {"Bidirectional": {"layer": {"SimpleRNN": {"units": 2}}}},
    {"RNN": {"cell": [{"LSTMCell": {"units": 2}}]}},
    {"ConvLSTM1D": {"filters": 2, "kernel_size": 1}},
    {"GlobalAveragePooling1D": {}},
    {"GlobalAveragePooling1D": {"data_format": "channels_first"}},
    {"BatchNormalization": {}},
    {"BatchNormalization": {"axis": 1}},
    {"BatchNormalization": {"axis": [1, -1]}},
    {"Softmax": {}},
    {"TimeDistributed": {"layer": {"LSTM": {"units": 2}}}},
    {"TimeDistributed": {"layer": {"BatchNormalization": {}}}},
    {"SpectralNormalization": {"layer": {"Dense": {"units": 2}}}},
    {"Masking": {}},
]
HEADS = {"num_heads": 1, "key_dim": 2}
DOUBLE: list[Data] = [
    {"Add": {}},
    {"Multiply": {}},
    {"Maximum": {}},
    {"Concatenate": {}},
    {"Concatenate": {"axis": 1}},
    {"Attention": {}},
    {"AdditiveAttention": {}},
    {"MultiHeadAttention": HEADS},
    {"MultiHeadAttention": {**HEADS, "attention_axes": 1}},
    {"MultiHeadAttention": {**HEADS, "attention_axes": 2}},
    {"GroupQueryAttention": {"head_dim": 2, "num_query_heads": 2, "num_key_value_heads": 1}},
]
READERS: list[Data] = [
    {},
    {"LSTM": {"units": 2}},
    {"BatchNormalization": {}},
    {"Multiply": {}, "from": ["layer", "layer"]},
]
"""What reads the mask that comes out."""


def inputs_of(stated: Data) -> Data:
    """The inputs, their batch's size stated."""
    return {
        key: {**(value if isinstance(value, dict) else {"shape": value}), "batch_size": BATCH}
        for key, value in stated.items()
    }


def documents(source: str) -> list[Data]:
    """The source before each layer that reads a mask, and each of these before another."""
    inputs, made = SOURCES[source]
    layers: list[Data] = []
    for i, layer in enumerate(made):
        named = {**layer, "name": f"mask_{i}"}
        layers.append({**named, "from": [f"mask_{i - 1}"] * layer["from"]} if "from" in layer else named)
    last = layers[-1]["name"]
    layers += [{"Rescaling": {"scale": 1}, "name": "scaled"}, {"Masking": {}, "name": "own", "from": "x"}]
    items = [{**layer, "from": last} for layer in SINGLE]
    others = [(last, last), (last, "scaled"), ("own", last), (last, "own"), (last, "x"), ("x", last)]
    items += [{**layer, "from": [*pair]} for layer in DOUBLE for pair in others]
    found = [
        [*layers, {**item, "name": "layer"}, *([reader] if reader else [])] for item in items for reader in READERS
    ]
    return [{"inputs": inputs_of(inputs), "layers": one} for one in found]


def given(layer: Data, shape: list[int], mask: list[int], dtype: str, name: str = "mask") -> Data:
    """The layer on an input of `shape`, with a mask of `mask` stated in the call."""
    inputs = inputs_of({"x": shape, "m": {"shape": mask, "dtype": dtype}})
    x = ["x", "x"] if layer in DOUBLE else "x"
    return {"inputs": inputs, "layers": [{**layer, "name": "layer", "from": x, "with": {name: {"from": "m"}}}]}


def assert_runs_if_sound(document: Data) -> None:
    report = validate(document)
    assert "internal" not in str(report)
    if not report.ok:
        return
    spec = load_spec(document)
    graph = check(spec, Reporter())
    assert graph is not None
    module = lower(spec)
    emit(spec)
    for training in (True, False):
        outputs = _flat(module.train(training)(*tensors(graph)))
    for value, y in zip(values_in(graph.outputs), outputs, strict=True):
        assert value.shape is not None
        assert len(value.shape) == y.dim() and all(n in (None, m) for n, m in zip(value.shape, y.shape, strict=True))
        assert str(y.dtype) == f"torch.{value.dtype}"


def tensors(graph: Graph) -> list[torch.Tensor]:
    """Random inputs; masks have a step in every row."""
    rng = np.random.default_rng(0)
    found = []
    for value in graph.inputs:
        assert value.shape is not None
        numbers = rng.integers(0, 3, value.shape)
        numbers.reshape(BATCH, -1)[:, -1] = 1
        floats = rng.standard_normal(value.shape) * (numbers > 0) if value.dtype == "float32" else numbers
        floats = np.minimum(numbers, 1) if value.name == "m" else floats
        found.append(torch.from_numpy(np.array(floats)).to(getattr(torch, value.dtype)))
    return found


@pytest.mark.parametrize("source", SOURCES)
def test_a_mask_on_its_way_fits_or_is_told(source: str) -> None:
    for document in documents(source):
        assert_runs_if_sound(document)


@pytest.mark.parametrize("dtype", ["bool", "float32", "int32"])
@pytest.mark.parametrize("shape", [[4], [5, 4], [5, 3, 4]], ids=str)
def test_a_stated_mask_fits_or_is_told(shape: list[int], dtype: str) -> None:
    for mask in ([], [5], [4], [1], [5, 1], [5, 4], [5, 3], [5, 5], [1, 5, 5], [5, 3, 4]):
        for layer in SINGLE:
            assert_runs_if_sound(given(layer, shape, mask, dtype))
        for layer in DOUBLE[5:]:
            for name in ("query_mask", "value_mask", "key_mask", "attention_mask", "mask"):
                assert_runs_if_sound(given(layer, shape, mask, dtype, name))


def sentences(layer: Data, shape: list[int] = [5, 3]) -> Data:  # noqa: B006  # not written to
    """The layer at every sentence, on its words, of which some are padding."""
    inputs = inputs_of({"x": {"shape": shape, "dtype": "int32"}})
    return {"inputs": inputs, "layers": [EMBEDDING, {"TimeDistributed": {"layer": layer}}]}


WORDS = documents("of words made sentences")
AXES = [{"MultiHeadAttention": {**HEADS, "attention_axes": 1}, "name": "layer", "from": ["mask_1", "mask_1"]}]


@pytest.mark.parametrize(
    "document",
    [
        *(given({"LSTM": {"units": 2}}, [5, 4], [5], dtype) for dtype in ("bool", "float32", "int32")),
        *(given({"GlobalAveragePooling1D": {}}, [5, 4], [5], dtype) for dtype in ("float32", "int32")),
        *(given({"BatchNormalization": {}}, [5, 4], [5], dtype) for dtype in ("float32", "int32")),
        *(
            given({"MultiHeadAttention": HEADS}, [5, 4], mask, "bool", "attention_mask")
            for mask in ([5, 5], [1, 5], [5, 1], [1, 5, 5])
        ),
        *(given({"GroupQueryAttention": DOUBLE[-1]["GroupQueryAttention"]}, [5, 4], [5], "bool", "value_mask"),),
        {**documents("of steps that got an axis")[0], "layers": [*documents("of steps that got an axis")[0]["layers"][:2], *AXES]},
        *({**WORDS[0], "layers": [*WORDS[0]["layers"][:2], {"Concatenate": {}, "name": "joined", "from": pair}, {"LSTM": {"units": 3}}]}
          for pair in (["mask_1", "mask_1"],)),
        *(sentences(inner) for inner in (
            {"LSTM": {"units": 3}}, {"GRU": {"units": 3, "return_sequences": True}},
            {"Bidirectional": {"layer": {"SimpleRNN": {"units": 2}}}}, {"GlobalAveragePooling1D": {}},
            {"TimeDistributed": {"layer": {"Dense": {"units": 2}}}}, {"Dense": {"units": 2}},
        )),
        sentences({"TimeDistributed": {"layer": {"LSTM": {"units": 3}}}}, [2, 5, 3]),
        {**sentences({}), "inputs": inputs_of({"x": [5, 4]}),
         "layers": [{"Masking": {}}, {"TimeDistributed": {"layer": {"Dense": {"units": 3}}}}, {"LSTM": {"units": 3}}]},
    ],
)  # fmt: skip
def test_masks_that_fit_are_followed_as_in_keras(document: Data) -> None:
    spec = load_spec(document)
    graph = check(spec, Reporter())
    assert graph is not None
    lowered = lower_graph(graph)
    module = build(lowered)
    theirs = keras.models.model_from_json(to_json(spec, "keras3"))
    values = keras_oracle.randomize(theirs, np.random.default_rng(1))
    with torch.no_grad():
        for (layer, _, rules), value in zip(weights(lowered), values, strict=True):
            assign(parameters_of(module, layer, rules), rules, keras_oracle.tensor(value))
    for training in (True, False):
        with torch.no_grad():
            ours = _flat(module.train(training)(*tensors(graph)))
            expected = _flat(theirs(tensors(graph), training=training))
        for i, (a, b) in enumerate(zip(ours, expected, strict=True)):
            assert_close(a, b, f"output {i}")


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (given({"LSTM": {"units": 2}}, [5, 4], [4], "bool"), "follows a mask of shape (3, 5), and that of its input has (3, 4)"),
        (given({"LSTM": {"units": 2}}, [5, 4], [5, 4], "bool"), "follows a mask of rank 2, and that of its input has 3"),
        (given({"MultiHeadAttention": HEADS}, [5, 4], [4], "bool", "value_mask"), "value_mask of shape (3, 4) does not fit (3, 5)"),
        (
            given({"MultiHeadAttention": HEADS}, [5, 4], [5, 4], "bool", "attention_mask"),
            "attention_mask of shape (3, 5, 4) does not fit (3, 1, 5, 5)",
        ),
        (
            {
                "inputs": inputs_of({"x": [5, 4], "y": [4]}),
                "layers": [
                    {"Masking": {}, "name": "a", "from": "x"},
                    {"Masking": {}, "name": "b", "from": "y"},
                    {"Add": {}, "from": ["a", "b"]},
                ],
            },
            "masks of its inputs cannot be put together, of shapes (3, 5), (3,)",
        ),
    ],
)  # fmt: skip
def test_a_mask_that_does_not_fit_is_told(document: Data, message: str) -> None:
    assert message in str(validate(document))
