"""Weights as Keras 1's `get_weights()` gave them, in its order, held to its equations."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from spec_compiler.diagnostics import SpecError
from spec_compiler.models import Model, model_from_json

rng = np.random.default_rng(0)
N, UNITS = 3, 4


def model(*layers: tuple[str, dict[str, Any]], shape: list[int]) -> Model:
    config = [{"class_name": name, "config": {"name": f"l{i}", **one}} for i, (name, one) in enumerate(layers)]
    config[0]["config"] |= {"batch_input_shape": [None, *shape], "input_dtype": "float32"}
    return model_from_json(json.dumps({"class_name": "Sequential", "keras_version": "1.2.2", "config": config}))


def recurrent(**more: Any) -> dict[str, Any]:
    return {"output_dim": UNITS, "inner_activation": "hard_sigmoid", "activation": "tanh", "consume_less": "cpu",
            "return_sequences": True, "init": "glorot_uniform", "inner_init": "orthogonal", **more}  # fmt: skip


def gates(count: int, n: int = N) -> list[np.ndarray]:
    shapes = [(n, UNITS), (UNITS, UNITS), (UNITS,)] * count
    return [rng.standard_normal(shape).astype("float32") for shape in shapes]


def hard_sigmoid(x: np.ndarray) -> np.ndarray:
    return np.clip(0.2 * x + 0.5, 0, 1)


def lstm(x: np.ndarray, weights: list[np.ndarray]) -> np.ndarray:
    """Keras 1's, whose gates come as input, new, forget, output."""
    i_, new_, f_, o_ = (weights[3 * k : 3 * k + 3] for k in range(4))
    h = c = np.zeros((len(x), UNITS))
    outputs = []
    for t in range(x.shape[1]):
        i, new, f, o = (x[:, t] @ w + h @ u + b for w, u, b in (i_, new_, f_, o_))
        c = hard_sigmoid(f) * c + hard_sigmoid(i) * np.tanh(new)
        h = hard_sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return np.stack(outputs, axis=1)


def gru(x: np.ndarray, weights: list[np.ndarray]) -> np.ndarray:
    """Keras 1's, whose gates come as update, reset, new; the state is reset before its product."""
    (wz, uz, bz), (wr, ur, br), (wh, uh, bh) = (weights[3 * k : 3 * k + 3] for k in range(3))
    h = np.zeros((len(x), UNITS))
    outputs = []
    for t in range(x.shape[1]):
        z = hard_sigmoid(x[:, t] @ wz + h @ uz + bz)
        r = hard_sigmoid(x[:, t] @ wr + h @ ur + br)
        h = z * h + (1 - z) * np.tanh(x[:, t] @ wh + (r * h) @ uh + bh)
        outputs.append(h)
    return np.stack(outputs, axis=1)


@pytest.mark.parametrize(("name", "count", "formula"), [("LSTM", 4, lstm), ("GRU", 3, gru)])
def test_an_array_for_each_gate(name: str, count: int, formula: Any) -> None:
    net = model(
        ("Dense", {"output_dim": N}),
        (name, recurrent()),
        (name, recurrent()),
        ("Dense", {"output_dim": 2}),
        shape=[5, 2],
    )
    before, first, second = [np.eye(2, N), np.zeros(N)], gates(count), gates(count, UNITS)
    after = [rng.standard_normal((UNITS, 2)), rng.standard_normal(2)]
    net.set_weights([*before, *first, *second, *after])
    x = rng.standard_normal((2, 5, 2)).astype("float32")
    expected = formula(formula(x @ before[0], first), second) @ after[0] + after[1]
    np.testing.assert_allclose(net.predict(x, verbose=0), expected, rtol=1e-4, atol=1e-5)
    # Given back as they are today, they are the same.
    net.set_weights(net.get_weights())
    np.testing.assert_allclose(net.predict(x, verbose=0), expected, rtol=1e-4, atol=1e-5)


def test_one_array_for_all_gates() -> None:
    # As `consume_less="gpu"` has them: input, forget, new, output.
    net = model(("LSTM", recurrent(consume_less="gpu")), shape=[5, N])
    apart = gates(4)
    net.set_weights([np.concatenate([apart[3 * k + i] for k in (0, 2, 1, 3)], axis=-1) for i in range(3)])
    x = rng.standard_normal((2, 5, N)).astype("float32")
    np.testing.assert_allclose(net.predict(x, verbose=0), lstm(x, apart), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["LSTM", "GRU"])
def test_gates_of_both_directions(name: str) -> None:
    inner = {"class_name": name, "config": {"name": "inner", "go_backwards": False, **recurrent()}}
    net = model(("Bidirectional", {"layer": inner, "merge_mode": "concat"}), shape=[5, N])
    count, formula = (4, lstm) if name == "LSTM" else (3, gru)
    forward, backward = gates(count), gates(count)
    net.set_weights([*forward, *backward])
    x = rng.standard_normal((2, 5, N)).astype("float32")
    expected = np.concatenate([formula(x, forward), formula(x[:, ::-1], backward)[:, ::-1]], axis=-1)
    np.testing.assert_allclose(net.predict(x, verbose=0), expected, rtol=1e-4, atol=1e-5)


def test_gates_set_on_the_layer() -> None:
    net = model(("LSTM", recurrent()), shape=[5, N])
    weights = gates(4)
    net.layers[0].set_weights(weights)
    x = rng.standard_normal((2, 5, N)).astype("float32")
    np.testing.assert_allclose(net.predict(x, verbose=0), lstm(x, weights), rtol=1e-4, atol=1e-5)


def test_gates_of_other_sizes_are_reported() -> None:
    net = model(("LSTM", recurrent()), shape=[5, N])
    with pytest.raises(SpecError, match="has 3 weights, got 12 arrays"):
        net.set_weights(gates(4, N + 1))
    with pytest.raises(SpecError, match="has 3 weights, got 9 arrays"):
        net.set_weights(gates(3))


@pytest.mark.parametrize("carry_last", [True, False])
def test_highway_in_the_order_of_either_time(carry_last: bool) -> None:
    net = model(("Highway", {"activation": "tanh", "bias": True}), shape=[N])
    w, w_carry = rng.standard_normal((2, N, N)).astype("float32")
    b, b_carry = rng.standard_normal((2, N)).astype("float32")
    # Keras 1.2 had both kernels first.
    net.set_weights([w, b, w_carry, b_carry] if carry_last else [w, w_carry, b, b_carry])
    x = rng.standard_normal((5, N)).astype("float32")
    gate = 1 / (1 + np.exp(-(x @ w_carry + b_carry)))
    expected = gate * np.tanh(x @ w + b) + (1 - gate) * x
    np.testing.assert_allclose(net.predict(x, verbose=0), expected, rtol=1e-5, atol=1e-6)


KERNELS = {
    "Convolution2D": ({"nb_filter": 4, "nb_row": 2, "nb_col": 3, "dim_ordering": "th", "border_mode": "valid"}, [5, 6, 7]),
    "Convolution3D": ({"nb_filter": 4, "kernel_dim1": 2, "kernel_dim2": 3, "kernel_dim3": 1, "dim_ordering": "th"}, [5, 4, 4, 4]),
    "Deconvolution2D": ({"nb_filter": 4, "nb_row": 2, "nb_col": 3, "dim_ordering": "th", "output_shape": [None, 4, 7, 9]}, [5, 6, 7]),
    "Convolution1D": ({"nb_filter": 4, "filter_length": 3, "border_mode": "valid"}, [6, 5]),
}  # fmt: skip
# class, the kernel's shape in Keras 1, the same array as it is today, and the array turned round: in words, and done
OLD_KERNELS: list[tuple[str, tuple[int, ...], str, Any, str, Any]] = [
    ("Convolution2D", (4, 5, 2, 3), "array.transpose(2, 3, 1, 0)", lambda a: a.transpose(2, 3, 1, 0),
     "array[:, :, ::-1, ::-1]", lambda a: a[:, :, ::-1, ::-1]),
    ("Convolution3D", (4, 5, 2, 3, 1), "array.transpose(2, 3, 4, 1, 0)", lambda a: a.transpose(2, 3, 4, 1, 0),
     "array[:, :, ::-1, ::-1, ::-1]", lambda a: a[:, :, ::-1, ::-1, ::-1]),
    ("Deconvolution2D", (4, 5, 2, 3), "array.transpose(2, 3, 0, 1)", lambda a: a.transpose(2, 3, 0, 1),
     "array[:, :, ::-1, ::-1]", lambda a: a[:, :, ::-1, ::-1]),
    ("Convolution1D", (3, 1, 5, 4), "array[:, 0]", lambda a: a[:, 0], "array[::-1]", lambda a: a[::-1]),
    ("Convolution1D", (4, 5, 3, 1), "array[..., 0].transpose(2, 1, 0)", lambda a: a[..., 0].transpose(2, 1, 0),
     "array[:, :, ::-1]", lambda a: a[:, :, ::-1]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "shape", "words", "todays", "turned_words", "turned"), OLD_KERNELS)
def test_kernels_of_another_layout_are_reported_with_what_to_do(
    name: str, shape: tuple[int, ...], words: str, todays: Any, turned_words: str, turned: Any
) -> None:
    arguments, input_shape = KERNELS[name]
    net = model((name, arguments), shape=input_shape)
    old, bias = rng.standard_normal(shape).astype("float32"), np.zeros(4, "float32")
    with pytest.raises(SpecError) as error:
        net.set_weights([old, bias])
    assert f"give {words}, and {turned_words} in the place of array where Theano trained it" in str(error.value)
    kernel = todays(old)
    net.set_weights([kernel, bias])
    np.testing.assert_array_equal(todays(turned(old)), np.flip(kernel, tuple(range(kernel.ndim - 2))))
