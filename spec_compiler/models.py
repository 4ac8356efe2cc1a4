"""Models: build them, read them. `from spec_compiler.models import Sequential, Model, model_from_json, load_model`."""

from __future__ import annotations

from typing import Any

from spec_compiler.loading import load_spec, parse_spec
from spec_compiler.runtime.model import Model as Model
from spec_compiler.runtime.model import Sequential as Sequential
from spec_compiler.runtime.saving import load_model as load_model

__all__ = ["Model", "Sequential", "load_model", "model_from_config", "model_from_json", "model_from_yaml"]


def model_from_json(text: str) -> Model:
    """The model that JSON of any Keras, or of the short form, states; with new weights. Raises SpecError."""
    return Model.from_spec(parse_spec(text))


def model_from_yaml(text: str) -> Model:
    """The model that YAML of any Keras, or of the short form, states; with new weights. Raises SpecError."""
    return Model.from_spec(parse_spec(text))


def model_from_config(config: dict[str, Any]) -> Model:
    """The model of a whole document in hand, `{"class_name": ..., "config": ...}`; with new weights. Raises SpecError."""
    return Model.from_spec(load_spec(config))
