"""Every published file, of any age, written as Keras 3 and loaded by Keras 3.15.1: the same layers and weights."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from spec_compiler.diagnostics import Reporter
from spec_compiler.dialects.write import as_json, document
from spec_compiler.loading import load_spec, parse_spec, validate
from spec_compiler.lowering.lower import lower_spec, weights
from spec_compiler.models import model_from_json
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.layers import InputLayer
from tests.conftest import SHARED
from tests.models.oracle import ATOL, RTOL, randomize

FILES = [
    path
    for path in sorted((SHARED / "corpus").glob("*"))
    if path.is_file() and path.suffix not in (".csv", ".md") and validate(path).ok
]

REORDERED = "imatge-upc__activitynet-2016-cvprw__work_scripts_training_lstm_activity_classification_with_audio"
"""Lists its three branches in another order than Keras follows them in. We keep the file's, which is its weights'."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name[:60])
@pytest.mark.filterwarnings("ignore::UserWarning:keras")
def test_keras_loads_it_with_the_same_weights(path: Path) -> None:
    spec = load_spec(path)
    text = as_json(document(spec, "keras3", Reporter()))
    with keras.device("meta"):  # weights have shapes, and no numbers
        theirs = keras.models.model_from_json(text)
    # Read again: models inside others have their weights in another order in early Keras 2.
    ours = [
        (variable.name.rpartition("/")[2], variable.shape) for _, variable, _ in weights(lower_spec(parse_spec(text)))
    ]
    expected = [(weight.name, tuple(weight.shape)) for weight in theirs.weights]
    if path.name.startswith(REORDERED):
        ours, expected = sorted(ours), sorted(expected)
    assert ours == expected
    assert {layer.name for layer in theirs.layers} == {
        str(layer.name).replace("/", "_") for layer in spec.members() if _is_kept(layer, theirs)
    }


def _is_kept(layer: LayerSpec, model: keras.Model) -> bool:
    # A Sequential does not list its InputLayer.
    return not (isinstance(layer, InputLayer) and isinstance(model, keras.Sequential))


def test_hard_sigmoid_of_keras2_computes_the_same_in_keras() -> None:
    old = {"recurrent_activation": "hard_sigmoid", "return_sequences": True, "batch_input_shape": [None, 5, 3]}
    layers = [
        {"class_name": "LSTM", "config": {"name": "lstm", "units": 4, **old}},
        {"class_name": "Dense", "config": {"name": "dense", "units": 2, "activation": "hard_sigmoid"}},
    ]
    ours = model_from_json(json.dumps({"class_name": "Sequential", "config": {"name": "net", "layers": layers}}))
    theirs = keras.models.model_from_json(ours.to_json())
    values = randomize(theirs)
    ours.set_weights(values)
    for batch in (3, 2):
        x = np.random.default_rng(batch).normal(scale=2, size=(batch, 5, 3)).astype("float32")
        np.testing.assert_allclose(ours.predict(x, verbose=0), theirs(x).detach().numpy(), RTOL, ATOL)
    again = model_from_json(theirs.to_json())  # as Keras writes it itself
    assert [layer.get_config() for layer in again.layers] == [layer.get_config() for layer in ours.layers]
