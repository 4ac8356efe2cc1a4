"""What Keras 3 wrote reads, and is written again the same; what we write, Keras loads as the same model."""

from __future__ import annotations

import inspect
import json
import zipfile
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import keras
import pytest

import spec_compiler.specs.layers as specs
from spec_compiler.diagnostics import Reporter
from spec_compiler.dialects import detect
from spec_compiler.dialects.keras import RULES
from spec_compiler.dialects.layers import LayerReader
from spec_compiler.dialects.write import to_dict, to_json, to_yaml
from spec_compiler.loading import load_spec, parse_spec, validate
from spec_compiler.source import load
from spec_compiler.specs.model import FunctionalSpec, ModelSpec
from spec_compiler.specs.serialization import serialize
from tests.conftest import SHARED

DOCUMENTS = sorted((Path(__file__).parent / "keras3").glob("*.json"))
"""Written by Keras 3.15.1 on its torch backend."""

PUBLISHED = [
    path
    for path in sorted((SHARED / "corpus").glob("*.json"))
    if (found := detect(load(path).data, Reporter())) and found.dialect == "keras3" and validate(path).ok
]
"""The published files of Keras 3 that have no custom layers."""

REQUIRED: dict[str, Any] = {
    "activation": "relu", "axes": 1, "dims": (1,), "equation": "ab,bc->ac", "factor": 0.2, "filters": 3,
    "height": 4, "height_factor": 0.1, "input_dim": 5, "kernel_size": 3, "key_dim": 3, "max_number": 3, "n": 2,
    "num_bins": 4, "num_heads": 2, "num_tokens": 4, "output_dim": 3, "output_shape": (3,), "output_size": 2,
    "pool_size": 2, "rate": 0.3, "scale": 2.0, "stddev": 0.1, "target_shape": (2,), "units": 3, "width": 4,
    "width_factor": 0.1, "head_dim": 3, "num_query_heads": 2, "num_key_value_heads": 1, "value_range": (0, 1),
    "batch_shape": (None, 3), "bin_boundaries": (1.0, 2.0),
}  # fmt: skip
NOT_ON_TORCH = {"StringLookup", "IntegerLookup", "TextVectorization", "Hashing", "HashedCrossing"}
LAYERS = [name for name in specs.__all__ if hasattr(keras.layers, name) and name not in NOT_ON_TORCH]


def plain(document: Any) -> Any:
    return json.loads(json.dumps(document))


def without_version(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key not in ("keras_version", "backend")}


def made(cls: Any) -> Any:
    """A layer of Keras's class with its required arguments."""
    inner = {
        "layer": keras.layers.LSTM(2) if cls is keras.layers.Bidirectional else keras.layers.Dense(2),
        "cell": keras.layers.LSTMCell(2),
        "cells": [keras.layers.LSTMCell(2), keras.layers.GRUCell(3)],
    }
    known = REQUIRED | inner
    parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
    required = [p.name for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    optional = [name for name in ("num_tokens", "bin_boundaries", "batch_shape", "pool_size") if name not in required]
    names = [*required, *(name for name in optional if name in {p.name for p in parameters})]
    if "num_tokens" in names and cls.__name__ != "CategoryEncoding":
        names.remove("num_tokens")
    return cls(**{name: known[name] for name in names})


def afresh(spec: ModelSpec) -> Any:
    """What is written of a spec of which nothing is known but what it is."""
    spec._origin = None
    return without_version(plain(to_dict(spec)))


@pytest.mark.parametrize("path", [*DOCUMENTS, *PUBLISHED], ids=lambda path: path.stem[:60])
def test_document_read_and_written_again_is_the_same(path: Path) -> None:
    assert plain(to_dict(load_spec(path))) == json.loads(path.read_text())


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_archived_config_read_and_written_again_is_the_same(path: Path, tmp_path: Path) -> None:
    """In a `.keras`, objects that stand in several places are numbered."""
    model = keras.models.model_from_json(path.read_text())
    model.save(tmp_path / "model.keras")
    stated = zipfile.ZipFile(tmp_path / "model.keras").read("config.json").decode()
    spec = parse_spec(stated)
    assert plain(to_dict(spec)) == json.loads(stated)
    assert [(w.path, w.shape) for w in keras.models.model_from_json(to_json(spec)).weights] == [
        (w.path, w.shape) for w in model.weights
    ]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_model_is_written_afresh_as_keras_writes_it(path: Path) -> None:
    assert afresh(load_spec(path)) == json.loads(path.read_text()) | {"compile_config": ANY}


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.name[:60])
def test_published_model_is_written_afresh_as_keras_writes_it(path: Path) -> None:
    """Files of older Keras 3 lack arguments, or number shared objects; today's Keras loads and writes them without."""
    theirs = json.loads(keras.models.model_from_json(path.read_text()).to_json())
    assert afresh(load_spec(path)) == theirs | {"compile_config": ANY}


OLDER = {
    "module": "keras", "class_name": "Sequential", "registered_name": None, "compile_config": {"loss": "mse"},
    "config": {"name": "net", "trainable": True, "layers": [
        {"module": "keras.layers", "class_name": "InputLayer", "config": {"batch_shape": [None, 3], "name": "x"}},
        {"module": "keras.layers", "class_name": "Dense", "shared_object_id": 7, "registered_name": None,
         "config": {"units": 2, "name": "dense", "kernel_regularizer": {
             "module": "keras.regularizers", "class_name": "L2", "config": {"l2": 0.5}, "shared_object_id": 9}}},
        {"module": "keras", "class_name": "Sequential", "config": {"name": "inner", "layers": [
            {"module": "keras.layers", "class_name": "Dropout", "config": {"rate": 0.5, "name": "drop"}},
        ]}},
    ]},
}  # fmt: skip
"""Of an earlier Keras 3: arguments are missing, and objects are numbered."""

CHANGES: dict[str, Any] = {
    "a layer's argument": lambda spec: setattr(spec.layers[1], "units", 4),
    "an argument's argument": lambda spec: setattr(spec.layers[1], "kernel_regularizer", "l1"),
    "a name": lambda spec: setattr(spec, "name", "other"),
    "a nested model's layer": lambda spec: setattr(spec.layers[2].layers[0], "rate", 0.25),
    "a layer less": lambda spec: spec.layers.pop(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changed_model_is_not_written_as_it_was_read(change: str) -> None:
    spec = parse_spec(json.dumps(OLDER))
    assert plain(to_dict(spec)) == OLDER
    CHANGES[change](spec)
    written = plain(to_dict(spec))
    assert "shared_object_id" not in json.dumps(written)
    assert written["compile_config"] == OLDER["compile_config"]
    assert parse_spec(json.dumps(written)) == spec


def test_changed_calls_are_not_written_as_they_were_read() -> None:
    x = keras.Input((4,), name="x")
    stated = json.loads(keras.Model(x, keras.layers.Subtract(name="minus")([x, keras.ops.exp(x)])).to_json())
    spec = parse_spec(json.dumps(stated))
    assert isinstance(spec, FunctionalSpec)
    (call,) = spec.placed[-1].calls
    call.args = (call.args[0][::-1],)
    written = plain(to_dict(spec))
    assert written["config"] != stated["config"]
    first, second = stated["config"]["layers"][-1]["inbound_nodes"][0]["args"][0]
    assert written["config"]["layers"][-1]["inbound_nodes"][0]["args"][0] == [second, first]


def test_changed_training_leaves_the_rest_as_it_was_read() -> None:
    spec = parse_spec(json.dumps(OLDER))
    spec.training = None
    assert plain(to_dict(spec)) == OLDER | {"compile_config": {}}


def test_what_is_written_is_the_callers_own() -> None:
    spec = parse_spec(json.dumps(OLDER))
    to_dict(spec)["config"]["layers"].clear()
    assert plain(to_dict(spec)) == OLDER


def test_what_reading_had_to_mend_is_written_mended() -> None:
    stated = json.dumps(OLDER).replace('"dense"', '"dense "')
    assert to_dict(parse_spec(stated))["config"]["layers"][1]["config"]["name"] == "dense"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_keras_loads_what_we_write_as_the_same_model(path: Path) -> None:
    theirs = keras.models.model_from_json(path.read_text())
    ours = keras.models.model_from_json(to_json(load_spec(path)))
    assert [(w.path, w.shape) for w in ours.weights] == [(w.path, w.shape) for w in theirs.weights]
    assert plain(ours.get_config()) == plain(theirs.get_config())


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_yaml_and_json_say_the_same(path: Path) -> None:
    spec = load_spec(path)
    assert to_dict(parse_spec(to_yaml(spec))) == to_dict(parse_spec(to_json(spec)))
    spec._origin = None
    assert list(to_dict(spec))[-2:] == ["keras_version", "backend"]


@pytest.mark.parametrize("name", LAYERS)
def test_layer_is_written_as_keras_writes_it(name: str) -> None:
    written = plain(keras.saving.serialize_keras_object(made(getattr(keras.layers, name))))
    reporter = Reporter()
    reader = LayerReader(RULES["keras3"], reporter)
    item = reader.item(written, ())
    assert item is not None
    layer = reader.read(item)
    assert layer is not None, str(reporter.result())
    assert plain(serialize(layer)) == written


def test_operations_between_layers_are_written_as_keras_writes_them() -> None:
    x, y = keras.Input((4,), name="x"), keras.Input((4,), name="y")
    z = (keras.ops.concatenate([x, y], axis=-1) + 1)[:, 1:5]
    outputs = [z * keras.ops.ones((4,)), keras.ops.split(z, 2, axis=1)[1], keras.ops.where(x > 0, x, y), x[..., None]]
    theirs = json.loads(keras.Model([x, y], outputs).to_json())
    assert afresh(parse_spec(json.dumps(theirs))) == theirs


def test_training_is_written_as_stated_until_it_changes() -> None:
    path = next(path for path in DOCUMENTS if path.stem == "sequential_compiled")
    spec = load_spec(path)
    stated = json.loads(path.read_text())["compile_config"]
    assert spec.training is not None
    assert to_dict(spec)["compile_config"] == stated
    spec.training.loss = "mse"
    changed = to_dict(spec)["compile_config"]
    assert changed["loss"] != stated["loss"]
    loaded = keras.models.model_from_json(json.dumps(plain(to_dict(spec))))
    loaded.compile_from_config(changed)
    assert loaded.optimizer.momentum == 0.9


@pytest.mark.parametrize(
    "name", ["1e3", "no", "0o17", "on", "1_000", "~", "null", "a: b", "0x1f", "1:30", " x", ".5", ""]
)
def test_words_that_look_like_something_else_stay_words_in_yaml(name: str) -> None:
    import yaml

    from spec_compiler.dialects.yaml_text import dump
    from spec_compiler.source import parse

    text = dump({"name": name, "list": [name]})
    assert parse(text, format="yaml").data == {"name": name, "list": [name]}
    assert yaml.safe_load(text) == {"name": name, "list": [name]}
