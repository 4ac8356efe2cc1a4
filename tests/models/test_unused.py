"""Layers that no output needs: Keras builds them too, so their faults are told, and leaves them out of the model."""

from __future__ import annotations

import json
from typing import Any

import keras
import pytest

from spec_compiler import parse_spec, validate_text
from spec_compiler.dialects.write import to_json
from spec_compiler.models import model_from_json
from tests.models.oracle import check_model

HEAD = "inputs: {x: [5, 5]}\nlayers:\n"
TAIL = "  - {Dense: {units: 3}, name: end, from: x}\n"

FAULTS: dict[str, tuple[str, list[str]]] = {
    "none": ("  - {Dense: {units: 2}, name: a, from: x}\n", ["3:5 SC205"]),
    "in a row": (
        "  - {Dense: {units: 2}, name: a, from: x}\n  - {Dense: {units: 2}, name: b, from: a}\n",
        ["3:5 SC205", "4:5 SC205"],
    ),
    "a shape": ("  - {Conv3D: {filters: 2, kernel_size: 1}, name: a, from: x}\n", ["3:5 SC205", "3:5 SC302"]),
    "a size": ("  - {Conv1D: {filters: 2, kernel_size: 6}, name: a, from: x}\n", ["3:5 SC205", "3:5 SC304"]),
    "an output there is none of": (
        "  - {Dense: {units: 2}, name: a, from: x}\n  - {Dense: {units: 2}, name: b, from: 'a[1]'}\n",
        ["3:5 SC205", "3:5 SC204", "4:5 SC205"],
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_wrong_with_an_unused_layer_is_told(name: str) -> None:
    layers, expected = FAULTS[name]
    report = validate_text(HEAD + layers + TAIL)
    found = [f"{d.span.line}:{d.span.column} {d.code.id}" for d in report.diagnostics if d.span]
    assert sorted(found) == sorted(expected)
    assert report.ok == (name in ("none", "in a row"))


def document(size: int = 3, source: str = "first") -> str:
    """A model of Keras's, with a branch of `size` from `source` beside what its output needs."""
    x = keras.Input((4,), name="x")
    y = keras.layers.Dense(3, name="first")(x)
    beside = keras.layers.Reshape((3, 1), name="beside")(y)
    stated = json.loads(keras.Model(x, [keras.layers.Dense(2, name="end")(y), beside]).to_json())
    stated["config"]["output_layers"] = [["end", 0, 0]]
    branch = next(layer for layer in stated["config"]["layers"] if layer["name"] == "beside")
    branch["config"]["target_shape"] = [size, 1]
    branch["inbound_nodes"][0]["args"][0]["config"]["keras_history"][0] = source
    return json.dumps(stated)


def test_keras_loads_what_is_written_of_an_unused_branch() -> None:
    layers = "  - {Dense: {units: 2}, name: a, from: x}\n  - {Dense: {units: 2}, name: b, from: a}\n"
    loaded = keras.models.model_from_json(to_json(parse_spec(HEAD + layers + TAIL)))
    assert [layer.name for layer in loaded.layers] == ["x", "end"]


def test_unused_branch_is_no_part_of_the_model() -> None:
    text = document()
    theirs = keras.models.model_from_json(text)
    ours = model_from_json(text)
    assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]
    assert ours.count_params() == theirs.count_params()
    assert json.loads(ours.to_json()) == json.loads(text)
    check_model(theirs, [keras.ops.convert_to_numpy(keras.random.normal((3, 4), seed=1))])


@pytest.mark.parametrize(
    ("changed", "code"),
    [({"size": 4}, "SC301"), ({"source": "beside"}, "SC201"), ({"source": "nothing"}, "SC202")],
    ids=["shape", "circle", "missing"],
)
def test_keras_too_refuses_a_faulty_branch(changed: dict[str, Any], code: str) -> None:
    text = document(**changed)
    with pytest.raises(Exception):  # noqa: B017  # Keras has one of its own for each
        keras.models.model_from_json(text)
    assert [fault.code.id for fault in validate_text(text).errors] == [code]
