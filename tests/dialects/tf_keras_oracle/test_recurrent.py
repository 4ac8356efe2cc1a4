"""What recurrent layers of tf_keras have that Keras 3's lack, `time_major` above all, over a grid of their arguments."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from spec_compiler.ir import values_in
from spec_compiler.loading import parse_spec
from spec_compiler.lowering.lower import lower_spec
from tests.dialects.tf_keras_oracle.oracle import assert_close, outputs_of, run, with_weights_of

tf_keras = pytest.importorskip("tf_keras")
pytestmark = pytest.mark.slow

K, L = tf_keras, tf_keras.layers
BATCH, STEPS, FEATURES = 4, 5, 3

LAYERS: dict[str, tuple[Callable[..., Any], int]] = {
    "lstm": (lambda **kwargs: L.LSTM(4, **kwargs), 2),
    "lstm in a loop": (lambda **kwargs: L.LSTM(4, recurrent_activation="hard_sigmoid", **kwargs), 2),
    "gru": (lambda **kwargs: L.GRU(4, reset_after=False, **kwargs), 1),
    "gru, reset after": (lambda **kwargs: L.GRU(4, **kwargs), 1),
    "simple": (lambda **kwargs: L.SimpleRNN(4, **kwargs), 1),
    "cells": (lambda **kwargs: L.RNN([L.LSTMCell(4), L.GRUCell(4)], **kwargs), 3),
    "both ways": (lambda **kwargs: L.Bidirectional(L.LSTM(4, **kwargs)), 4),
    "summed": (lambda **kwargs: L.Bidirectional(L.GRU(4, **kwargs), "sum"), 2),
    "multiplied": (lambda **kwargs: L.Bidirectional(L.SimpleRNN(4, **kwargs), "mul"), 2),
    "averaged": (lambda **kwargs: L.Bidirectional(L.LSTM(4, **kwargs), "ave"), 4),
    "apart": (lambda **kwargs: L.Bidirectional(L.GRU(4, **kwargs), None), 2),
}
"""Layers, and how many states they are given."""

BOTH = [False, True]
GRID = [
    *itertools.product(LAYERS, [True], BOTH, [True], BOTH, BOTH, BOTH),
    *itertools.product(LAYERS, [True], BOTH, [False], [True], [True], [False]),
    *itertools.product(LAYERS, [False], BOTH, [True], [True], BOTH, [True]),
]


def compared(model: Any, arrays: list[Any], batches: int = 1) -> None:
    """Assert that our module gives what the model does, for `batches` calls in a row."""
    lowered = lower_spec(parse_spec(model.to_json()))
    module = with_weights_of(model, lowered)
    shapes = [value.shape for value in values_in(lowered.graph.outputs)]
    assert shapes == [tuple(tensor.shape) for tensor in model.outputs]
    for _ in range(batches):
        assert_close(run(module, arrays), outputs_of(model, arrays))


def sequences(*shape: int) -> np.ndarray[Any, Any]:
    """Random ones, some steps all zeros."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape).astype("float32")
    x[rng.random(shape[:2]) < 0.4] = 0
    return x


@pytest.mark.parametrize("after", ["LSTM", "GlobalAveragePooling1D"])
@pytest.mark.parametrize("inner", ["LSTM", "SimpleRNN", "GlobalAveragePooling1D", "Dense"])
def test_masks_at_every_step(inner: str, after: str) -> None:
    """Of words in sentences: the layer at every sentence sees them, and those after it see sentences that have any."""
    words = K.Input((STEPS, 4), dtype="int32")
    layer = getattr(L, inner)(*([] if "Pooling" in inner else [3]))
    x = L.TimeDistributed(layer)(L.Embedding(6, FEATURES, mask_zero=True)(words))
    if inner != "Dense":
        x = getattr(L, after)(*([] if "Pooling" in after else [2]))(x)
    ids = np.random.default_rng(0).integers(1, 6, (BATCH, STEPS, 4)).astype("int32")
    ids[np.random.default_rng(1).random(ids.shape) < 0.5] = 0
    ids[..., 0], ids[:, 1] = 1, 0
    if inner == "GlobalAveragePooling1D":
        ids[:, 1, 0] = 1  # an average of no words has no value
    compared(K.Model(words, x), [ids])


@pytest.mark.parametrize(("name", "major", "all_steps", "state", "backwards", "masked", "started"), GRID)
def test_layer(
    name: str, major: bool, all_steps: bool, state: bool, backwards: bool, masked: bool, started: bool
) -> None:
    make, count = LAYERS[name]
    if name == "cells" and started:
        pytest.skip("tf_keras takes no nested states from symbolic tensors")
    x = L.Input((None, FEATURES))
    states = [L.Input((4,)) for _ in range(count)]
    layer = make(time_major=major, return_sequences=all_steps, return_state=state, go_backwards=backwards)
    y = layer(L.Masking()(x) if masked else x, **({"initial_state": states} if started else {}))
    shape = (STEPS, BATCH, FEATURES) if major else (BATCH, STEPS, FEATURES)
    rng = np.random.default_rng(1)
    arrays = [sequences(*shape), *(rng.standard_normal((BATCH, 4)).astype("float32") for _ in states)]
    compared(K.Model([x, *states] if started else x, y), arrays if started else arrays[:1])


@pytest.mark.parametrize("major", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_stateful_layer_continues_where_the_last_batch_ended(name: str, masked: bool, major: bool) -> None:
    shape = (STEPS, BATCH, FEATURES) if major else (BATCH, STEPS, FEATURES)
    x = L.Input(batch_shape=shape)
    layer = LAYERS[name][0](time_major=major, stateful=True, return_sequences=True)
    compared(K.Model(x, layer(L.Masking()(x) if masked else x)), [sequences(*shape)], batches=3)


def test_mask_goes_on_in_the_order_it_came_in() -> None:
    x = L.Input((BATCH, FEATURES))
    y = L.LSTM(4, return_sequences=True, time_major=True)(L.Masking()(x))
    y = L.Bidirectional(L.GRU(3, return_sequences=True, time_major=True))(L.Dense(2)(y))
    compared(K.Model(x, [L.SimpleRNN(2, time_major=True)(y), y]), [sequences(STEPS, BATCH, FEATURES)])


def test_directions_may_differ_in_it() -> None:
    x = L.Input((BATCH, FEATURES))
    back = L.LSTM(4, return_sequences=True, go_backwards=True)
    y = L.Bidirectional(L.LSTM(4, return_sequences=True, time_major=True), backward_layer=back)(x)
    compared(K.Model(x, y), [sequences(STEPS, BATCH, FEATURES)])


def test_time_distributed_layer_has_the_batch_folded_into_its_time() -> None:
    x = L.Input((None, BATCH, FEATURES))
    y = L.TimeDistributed(L.LSTM(4, return_sequences=True, time_major=True))(x)
    compared(K.Model(x, y), [np.random.default_rng(0).standard_normal((2, STEPS, BATCH, FEATURES)).astype("float32")])


@pytest.mark.parametrize("all_steps", [False, True])
def test_convolutional_layer_ignores_it(all_steps: bool) -> None:
    x = L.Input((3, 5, 2))
    y = L.ConvLSTM1D(3, 2, return_sequences=all_steps, return_state=True, time_major=True)(x)
    compared(K.Model(x, y), [np.random.default_rng(0).standard_normal((2, 3, 5, 2)).astype("float32")])
