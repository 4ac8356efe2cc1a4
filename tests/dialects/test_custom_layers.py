"""Layers of a file's author: all named in one run, with all the file says of them, and the rest checked as well."""

from __future__ import annotations

import json
from typing import Any

from spec_compiler.loading import validate_text
from spec_compiler.specs.registry import _registered_layers, register_layer

HOW = (
    "register a spec class and a lowering of your own (`register_layer`, `lowers`; `spec-compiler --plugin mylayers.py` "
    "loads them), or replace the layer"
)


def document(*layers: dict[str, Any]) -> str:
    first = {"class_name": "InputLayer", "config": {"batch_shape": [None, 4], "name": "x"}}
    return json.dumps({"class_name": "Sequential", "config": {"name": "net", "layers": [first, *layers]}}, indent=1)


def test_place_class_module_registered_name_and_what_to_do() -> None:
    text = document(
        {"module": "lab.layers", "class_name": "Spike", "config": {"name": "a"}, "registered_name": "lab>Spike"},
        {"class_name": "Dense", "config": {"name": "b", "units": -1}},
        {"class_name": "QDense", "config": {"name": "c", "units": 3}},
        {"class_name": "Lambda", "config": {"name": "d", "function": ["4wEAAAA=", None, None]}},
    )
    report = validate_text(text, "net.json")
    assert [d.code.slug for d in report.errors] == ["custom-layer", "invalid-value", "custom-layer", "unsafe-layer"]
    lines = [d.span.line for d in report.errors]
    assert lines == sorted(lines) and len(set(lines)) == 4
    spike, _, quantized, lambda_ = (str(d) for d in report.errors)
    assert "custom layer 'Spike' of module 'lab.layers', registered as 'lab>Spike'" in spike
    assert "unknown layer 'QDense'" in quantized
    assert "Lambda holds Python code" in lambda_
    assert all(HOW in text for text in (spike, quantized, lambda_))


def test_name_of_an_application_is_anybodys_unless_its_module_is_keras() -> None:
    """`keras.applications` has a LayerScale; a file that says neither its module nor its arguments means another."""
    keras_own = {"module": "keras.src.applications.convnext", "registered_name": "LayerScale"}
    config = {"name": "a", "init_values": 0.1, "projection_dim": 4}
    assert validate_text(document({"class_name": "LayerScale", "config": config, **keras_own})).ok
    assert validate_text(document({"class_name": "LayerScale", "config": config})).ok
    report = validate_text(document({"class_name": "LayerScale", "config": {"name": "a", "dim": 4, "init": 1.0}}))
    assert [d.code.slug for d in report.errors] == ["custom-layer"]
    assert "unknown layer 'LayerScale'" in str(report) and HOW in str(report)


def test_registered_layer_stands_in_for_the_files_own() -> None:
    from spec_compiler.specs.base import LayerSpec

    text = document({"class_name": "Spike", "config": {"name": "a", "threshold": 2.0}})
    assert not validate_text(text).ok

    class Spike(LayerSpec):
        threshold: float = 1.0

    register_layer(Spike)
    try:
        assert validate_text(text).ok
    finally:
        del _registered_layers["Spike"]
