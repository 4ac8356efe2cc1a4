"""Group normalization as the first layer with weights, where torch's own gradient crashes the process."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from spec_compiler.models import model_from_json
from tests.models.oracle import randomize


@pytest.mark.parametrize("shape", [(5, 7, 1), (5, 6, 7, 1), (5, 7, 4), (1, 1, 4)])
def test_group_normalization_of_the_input_trains(shape: tuple[int, ...]) -> None:
    theirs = keras.Sequential([keras.Input(shape), keras.layers.GroupNormalization(1)])
    ours = model_from_json(theirs.to_json())
    ours.set_weights(randomize(theirs))
    x, y = np.random.default_rng(0).normal(size=(2, 3, *shape)).astype("float32")
    for model in (theirs, ours):
        model.compile("sgd", "mse")
        model.train_on_batch(x, y)
    for found, expected in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
