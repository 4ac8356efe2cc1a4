"""Every architecture of `keras.applications`: read, counted, written again, and computed as Keras does.

A few in every run; all 40 by hand: pytest -n 0 -m slow tests/applications
"""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
import torch

from spec_compiler.diagnostics import Reporter
from spec_compiler.dialects.write import to_dict, to_json, to_yaml
from spec_compiler.ir import build_graph
from spec_compiler.loading import load_spec, parse_spec
from spec_compiler.lowering.lower import lower_spec, weights
from spec_compiler.models import model_from_json
from spec_compiler.specs.model import ModelSpec
from tests.applications.architectures import NAMES, QUICK, document, make

COMPUTED = ["MobileNetV2", "MobileNetV3Small", "EfficientNetB0", "EfficientNetV2B0", "DenseNet121", "ResNet50V2",
            "InceptionResNetV2", "ConvNeXtTiny", "NASNetMobile", "Xception"]  # fmt: skip
"""One a family."""

NOT_IN_KERAS2 = ("ConvNeXt", "InceptionResNetV2", "MobileNetV3")
"""Architectures with layers, activations and operations that Keras 2 has no words for."""


def test_there_are_forty() -> None:
    assert len(NAMES) == 40


def check_document(name: str) -> None:
    with keras.device("meta"):  # weights have shapes, and no numbers
        theirs = make(name)
    stated = document(theirs)
    spec = load_spec(stated)

    assert json.loads(json.dumps(to_dict(spec))) == stated
    spec._origin = None  # and so when nothing is known of the document
    written = json.loads(json.dumps(to_dict(spec)))
    assert [written.pop(key) for key in ("keras_version", "backend")] == ["3.15.1", "torch"]
    assert written == stated

    assert _graph(parse_spec(to_yaml(spec, "short"))) == _graph(spec)
    if not name.startswith(NOT_IN_KERAS2):
        assert _graph(parse_spec(to_json(spec, "keras2"))) == _graph(spec)

    ours = [(layer.layer, variable) for layer, variable, _ in weights(lower_spec(spec))]
    assert [f"{layer.name}/{variable.name}" for layer, variable in ours] == [_of_layer(w.path) for w in theirs.weights]
    assert [variable.shape for _, variable in ours] == [tuple(weight.shape) for weight in theirs.weights]
    assert [variable.trainable for _, variable in ours] == [weight.trainable for weight in theirs.weights]
    assert sum(variable.size for _, variable in ours) == theirs.count_params()


def _graph(spec: ModelSpec) -> str:
    """The graph as text, without the masks that Keras says there are none of."""
    return str(build_graph(spec, Reporter())).replace(", mask=None", "")


def _of_layer(path: str) -> str:
    """The path without the scopes around the layer, and without the number that Keras gives a weight with no name."""
    layer, weight = path.split("/")[-2:]
    return f"{layer}/{'variable' if weight.startswith('variable') else weight}"


@pytest.mark.parametrize("name", QUICK)
def test_architecture_is_read_and_written_as_keras_has_it(name: str) -> None:
    check_document(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if name not in QUICK])
def test_every_architecture_is_read_and_written_as_keras_has_it(name: str) -> None:
    check_document(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", COMPUTED)
def test_architecture_computes_what_keras_computes(name: str) -> None:
    theirs = make(name, input_shape=(96, 96, 3), classifier_activation=None)
    rng = np.random.default_rng(0)
    values = []
    for weight, value in zip(theirs.weights, theirs.get_weights(), strict=True):
        noise = rng.normal(scale=0.1, size=value.shape)
        # Kernels as they are drawn, so that signals keep their size; all else away from 0 and 1.
        values.append(
            (value if value.ndim > 1 else value + (np.abs(noise) if "variance" in weight.path else noise)).astype(
                "float32"
            )
        )
    theirs.set_weights(values)
    ours = model_from_json(theirs.to_json())
    ours.set_weights(values)
    x = rng.uniform(0, 255, (2, 96, 96, 3)).astype("float32")
    with torch.no_grad():
        expected = theirs(x, training=False).numpy()
        found = ours.module.eval()(torch.from_numpy(x)).numpy()
    scale = np.abs(expected).max()
    assert scale > 0
    np.testing.assert_allclose(found / scale, expected / scale, rtol=0, atol=1e-5)
