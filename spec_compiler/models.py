"""Models: build them, read them. `from spec_compiler.models import Sequential, Model, model_from_json, load_model`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spec_compiler.loading import load_spec, parse_spec
from spec_compiler.runtime.model import Model as Model
from spec_compiler.runtime.saving import load_model as load_model
from spec_compiler.runtime.sequential import Sequential as Sequential
from spec_compiler.specs.registry import also_known

__all__ = ["Model", "Sequential", "load_model", "model_from_config", "model_from_json", "model_from_yaml"]


CustomObjects = Mapping[str, Any] | None
"""Layers of the user's own by class name, known while a document is read; see `register_layer` to have them known."""


def model_from_json(json_string: str, custom_objects: CustomObjects = None) -> Model:
    """The model that JSON of any Keras, or of the short form, states; with new weights. Raises SpecError."""
    with also_known(custom_objects):
        return Model.from_spec(parse_spec(json_string))


def model_from_yaml(yaml_string: str, custom_objects: CustomObjects = None) -> Model:
    """The model that YAML of any Keras, or of the short form, states; with new weights. Raises SpecError."""
    with also_known(custom_objects):
        return Model.from_spec(parse_spec(yaml_string))


def model_from_config(config: dict[str, Any], custom_objects: CustomObjects = None) -> Model:
    """The model of a whole document in hand, `{"class_name": ..., "config": ...}`; with new weights. Raises SpecError."""
    with also_known(custom_objects):
        return Model.from_spec(load_spec(config))
