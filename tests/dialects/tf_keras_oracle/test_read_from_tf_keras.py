"""A model of each of tf_keras's layers, read from what tf_keras writes of it, computes what tf_keras computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from spec_compiler.loading import parse_spec
from spec_compiler.lowering.lower import lower_spec, weights
from tests.dialects.tf_keras_oracle.oracle import assert_close, outputs_of, run, with_weights_of

tf_keras = pytest.importorskip("tf_keras")
pytestmark = pytest.mark.slow

K, L = tf_keras, tf_keras.layers

ONE_INPUT: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "dense": (lambda: L.Dense(4, activation="hard_sigmoid", use_bias=False), (5, 3)),
    "local 1": (lambda: L.LocallyConnected1D(4, 3, strides=2, activation="relu"), (9, 3)),
    "local 1, way 2": (lambda: L.LocallyConnected1D(4, 3, padding="same", implementation=2), (9, 3)),
    "local 1, way 3": (lambda: L.LocallyConnected1D(4, 3, padding="same", implementation=3), (9, 3)),
    "local 2": (lambda: L.LocallyConnected2D(4, (3, 2), strides=(2, 1)), (7, 6, 3)),
    "local 2, way 2": (lambda: L.LocallyConnected2D(4, (3, 2), padding="same", implementation=2), (7, 6, 3)),
    "local 2, way 3": (lambda: L.LocallyConnected2D(4, (3, 2), padding="same", implementation=3), (7, 6, 3)),
    "batch": (lambda: L.BatchNormalization(axis=[1], epsilon=0.1, scale=False), (5, 3)),
    "layer": (lambda: L.LayerNormalization(axis=[1, 2], epsilon=0.1, center=False), (5, 3)),
    "group": (lambda: L.GroupNormalization(groups=2, axis=-1), (5, 4)),
    "unit": (lambda: L.UnitNormalization(axis=1), (5, 4)),
    "thresholded": (lambda: L.ThresholdedReLU(0.3), (5, 4)),
    "leaky": (lambda: L.LeakyReLU(0.1), (5, 4)),
    "prelu": (lambda: L.PReLU(shared_axes=[1]), (5, 4)),
    "separable": (lambda: L.SeparableConv2D(4, 3, depth_multiplier=2, padding="same", strides=2), (9, 8, 3)),
    "depthwise": (lambda: L.DepthwiseConv2D(3, depth_multiplier=2, dilation_rate=2), (9, 8, 3)),
    "transposed": (lambda: L.Conv2DTranspose(4, 3, strides=2, padding="same", output_padding=1), (5, 4, 3)),
    "causal": (lambda: L.Conv1D(4, 3, padding="causal", dilation_rate=2), (9, 3)),
    "conv lstm": (lambda: L.ConvLSTM2D(3, 2, padding="same", recurrent_activation="hard_sigmoid"), (4, 5, 4, 2)),
    "conv lstm 3": (lambda: L.ConvLSTM3D(2, 2, go_backwards=True), (3, 3, 4, 3, 2)),
    "upsampling": (lambda: L.UpSampling2D((2, 3), interpolation="bilinear"), (4, 5, 2)),
    "resizing": (lambda: L.Resizing(7, 3, crop_to_aspect_ratio=True), (4, 5, 2)),
    "average": (lambda: L.AveragePooling2D(3, 2, padding="same"), (5, 6, 2)),
    "einsum": (lambda: L.EinsumDense("abc,cd->abd", output_shape=(None, 4), bias_axes="d"), (5, 3)),
}
UNDER_MASK: dict[str, Callable[[], Any]] = {
    "lstm": lambda: L.LSTM(4, return_sequences=True, go_backwards=True, recurrent_activation="hard_sigmoid"),
    "gru": lambda: L.GRU(4, reset_after=False, return_sequences=True),
    "gru, bias twice": lambda: L.GRU(4),
    "simple": lambda: L.SimpleRNN(4, unroll=True),
    "cells": lambda: L.RNN([L.LSTMCell(4), L.GRUCell(3, reset_after=False)], return_sequences=True),
    "both ways": lambda: L.Bidirectional(L.GRU(4, return_sequences=True), merge_mode="sum"),
    "two layers": lambda: L.Bidirectional(L.LSTM(4), "mul", backward_layer=L.GRU(4, go_backwards=True)),
    "steps": lambda: L.TimeDistributed(L.Dense(3)),
    "pool": lambda: L.GlobalAveragePooling1D(),
}
MERGES = ["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate"]


AT_EVERY_STEP: dict[str, Callable[[], Any]] = {
    "lstm": lambda: L.LSTM(4),
    "both ways": lambda: L.Bidirectional(L.GRU(3, return_sequences=True)),
    "pool": lambda: L.GlobalAveragePooling1D(),
    "dense": lambda: L.Dense(3),
    "model": lambda: K.Sequential([L.Input((5, 3)), L.Dense(4), L.LSTM(2)]),
    "model of steps": lambda: K.Sequential([L.Input((5, 3)), L.Dense(4)]),
}


def check(model: Any) -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((3, *x.shape[1:])).astype("float32") for x in model.inputs]
    for array in arrays:
        if array.ndim == 3:
            array[:, :-1][rng.random(array[:, :-1].shape[:2]) < 0.4] = 0
    module = with_weights_of(model, lower_spec(parse_spec(model.to_json())))
    assert_close(run(module, arrays), outputs_of(model, arrays))


@pytest.mark.parametrize("name", ONE_INPUT)
def test_layer(name: str) -> None:
    make, shape = ONE_INPUT[name]
    check(K.Sequential([L.Input(shape), make()]))


@pytest.mark.parametrize("name", UNDER_MASK)
def test_layer_under_a_mask(name: str) -> None:
    check(K.Sequential([L.Input((5, 3)), L.Masking(), UNDER_MASK[name]()]))


@pytest.mark.parametrize("both", [True, False])
@pytest.mark.parametrize("name", MERGES)
def test_merged_masks_keep_the_steps_that_every_one_keeps(name: str, both: bool) -> None:
    x, y = L.Input((5, 3)), L.Input((5, 3))
    merged = getattr(L, name)()([L.Masking()(x), L.Masking()(y) if both else y])
    check(K.Model([x, y], [merged, L.LSTM(4)(merged)]))


@pytest.mark.parametrize(("name", "count"), [("LSTM", 2), ("GRU", 1), ("SimpleRNN", 1)])
def test_states_beside_a_masked_sequence_leave_its_mask(name: str, count: int) -> None:
    x, states = L.Input((5, 3)), [L.Input((4,)) for _ in range(count)]
    check(K.Model([x, *states], getattr(L, name)(4, return_sequences=True)(L.Masking()(x), initial_state=states)))


@pytest.mark.parametrize("embedded_at_every_step", [False, True])
@pytest.mark.parametrize("name", AT_EVERY_STEP)
def test_mask_within_the_steps(name: str, embedded_at_every_step: bool) -> None:
    """Sentences of words: the words' mask goes to what runs at every sentence, and becomes one of sentences after it."""
    embedding = L.Embedding(4, 3, mask_zero=True)
    x = L.Input((4, 5), dtype="int32")
    y = L.TimeDistributed(AT_EVERY_STEP[name]())(
        (L.TimeDistributed(embedding) if embedded_at_every_step else embedding)(x)
    )
    outputs = [y, L.TimeDistributed(L.LSTM(3))(y) if len(y.shape) == 4 else L.GRU(3)(y)]
    model = K.Model(x, outputs)
    ids = np.random.default_rng(0).integers(0, 4, (6, 4, 5)).astype("int32")
    ids[:3, 2:] = ids[3:, 1, 1:] = 0
    lowered = lower_spec(parse_spec(model.to_json()))
    assert_close(run(with_weights_of(model, lowered), [ids]), outputs_of(model, [ids]))


def _frozen(make: Callable[..., Any], *args: Any) -> Any:
    layer = make(*args)
    layer.trainable = False
    return layer


IN_ORDER: dict[str, Callable[[], Any]] = {
    "model of steps": lambda: L.TimeDistributed(K.Sequential([L.Dense(3), L.BatchNormalization(), L.Dense(2)])),
    "frozen within": lambda: L.TimeDistributed(K.Sequential([_frozen(L.Dense, 3), L.BatchNormalization(), L.Dense(2)])),
    "frozen": lambda: _frozen(L.TimeDistributed, K.Sequential([L.Dense(3), L.BatchNormalization(), L.Dense(2)])),
    "model": lambda: K.Sequential([_frozen(L.Dense, 3), L.BatchNormalization(), L.Dense(2)]),
    "cells": lambda: L.RNN([_frozen(L.LSTMCell, 3), L.GRUCell(2)]),
    "normalized steps": lambda: L.TimeDistributed(L.BatchNormalization()),
}


@pytest.mark.parametrize("name", IN_ORDER)
def test_weights_that_train_come_first_in_all_but_models(name: str) -> None:
    model = K.Sequential([L.Input((5, 4)), IN_ORDER[name]()])
    ours = [variable.shape for _, variable, _ in weights(lower_spec(parse_spec(model.to_json())))]
    assert ours == [tuple(w.shape) for w in model.weights]
    check(model)
