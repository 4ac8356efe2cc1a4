"""The tutorial's own Keras 2.2.5 file, which today's Keras refuses: its summary, its YAML, its numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from spec_compiler.models import Model, Sequential, model_from_config, model_from_json, model_from_yaml

FILE = Path(__file__).resolve().parents[3] / "shared" / "reference" / "tutorial-model.json"
pytestmark = pytest.mark.skipif(not FILE.exists(), reason=f"{FILE} is not there")

SUMMARY = """\
Model: "sequential_10"
_________________________________________________________________
Layer (type)                 Output Shape              Param #
=================================================================
dense_13 (Dense)             (None, 32)                288
_________________________________________________________________
dense_14 (Dense)             (None, 64)                2,112
_________________________________________________________________
dense_15 (Dense)             (None, 8)                 520
=================================================================
Total params: 2,920
Trainable params: 2,920
Non-trainable params: 0
_________________________________________________________________
"""


def forms() -> dict[str, Model]:
    text = FILE.read_text()
    document = json.loads(text)
    for layer in document["config"]["layers"]:
        if "batch_input_shape" in layer["config"]:
            layer["config"]["batch_input_shape"] = tuple(layer["config"]["batch_input_shape"])
    old_yaml = yaml.dump(document)
    assert "!!python/tuple" in old_yaml
    read = {
        "json": model_from_json(text),
        "yaml": model_from_yaml(old_yaml),
        "config": model_from_config(json.loads(text)),
    }
    first = read["json"]
    return read | {
        "config again": Sequential.from_config(first.get_config()),
        "keras3 again": model_from_json(first.to_json()),
        "keras2 again": model_from_json(first.to_json(dialect="keras2")),
        "yaml again": model_from_yaml(first.to_yaml()),
        "short again": model_from_yaml(first.to_yaml(dialect="short")),
    }


@pytest.mark.parametrize("form", list(forms()) if FILE.exists() else [])
def test_every_form_is_the_tutorials_model(form, capsys):
    model = forms()[form]
    assert type(model) is Sequential
    model.summary()
    assert capsys.readouterr().out == SUMMARY
    arrays = [np.random.default_rng(i).normal(size=w.shape).astype("float32") for i, w in enumerate(model.weights)]
    model.set_weights(arrays)
    x = np.random.default_rng(9).normal(size=(5, 8)).astype("float32")
    for kernel, bias, activation in zip(arrays[::2], arrays[1::2], activations(), strict=True):
        x = activation(x @ kernel + bias)
    given = np.random.default_rng(9).normal(size=(5, 8)).astype("float32")
    np.testing.assert_allclose(model.predict(given, verbose=0), x, rtol=1e-4)


def activations():
    named = {"linear": lambda x: x, "relu": lambda x: np.maximum(x, 0)}
    layers = json.loads(FILE.read_text())["config"]["layers"]
    return [named[layer["config"]["activation"]] for layer in layers]


def test_json_of_keras_2_is_written_with_version_and_backend():
    written = json.loads(model_from_json(FILE.read_text()).to_json())
    assert list(written)[-2:] == ["keras_version", "backend"]
