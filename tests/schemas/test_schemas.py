"""The JSON Schemas: fresh, valid, and of one mind with the readers about the files of the tests and the corpus."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from spec_compiler import schema
from spec_compiler.diagnostics import Reporter
from spec_compiler.dialects.detect import detect
from spec_compiler.schema.files import FILES, text
from spec_compiler.source import load
from spec_compiler.specs import registry
from spec_compiler.specs.base import LayerSpec
from tests.conftest import SHARED

ROOT = Path(__file__).parent.parent.parent
SHORT_CASES = ROOT / "tests" / "dialects" / "short"
SEMANTIC = {
    "no_input.yaml",
    "recursion.yaml",
    "recursion_of_models.yaml",
    "too_many.yaml",
    "training_outputs.yaml",
    "values_of_expressions.yaml",
    "which_input.yaml",
}
"""Faults that lie in how a document's parts go together, which a schema cannot say."""


@cache
def validator(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(FILES[name]())


def faults(name: str, data: Any) -> list[str]:
    # JSON has neither tuples nor keys that are numbers, and a schema speaks of JSON.
    return [error.message for error in validator(name).iter_errors(json.loads(json.dumps(data)))]


def files(folder: Path, *patterns: str) -> list[Path]:
    return sorted(path for pattern in patterns for path in folder.glob(pattern) if path.suffix != ".out")


@pytest.mark.parametrize("name", FILES)
def test_file_is_fresh(name):
    fresh = (ROOT / "schemas" / name).read_text(encoding="utf-8") == text(FILES[name]())
    assert fresh, "the schema is stale: run `python -m spec_compiler.schema` and commit what it writes"


@pytest.mark.parametrize("name", FILES)
def test_schema_is_valid_and_every_reference_in_it_leads_somewhere(name):
    data = FILES[name]()
    jsonschema.Draft202012Validator.check_schema(data)
    assert data["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    for reference in references(data):
        place: Any = data
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def references(data: Any) -> list[str]:
    if isinstance(data, list):
        return [reference for item in data for reference in references(item)]
    if not isinstance(data, dict):
        return []
    own = [data["$ref"]] if isinstance(data.get("$ref"), str) else []
    return own + [reference for item in data.values() for reference in references(item)]


@pytest.mark.parametrize("path", files(SHORT_CASES / "ok", "*"), ids=lambda path: path.name)
def test_sound_documents_pass(path):
    assert faults("model.schema.json", load(path).data) == []


@pytest.mark.parametrize("path", files(SHORT_CASES / "err", "*"), ids=lambda path: path.name)
def test_broken_documents_fail_where_a_schema_can_tell(path):
    assert bool(faults("model.schema.json", load(path).data)) == (path.name not in SEMANTIC)


@pytest.mark.parametrize("path", files(ROOT / "examples", "*.yaml"), ids=lambda path: path.name)
def test_examples_pass_and_name_the_schema(path):
    assert path.read_text(encoding="utf-8").startswith("# yaml-language-server: $schema=../schemas/model.schema.json\n")
    assert faults("model.schema.json", load(path).data) == []


ITEMS = [
    ({"Dense": {"units": 3, "kernel_initializer": "he_normal"}}, True),
    ({"Dense": {"units": 3, "kernel_initializer": {"HeNormal": {"seed": 1}}, "kernel_regularizer": None}}, True),
    ({"Dense": {"units": 3, "activation": {"LeakyReLU": {"negative_slope": 0.1}}}}, True),
    ({"Dense": {"units": 3, "dtype": "mixed_bfloat16", "trainable": False}}, True),
    ({"Conv2D": {"filters": 3, "kernel_size": [3, 2]}, "name": "x", "from": ["a", "b[1]", ["c"]], "repeat": 2}, True),
    ({"Bidirectional": {"layer": {"LSTM": {"units": 3}, "name": "inner"}}}, True),
    ({"Identity": None}, True),
    ("Identity", True),
    ("residual", True),
    ({"residual": {"filters": 3}, "repeat": 2}, True),
    ({"call": "x", "from": "y", "with": {"mask": {"from": "z"}}}, True),
    ("Dense", False),
    ("Densee", False),
    ({"Densee": {"units": 3}}, False),
    ({"Dense": {}}, False),
    ({"Dense": None}, False),
    ({"Dense": {"units": 3, "unit": 3}}, False),
    ({"Dense": {"units": 3, "name": "x"}}, False),
    ({"Dense": {"units": "3"}}, False),
    ({"Dense": {"units": "${n}"}}, False),
    ({"Dense": {"units": 0}}, False),
    ({"Dense": {"units": 3, "activation": "rleu"}}, False),
    ({"Dense": {"units": 3, "kernel_initializer": {"HeNormal": {"sed": 1}}}}, False),
    ({"Dense": {"units": 3, "kernel_initializer": {"HeNormal": {}, "Zeros": {}}}}, False),
    ({"Dense": {"units": 3}, "nam": "x"}, False),
    ({"Dense": {"units": 3}, "repeat": 0}, False),
    ({"Dense": {"units": 3}, "from": []}, False),
    ({"Conv2D": {"filters": 3, "kernel_size": [3, 2, 1]}}, False),
    ({"Bidirectional": {"layer": {"LSTM": {"unit": 3}}}}, False),
    ({"InputLayer": {"shape": [3]}}, False),
    ({}, False),
]


@pytest.mark.parametrize(("item", "sound"), ITEMS, ids=lambda value: str(value)[:60])
def test_items(item, sound):
    assert (faults("model.schema.json", {"layers": [item]}) == []) == sound


@pytest.mark.parametrize(
    ("item", "sound"),
    [
        ({"Dense": {"units": "${n * 2}", "activation": "${a}", "kernel_regularizer": {"L2": {"l2": "${d}"}}}}, True),
        ({"Conv2D": {"filters": "${n}", "kernel_size": ["${k}", 3], "padding": "same"}, "repeat": "${n}"}, True),
        ({"Bidirectional": {"layer": {"LSTM": {"units": "${n}"}}}}, True),
        ({"inner": {"n": "${n}"}}, True),
        ({"Dense": {"units": "n"}}, False),
        ({"Dense": {"unit": "${n}"}}, False),
        ({"Dense": {"units": "a ${n}"}}, False),
    ],
    ids=lambda value: str(value)[:60],
)
def test_items_of_a_block_may_be_computed(item, sound):
    data = {"layers": ["b"], "blocks": {"b": {"params": {"n": None}, "layers": [item]}}}
    assert (faults("model.schema.json", data) == []) == sound


def test_every_argument_of_every_layer_is_described():
    definitions = schema.model_schema()["$defs"]
    bare = [
        f"{key}.{name}"
        for key, layer in definitions.items()
        if key.startswith("layer.")
        for name, argument in layer["properties"].items()
        if "description" not in argument and "$ref" not in argument
    ]
    assert bare == []
    assert [key for key, layer in definitions.items() if key.startswith("layer.") and "description" not in layer] == []


def test_prose_and_defaults_are_the_classes_own():
    dense = schema.model_schema()["$defs"]["layer.Dense"]
    assert dense["description"].startswith("Compute `activation(x @ kernel + bias)`")
    assert dense["properties"]["units"]["description"] == "Length of the output's last axis."
    assert dense["properties"]["kernel_initializer"]["default"] == "GlorotUniform"
    assert dense["required"] == ["units"]


def test_registered_layers_are_in_both(monkeypatch):
    class Scale(LayerSpec):
        """Multiply by a factor."""

        factor: float = 1.0
        """The factor."""

    monkeypatch.setattr(registry, "_registered_layers", {"Scale": Scale})
    data = schema.model_schema()
    assert data["$defs"]["layer.Scale"]["properties"]["factor"]["description"] == "The factor."
    check = jsonschema.Draft202012Validator(data)
    assert check.is_valid({"layers": ["Scale", {"Scale": {"factor": 2}}]})
    assert not check.is_valid({"layers": [{"Scale": {"factr": 2}}]})
    check = jsonschema.Draft202012Validator(schema.keras_schema())
    layer = {"class_name": "Scale", "config": {"factor": "a"}}
    assert not check.is_valid({"class_name": "Sequential", "config": {"layers": [layer]}})


@pytest.mark.parametrize(
    ("config", "sound"),
    [
        ({"units": 3, "dtype": {"class_name": "DTypePolicy", "config": {"name": "float32"}}}, True),
        ({"output_dim": 3, "W_regularizer": None}, True),
        ({"units": 3, "kernel_initializer": {"class_name": "VarianceScaling", "config": {"scale": 1.0}}}, True),
        ({"units": "3"}, False),
        ({"units": 3, "use_bias": "yes"}, False),
        ({"units": 3, "kernel_initializer": 3}, False),
    ],
    ids=str,
)
@pytest.mark.parametrize("nested", [False, True])
def test_configs_of_keras_layers(config, sound, nested):
    data = {"class_name": "Sequential", "config": {"layers": [{"class_name": "Dense", "config": config}]}}
    if nested:
        data = {"class_name": "Functional", "config": {"layers": [data]}}
    assert (faults("keras.schema.json", data) == []) == sound


@pytest.mark.skipif(not SHARED.is_dir(), reason="the corpus is not here")
def test_published_keras_files_pass():
    read = 0
    for path in files(SHARED / "corpus", "*.json", "*.json@*", "*.yaml", "*!config.json"):
        data = load(path).data
        found = detect(data, Reporter())
        if found is not None and found.dialect in ("keras2", "keras3"):
            assert faults("keras.schema.json", data) == [], path.name
            read += 1
    assert read > 50


def test_files_are_written_whole(tmp_path, capsys):
    from spec_compiler.schema.__main__ import main

    assert main([str(tmp_path / "new")]) == 0
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(FILES)
    assert str(tmp_path / "new" / "model.schema.json") in capsys.readouterr().out
