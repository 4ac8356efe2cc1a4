"""A network of `keras.applications` that begins with preprocessing layers, its weights taken over."""

from __future__ import annotations

import keras
import numpy as np

from spec_compiler.models import model_from_json


def test_efficientnet_matches_keras() -> None:
    oracle = keras.applications.EfficientNetB0(weights=None, input_shape=(64, 64, 3), classes=7)
    rng = np.random.default_rng(0)
    values = []
    for variable in oracle.weights:
        value = rng.standard_normal(variable.shape) * 0.1
        value = np.abs(value) + 1 if "variance" in variable.path else value
        values.append(value.astype(variable.dtype))
    oracle.set_weights(values)
    oracle.get_layer("normalization").finalize_state()
    model = model_from_json(oracle.to_json())
    model.set_weights(values)
    x = rng.random((2, 64, 64, 3)).astype("float32") * 255
    np.testing.assert_allclose(model.predict(x, verbose=0), oracle.predict(x, verbose=0), rtol=1e-5, atol=1e-6)
