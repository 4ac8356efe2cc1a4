"""Documents of Keras 1 whose layers have other names today: read, given weights, and held to their old definitions."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pytest

from spec_compiler import validate_text
from spec_compiler.models import Model, model_from_json

rng = np.random.default_rng(0)


def sequential(*layers: dict[str, Any], shape: list[int | None]) -> Model:
    layers[0]["config"] |= {"batch_input_shape": [None, *shape], "input_dtype": "float32"}
    return model_from_json(json.dumps({"class_name": "Sequential", "keras_version": "1.2.2", "config": list(layers)}))


def merged(shapes: list[list[int]], **config: Any) -> Model:
    """A model of a `Merge` of inputs."""
    inputs = [
        {"class_name": "InputLayer", "name": f"in_{i}", "inbound_nodes": [],
         "config": {"batch_input_shape": [None, *shape], "input_dtype": "float32", "sparse": False, "name": f"in_{i}"}}
        for i, shape in enumerate(shapes)
    ]  # fmt: skip
    whole = {"name": "merge", "mode_type": "raw", "concat_axis": -1, "dot_axes": -1, "output_shape": None,
             "output_shape_type": "raw", "arguments": {}, "output_mask": None, "output_mask_type": "raw", **config}  # fmt: skip
    calls = [[[f"in_{i}", 0, 0] for i in range(len(shapes))]]
    layer = {"class_name": "Merge", "name": "merge", "config": whole, "inbound_nodes": calls}
    ends = {"input_layers": [[f"in_{i}", 0, 0] for i in range(len(shapes))], "output_layers": [["merge", 0, 0]]}
    config = {"name": "net", "layers": [*inputs, layer], **ends}
    return model_from_json(json.dumps({"class_name": "Model", "keras_version": "1.2.2", "config": config}))


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    length = np.sqrt((a * a).sum(-1, keepdims=True) * (b * b).sum(-1, keepdims=True))
    return (a * b).sum(-1, keepdims=True) / np.maximum(length, 1e-7)


THREE = [[3, 4]] * 3
MERGES: dict[str, tuple[list[list[int]], dict[str, Any], Any]] = {
    "sum": (THREE, {"mode": "sum"}, lambda a, b, c: a + b + c),
    "mul": (THREE, {"mode": "mul"}, lambda a, b, c: a * b * c),
    "ave": (THREE, {"mode": "ave"}, lambda a, b, c: (a + b + c) / 3),
    "max": (THREE, {"mode": "max"}, lambda a, b, c: np.maximum(np.maximum(a, b), c)),
    "concat": ([[3, 4], [3, 2]], {"mode": "concat"}, lambda a, b: np.concatenate([a, b], -1)),
    "concat 1": ([[3, 4], [2, 4]], {"mode": "concat", "concat_axis": 1}, lambda a, b: np.concatenate([a, b], 1)),
    "dot": ([[4], [4]], {"mode": "dot"}, lambda a, b: (a * b).sum(-1, keepdims=True)),
    "dot 1": ([[4], [4]], {"mode": "dot", "dot_axes": 1}, lambda a, b: (a * b).sum(-1, keepdims=True)),
    "dot lists": ([[4], [4]], {"mode": "dot", "dot_axes": [[1], [1]]}, lambda a, b: (a * b).sum(-1, keepdims=True)),
    "dot 2": ([[3, 4], [5, 4]], {"mode": "dot", "dot_axes": [2, 2]}, lambda a, b: np.einsum("bij,bkj->bik", a, b)),
    "dot -1": ([[3, 4], [5, 4]], {"mode": "dot", "dot_axes": -1}, lambda a, b: np.einsum("bij,bkj->bik", a, b)),
    "dot mixed": ([[4, 3], [5, 4]], {"mode": "dot", "dot_axes": [1, 2]}, lambda a, b: np.einsum("bji,bkj->bik", a, b)),
    "dot vector": ([[3, 4], [4]], {"mode": "dot", "dot_axes": [2, 1]}, lambda a, b: np.einsum("bij,bj->bi", a, b)),
    "cos": ([[4], [4]], {"mode": "cos"}, cosine),
    "cos 1": ([[4], [4]], {"mode": "cos", "dot_axes": 1}, cosine),
}


@pytest.mark.parametrize("name", MERGES)
def test_merge_in_every_mode(name: str) -> None:
    shapes, config, formula = MERGES[name]
    model = merged(shapes, **config)
    arrays = [rng.standard_normal((5, *shape)).astype("float32") for shape in shapes]
    expected = formula(*arrays)
    assert model.output_shape == (None, *expected.shape[1:])
    np.testing.assert_allclose(model.predict(arrays, verbose=0), expected, rtol=1e-5, atol=1e-6)


def test_time_distributed_dense_is_a_dense_layer_a_step() -> None:
    config = {"name": "steps", "output_dim": 3, "init": "glorot_uniform", "activation": "tanh", "input_dim": 4,
              "W_regularizer": None, "b_regularizer": None, "activity_regularizer": None, "W_constraint": None,
              "b_constraint": None, "input_length": None}  # fmt: skip
    model = sequential({"class_name": "TimeDistributedDense", "config": config}, shape=[None, 4])
    kernel, bias = (rng.standard_normal(shape).astype("float32") for shape in ((4, 3), (3,)))
    model.set_weights([kernel, bias])
    x = rng.standard_normal((2, 5, 4)).astype("float32")
    expected = np.stack([np.tanh(x[:, t] @ kernel + bias) for t in range(5)], axis=1)
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-5, atol=1e-6)


def convolved(x: np.ndarray, kernel: np.ndarray, rates: tuple[int, ...], strides: tuple[int, ...]) -> np.ndarray:
    """A valid convolution of (batch, *lengths, channels) whose window has holes, summed element by element."""
    rank = len(rates)
    spans = [r * (k - 1) + 1 for r, k in zip(rates, kernel.shape, strict=False)]
    places = [(n - span) // s + 1 for n, span, s in zip(x.shape[1:], spans, strides, strict=False)]
    y = np.zeros((len(x), *places, kernel.shape[-1]))
    for place in itertools.product(*map(range, places)):
        for offset in itertools.product(*map(range, kernel.shape[:rank])):
            at = tuple(p * s + o * r for p, s, o, r in zip(place, strides, offset, rates, strict=True))
            y[(slice(None), *place)] += x[(slice(None), *at)] @ kernel[offset]
    return y


def test_atrous_convolutions_have_holes_in_their_windows() -> None:
    one = {
        "name": "a",
        "nb_filter": 2,
        "filter_length": 3,
        "atrous_rate": 2,
        "subsample_length": 1,
        "border_mode": "valid",
    }
    two = {"name": "b", "nb_filter": 2, "nb_row": 2, "nb_col": 3, "atrous_rate": [3, 2], "subsample": [1, 1],
           "border_mode": "valid", "dim_ordering": "tf"}  # fmt: skip
    for number, (config, shape, size) in enumerate([(one, [9, 3], (3,)), (two, [7, 8, 3], (2, 3))], 1):
        model = sequential({"class_name": f"AtrousConvolution{number}D", "config": dict(config)}, shape=shape)
        kernel, bias = rng.standard_normal((*size, 3, 2)).astype("float32"), np.array([0.5, -1], "float32")
        model.set_weights([kernel, bias])
        x = rng.standard_normal((2, *shape)).astype("float32")
        rates = (2,) if number == 1 else (3, 2)
        expected = convolved(x, kernel, rates, (1,) * number) + bias
        np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-5, atol=1e-5)


def spread(x: np.ndarray, kernel: np.ndarray, shape: list[int], strides: tuple[int, int], same: bool) -> np.ndarray:
    """The gradient of a convolution, from (rows, columns) of `shape` to those of `x`, that TensorFlow and Theano pad alike.

    Each element of `x` is spread over its window; `same` lays the windows so that the odd zero stood at the end.
    """
    starts = []
    for m, n, k, s in zip(shape, x.shape[1:3], kernel.shape, strides, strict=False):
        total = max((n - 1) * s + k - m, 0) if same else 0
        starts.append([i * s - total // 2 for i in range(n)])
    y = np.zeros((len(x), *shape, kernel.shape[2]))
    for i, j in itertools.product(range(x.shape[1]), range(x.shape[2])):
        for a, b in itertools.product(range(kernel.shape[0]), range(kernel.shape[1])):
            row, column = starts[0][i] + a, starts[1][j] + b
            if 0 <= row < shape[0] and 0 <= column < shape[1]:
                y[:, row, column] += x[:, i, j] @ kernel[a, b].T
    return y


DECONVOLUTIONS = [
    # border mode, window, stride, sizes of the output, the usual one first
    ("valid", (3, 2), (2, 2), [(9, 8), (10, 9), (9, 9)]),
    ("valid", (2, 3), (1, 1), [(5, 6)]),
    ("valid", (2, 2), (3, 3), [(12, 12), (11, 11), (13, 11)]),
    ("same", (3, 4), (2, 2), [(8, 8), (7, 7), (8, 7)]),
    ("same", (2, 3), (2, 3), [(8, 12), (7, 10), (8, 11)]),
    ("same", (1, 2), (2, 3), [(8, 12), (7, 10)]),
    ("same", (3, 3), (1, 1), [(4, 4)]),
]


@pytest.mark.parametrize(("mode", "kernel_size", "strides", "sizes"), DECONVOLUTIONS)
@pytest.mark.parametrize("ordering", ["tf", "th"])
def test_deconvolution_to_each_size_that_leads_back(
    mode: str, kernel_size: tuple[int, int], strides: tuple[int, int], sizes: list[tuple[int, int]], ordering: str
) -> None:
    for rows, columns in sizes:
        shape = [None, rows, columns, 2] if ordering == "tf" else [None, 2, rows, columns]
        config = {"name": "d", "nb_filter": 2, "nb_row": kernel_size[0], "nb_col": kernel_size[1], "border_mode": mode,
                  "subsample": list(strides), "output_shape": shape, "dim_ordering": ordering, "bias": True}  # fmt: skip
        layer = {"class_name": "Deconvolution2D", "config": config}
        model = sequential(layer, shape=[4, 4, 3] if ordering == "tf" else [3, 4, 4])
        assert model.output_shape == tuple(shape)
        kernel, bias = rng.standard_normal((*kernel_size, 2, 3)).astype("float32"), np.array([0.5, -1], "float32")
        model.set_weights([kernel, bias])
        x = rng.standard_normal((2, 4, 4, 3)).astype("float32")
        expected = spread(x, kernel, [rows, columns], strides, mode == "same") + bias
        found = model.predict(x if ordering == "tf" else x.transpose(0, 3, 1, 2), verbose=0)
        found = found if ordering == "tf" else found.transpose(0, 2, 3, 1)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_deconvolution_to_a_size_that_does_not_lead_back_is_refused() -> None:
    config = {"name": "d", "nb_filter": 2, "nb_row": 3, "nb_col": 3, "border_mode": "valid", "subsample": [2, 2],
              "output_shape": [None, 12, 12, 2], "dim_ordering": "tf", "batch_input_shape": [None, 4, 4, 3]}  # fmt: skip
    layers = [{"class_name": "Deconvolution2D", "config": config}]
    text = json.dumps({"class_name": "Sequential", "keras_version": "1.2.2", "config": layers})
    report = validate_text(text)
    assert "an output of length 12 comes from an axis of length 5" in str(report)


@pytest.mark.parametrize("dropout", [0, 0.0, 0.2, 1.0])
def test_embedding_with_dropout_gives_the_words_outside_of_training(dropout: float) -> None:
    config = {"name": "e", "input_dim": 7, "output_dim": 3, "init": "uniform", "input_length": 5, "mask_zero": False,
              "dropout": dropout, "activity_regularizer": None, "W_regularizer": None, "W_constraint": None}  # fmt: skip
    layers = [{"class_name": "Embedding", "config": config | {"batch_input_shape": [None, 5], "input_dtype": "int32"}}]
    text = json.dumps({"class_name": "Sequential", "keras_version": "1.2.2", "config": layers})
    report = validate_text(text)
    assert report.ok
    assert [found.code.id for found in report.warnings] == (["SC116"] if dropout == 0.2 else [])
    model = model_from_json(text)
    words = rng.standard_normal((7, 3)).astype("float32")
    model.set_weights([words])
    x = rng.integers(0, 7, (2, 5))
    np.testing.assert_array_equal(model.predict(x, verbose=0), words[x])


@pytest.mark.parametrize("dropout", ["a", True, [0.2]])
def test_dropout_that_is_no_number_is_reported(dropout: Any) -> None:
    config = {
        "name": "e",
        "input_dim": 7,
        "output_dim": 3,
        "dropout": dropout,
        "W_regularizer": None,
        "input_length": 5,
    }
    layers = [{"class_name": "Embedding", "config": config}]
    report = validate_text(json.dumps({"class_name": "Sequential", "keras_version": "1.2.2", "config": layers}))
    assert not report.ok
    assert "Embedding has no argument 'dropout'" in str(report)


@pytest.mark.parametrize(("start", "expected"), [("one", 1), ("zero", 0), ("uniform", 1)])
def test_start_of_the_forget_gate(start: str, expected: int) -> None:
    config = {"name": "l", "output_dim": 2, "init": "glorot_uniform", "inner_init": "orthogonal", "forget_bias_init": start,
              "activation": "tanh", "inner_activation": "hard_sigmoid", "batch_input_shape": [None, 5, 3]}  # fmt: skip
    text = json.dumps(
        {"class_name": "Sequential", "keras_version": "1.2.2", "config": [{"class_name": "LSTM", "config": config}]}
    )
    report = validate_text(text)
    assert report.ok
    assert [found.code.id for found in report.warnings] == (["SC116"] if start == "uniform" else [])
    bias = model_from_json(text).get_weights()[2]
    assert bias.tolist() == [0, 0, expected, expected, 0, 0, 0, 0]
