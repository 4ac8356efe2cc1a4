"""Keras 2 documents read and written again are the same, but for the list in `keras2_writer`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spec_compiler.diagnostics import SpecError
from spec_compiler.dialects.known import KERAS_LAYERS
from spec_compiler.dialects.write import to_dict, to_json
from spec_compiler.loading import load_spec, parse_spec
from spec_compiler.specs import layers as L
from spec_compiler.specs.model import SequentialSpec
from tests.conftest import SHARED

DOCUMENTS = sorted((SHARED / "keras2").glob("*.json"))
"""Written by tf_keras 2.21."""

NOT_BUILT_YET = {
    path
    for path in DOCUMENTS
    for layer in json.loads(path.read_text())["config"]["layers"]
    if layer["class_name"] in KERAS_LAYERS and layer["class_name"] not in L.__all__
}
WHOLE = [path for path in DOCUMENTS if path not in NOT_BUILT_YET]

LEFT_OUT = ("module", "registered_name", "build_config", "shared_object_id")
ONLY_SOME_WRITE = ("optional", "rng_type", "implementation")


def stated(document: Any) -> Any:
    """The document without what `keras2_writer` says it leaves out."""
    if isinstance(document, list):
        return [stated(one) for one in document]
    if not isinstance(document, dict):
        return document
    dropped = LEFT_OUT if "class_name" in document else ONLY_SOME_WRITE
    return {key: stated(value) for key, value in document.items() if key not in dropped}


def embeddings(document: Any) -> Iterator[dict[str, Any]]:
    for value in document.values() if isinstance(document, dict) else document:
        if isinstance(value, dict) and value.get("class_name") == "Embedding":
            yield value["config"]
        if isinstance(value, (dict, list)):
            yield from embeddings(value)


def plain(document: Any) -> Any:
    return json.loads(json.dumps(document))


@pytest.mark.skipif(not DOCUMENTS, reason="the reference models are not at hand")
@pytest.mark.parametrize("path", WHOLE, ids=lambda path: path.stem)
def test_document_of_tf_keras_read_and_written_again_is_the_same(path: Path) -> None:
    theirs, ours = stated(json.loads(path.read_text())), stated(plain(to_dict(load_spec(path), "keras2")))
    assert ours == theirs


@pytest.mark.parametrize("path", sorted((Path(__file__).parent / "keras3").glob("*.json")), ids=lambda path: path.stem)
def test_a_keras3_model_in_keras2_words_is_the_same_model(path: Path) -> None:
    spec = load_spec(path)
    again = parse_spec(to_json(spec, "keras2"))
    assert again.origin is not None and again.origin.dialect == "keras2"
    assert [type(layer) for layer in again.walk()] == [type(layer) for layer in spec.walk()]
    assert again.name == spec.name
    assert [layer.get_config() for layer in again.walk() if not hasattr(layer, "members")] == [
        layer.get_config() for layer in spec.walk() if not hasattr(layer, "members")
    ]


def test_what_keras2_has_no_words_for_is_named() -> None:
    layers = [
        L.InputLayer(batch_shape=(None, 4), name="x"),
        L.RMSNormalization(name="rms"),
        L.Dense(2, activation="glu", name="glu"),
        L.Dense(2, activation="hard_sigmoid", name="hard"),
        L.AlphaDropout(0.1, noise_shape=(2, 2), name="noisy"),
    ]
    with pytest.raises(SpecError) as error:
        to_dict(SequentialSpec(layers=layers, name="s"), "keras2")
    messages = [fault.message for fault in error.value.diagnostics]
    assert messages == [
        "layer 'rms': Keras 2 has no RMSNormalization",
        "layer 'glu': Keras 2 has no activation 'glu'",
        "layer 'hard': Keras 2 has no activation 'hard_sigmoid'",
        "layer 'noisy': Keras 2's AlphaDropout has no noise_shape=[2, 2]",
    ]


def test_keras2s_hard_sigmoid_goes_through_every_dialect() -> None:
    layers = [L.InputLayer(batch_shape=(None, 4), name="x"), L.Dense(2, activation="hard_sigmoid_keras2", name="hard")]
    spec = SequentialSpec(layers=layers, name="s")
    assert to_dict(spec, "keras2")["config"]["layers"][1]["config"]["activation"] == "hard_sigmoid"
    for dialect in ("keras2", "keras3", "short"):
        again = parse_spec(to_json(spec, dialect))
        assert next(layer for layer in again.walk() if layer.name == "hard").activation == "hard_sigmoid_keras2"


def test_unknown_dialect_is_named() -> None:
    spec = SequentialSpec(layers=[L.InputLayer(batch_shape=(None, 4))], name="s")
    with pytest.raises(ValueError, match="one of keras3, keras2, short, got 'onnx'"):
        to_dict(spec, "onnx")
