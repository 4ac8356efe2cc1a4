"""The same model in everything that models were found wrapped in, as JSON and as YAML, reads as the same model."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from spec_compiler.diagnostics import Report
from spec_compiler.loading import load_spec, parse_spec, validate_text
from tests.dialects.short.description import describe

LAYERS = [
    {"class_name": "Embedding", "config": {
        "name": "words", "input_dim": 9, "output_dim": 4, "batch_input_shape": [None, 5], "dtype": "float32"}},
    {"class_name": "LSTM", "config": {"name": "lstm", "units": 3, "activation": "tanh", "return_sequences": False}},
    {"class_name": "Dense", "config": {"name": "out", "units": 2, "activation": "softmax"}},
]  # fmt: skip
SEQUENTIAL = {"class_name": "Sequential", "config": {"name": "net", "layers": LAYERS}}


def _placed(class_name: str, name: str, nodes: list[Any], **config: Any) -> dict[str, Any]:
    return {"class_name": class_name, "name": name, "config": {"name": name, **config}, "inbound_nodes": nodes}


FUNCTIONAL = {
    "class_name": "Model",
    "config": {
        "name": "net",
        "layers": [
            _placed("InputLayer", "x", [], batch_input_shape=[None, 4], dtype="float32"),
            _placed("Dense", "a", [[["x", 0, 0]]], units=3, activation="relu"),
            _placed("Dense", "b", [[["x", 0, 0]], [["a", 0, 0]]][:1], units=3),
            _placed("Concatenate", "out", [[["a", 0, 0, {}], ["b", 0, 0, {}]]], axis=-1),
        ],
        "input_layers": [["x", 0, 0]],
        "output_layers": [["out", 0, 0]],
    },
}

WRAPPINGS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "as Keras wrote it": lambda m: {**m, "keras_version": "2.2.4", "backend": "tensorflow"},
    "text in text": json.dumps,
    "text in text in text": lambda m: json.dumps(json.dumps(m)),
    "model_config, an HDF5 file's": lambda m: {"model_config": m, "keras_version": "2.2.4", "training_config": None},
    "model_config as text": lambda m: {"model_config": json.dumps(m), "keras_version": "2.2.4"},
    "modelTopology, TensorFlow.js's": lambda m: {
        "format": "layers-model",
        "generatedBy": "keras v2.2.4",
        "convertedBy": "TensorFlow.js Converter v1.2",
        "modelTopology": {"keras_version": "2.2.4", "backend": "tensorflow", "model_config": m},
        "weightsManifest": [
            {"paths": ["group1-shard1of1"], "weights": [{"name": "a/kernel", "shape": [4, 3], "dtype": "float32"}]}
        ],
    },
    "modelTopology without model_config": lambda m: {"modelTopology": m, "weightsManifest": []},
    "a SavedModel's keras_metadata": lambda m: {
        "name": "net",
        "trainable": True,
        "expects_training_arg": True,
        "dtype": "float32",
        "batch_input_shape": None,
        "must_restore_from_config": False,
        **m,
        "shared_object_id": 9,
        "build_input_shape": {"class_name": "TensorShape", "items": [None, 4]},
        "is_graph_network": True,
        "full_save_spec": {"class_name": "__tuple__", "items": []},
        "save_spec": {"class_name": "TypeSpec", "type_spec": "tf.TensorSpec", "serialized": []},
        "keras_version": "2.9.0",
        "backend": "tensorflow",
        "model_config": m,
        "training_config": {"loss": "mse", "metrics": None, "optimizer_config": None},
    },
    "the config alone": lambda m: m["config"],
    "keys that mean nothing": lambda m: {
        "author": "nobody", "layers_count": 3, "weights": None, **m, "date": "2017-01-01", "notes": {"a": [1, {}]}
    },
    "architecture": lambda m: {"architecture": m, "history": {"loss": [1.0, 0.5]}},
}  # fmt: skip

Write = Callable[[Any], bytes]


def _yaml(document: Any) -> bytes:
    return yaml.safe_dump(document).encode()


class _OldDumper(yaml.SafeDumper):
    """Writes YAML as Keras did on Python 2: tuples as such, and text as unicode."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_OldDumper.add_representer(str, lambda d, text: d.represent_scalar("tag:yaml.org,2002:python/unicode", text))
_OldDumper.add_representer(tuple, lambda d, value: d.represent_sequence("tag:yaml.org,2002:python/tuple", value))


def _with_tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_tuples(item) for key, item in value.items()}
    if isinstance(value, list):
        items = [_with_tuples(item) for item in value]
        return tuple(items) if all(item is None or isinstance(item, (int, str)) for item in items) else items
    return value


TEXTS: dict[str, Write] = {
    "json": lambda document: json.dumps(document).encode(),
    "json, indented, CRLF, BOM": lambda document: (
        b"\xef\xbb\xbf" + json.dumps(document, indent=2).replace("\n", "\r\n").encode() + b"\r\n\r\n"
    ),
    "json in UTF-16": lambda document: json.dumps(document).encode("utf-16"),
    "yaml": _yaml,
    "yaml, CRLF, BOM": lambda document: b"\xef\xbb\xbf" + _yaml(document).replace(b"\n", b"\r\n"),
    "yaml with Python's tags": lambda document: yaml.dump(_with_tuples(document), Dumper=_OldDumper).encode(),
}


def said(report: Report) -> str:
    return str(report)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("wrapping", WRAPPINGS)
@pytest.mark.parametrize("model", [SEQUENTIAL, FUNCTIONAL], ids=["sequential", "functional"])
def test_model_reads_the_same_in_every_wrapping(model: dict[str, Any], wrapping: str, text: str) -> None:
    expected = parse_spec(json.dumps(model))
    data = TEXTS[text](WRAPPINGS[wrapping](model))
    assert said(validate_text(data)) == ""
    found = parse_spec(data)
    found.training = None
    assert describe(found) == describe(expected)


@pytest.mark.parametrize("text", TEXTS)
def test_list_of_layers_alone_is_a_sequential(text: str) -> None:
    found = parse_spec(TEXTS[text](LAYERS))
    assert describe(found).partition("\n")[2] == describe(parse_spec(json.dumps(SEQUENTIAL))).partition("\n")[2]


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_faults_stand_at_their_place_in_every_wrapping(wrapping: str) -> None:
    broken = json.loads(json.dumps(SEQUENTIAL))
    broken["config"]["layers"][2]["config"]["units"] = -2
    report = validate_text(json.dumps(WRAPPINGS[wrapping](broken)))
    assert [d.code.id for d in report.errors] == ["SC104"]
    assert "Dense.units" in str(report)


def test_spaces_around_names_are_trimmed_with_a_warning() -> None:
    spaced = json.loads(json.dumps(FUNCTIONAL).replace('"a"', '" a "').replace('"Dense"', '"Dense "'))
    report = validate_text(json.dumps(spaced))
    assert report.ok
    assert {d.code.slug for d in report.warnings} == {"trimmed-name"}
    assert describe(parse_spec(json.dumps(spaced))) == describe(parse_spec(json.dumps(FUNCTIONAL)))


@pytest.mark.parametrize("model", [SEQUENTIAL, FUNCTIONAL], ids=["sequential", "functional"])
def test_keras_archive_and_its_config_read_the_same(model: dict[str, Any], tmp_path: Path) -> None:
    expected = describe(parse_spec(json.dumps(model)))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", json.dumps(model))
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.15.1", "date_saved": "2026-01-01"}))
        archive.writestr("model.weights.h5", b"")
    (tmp_path / "net.keras").write_bytes(packed.getvalue())
    (tmp_path / "config.json").write_text(json.dumps(model))
    assert describe(load_spec(tmp_path / "net.keras")) == expected
    assert describe(load_spec(tmp_path / "config.json")) == expected
