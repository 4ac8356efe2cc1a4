"""CuDNNLSTM and CuDNNGRU of Keras 2: their files and weights against the equations in NVIDIA's documentation."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from spec_compiler.diagnostics import SpecError
from spec_compiler.models import Model, model_from_json

N, UNITS = 3, 4


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def matrices(kernel: np.ndarray, gates: int) -> list[np.ndarray]:
    """What the library sees: each gate's block of the variable, flattened, is a (units, features) matrix by rows."""
    return [kernel[:, i * UNITS : (i + 1) * UNITS].ravel().reshape(UNITS, -1) for i in range(gates)]


def lstm(x: np.ndarray, kernel: np.ndarray, recurrent: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Every step's output; gates input, forget, new, output, with an input bias and a recurrent bias each."""
    w, u = matrices(kernel, 4), matrices(recurrent, 4)
    b, d = bias[: 4 * UNITS].reshape(4, UNITS), bias[4 * UNITS :].reshape(4, UNITS)
    h = c = np.zeros((len(x), UNITS))
    outputs = []
    for t in range(x.shape[1]):
        i, f, g, o = (x[:, t] @ w[k].T + b[k] + h @ u[k].T + d[k] for k in range(4))
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return np.stack(outputs, axis=1)


def gru(x: np.ndarray, kernel: np.ndarray, recurrent: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Every step's output; Keras keeps the gates as update, reset, new."""
    w, u = matrices(kernel, 3), matrices(recurrent, 3)
    b, d = bias[: 3 * UNITS].reshape(3, UNITS), bias[3 * UNITS :].reshape(3, UNITS)
    h = np.zeros((len(x), UNITS))
    outputs = []
    for t in range(x.shape[1]):
        z, r = (sigmoid(x[:, t] @ w[k].T + b[k] + h @ u[k].T + d[k]) for k in (0, 1))
        new = np.tanh(x[:, t] @ w[2].T + b[2] + r * (h @ u[2].T + d[2]))
        h = (1 - z) * new + z * h
        outputs.append(h)
    return np.stack(outputs, axis=1)


def config(gates: int, **more: Any) -> dict[str, Any]:
    """The config that Keras 2.2.4 writes."""
    null = ("kernel_regularizer", "recurrent_regularizer", "bias_regularizer", "activity_regularizer",
            "kernel_constraint", "recurrent_constraint", "bias_constraint")  # fmt: skip
    start = {
        "class_name": "VarianceScaling",
        "config": {"scale": 1.0, "mode": "fan_avg", "distribution": "uniform", "seed": None},
    }
    own = {"unit_forget_bias": True} if gates == 4 else {}
    return {"name": "rnn", "trainable": True, "return_sequences": True, "return_state": False, "stateful": False,
            "units": UNITS, "kernel_initializer": start, **own, **dict.fromkeys(null), **more}  # fmt: skip


def model_of(layer: dict[str, Any]) -> Model:
    layer["config"] |= {"batch_input_shape": [None, 5, N], "dtype": "float32"}
    document = {"class_name": "Sequential", "config": {"name": "net", "layers": [layer]}}
    return model_from_json(json.dumps(document | {"keras_version": "2.2.4", "backend": "tensorflow"}))


def drawn(rng: np.random.Generator, gates: int) -> list[np.ndarray]:
    shapes = [(N, gates * UNITS), (UNITS, gates * UNITS), (2 * gates * UNITS,)]
    return [(0.5 * rng.standard_normal(shape)).astype("float32") for shape in shapes]


CASES = {"CuDNNLSTM": (4, lstm), "CuDNNGRU": (3, gru)}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("return_sequences", [True, False])
def test_outputs_with_the_weights_of_keras2(name: str, return_sequences: bool) -> None:
    gates, formula = CASES[name]
    rng = np.random.default_rng(3)
    model = model_of({"class_name": name, "config": config(gates, return_sequences=return_sequences)})
    weights, x = drawn(rng, gates), rng.standard_normal((2, 5, N)).astype("float32")
    model.set_weights(weights)
    expected = formula(x, *weights)
    np.testing.assert_allclose(
        model.predict(x, verbose=0), expected if return_sequences else expected[:, -1], rtol=1e-5, atol=1e-6
    )
    # They are given back as today's layer has them, and taken so too.
    again = model_of({"class_name": name, "config": config(gates, return_sequences=return_sequences)})
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


def test_both_directions_with_the_weights_of_keras2() -> None:
    inner = {"class_name": "CuDNNLSTM", "config": config(4)}
    model = model_of(
        {"class_name": "Bidirectional", "config": {"name": "both", "layer": inner, "merge_mode": "concat"}}
    )
    rng = np.random.default_rng(4)
    there, back, x = drawn(rng, 4), drawn(rng, 4), rng.standard_normal((2, 5, N)).astype("float32")
    model.set_weights([*there, *back])
    expected = np.concatenate([lstm(x, *there), lstm(x[:, ::-1], *back)[:, ::-1]], axis=-1)
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-5, atol=1e-6)


def test_weights_that_fit_neither_layout_are_refused() -> None:
    model = model_of({"class_name": "CuDNNLSTM", "config": config(4)})
    kernel, recurrent, bias = drawn(np.random.default_rng(5), 4)
    for wrong in ([kernel[:2], recurrent, bias], [kernel[0], recurrent, bias], [kernel, recurrent, bias[:-1]]):
        with pytest.raises(SpecError, match="SC"):
            model.set_weights(wrong)
