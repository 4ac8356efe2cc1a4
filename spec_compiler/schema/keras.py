"""The JSON Schema of Keras's model files, JSON or YAML, of Keras 2 and 3."""

from __future__ import annotations

from itertools import groupby

from spec_compiler.schema import classes
from spec_compiler.schema.fields import Schema

_OBJECTS = ("initializer", "regularizer", "constraint")
_MODELS = ["Functional", "Model", "Sequential"]


def keras_schema() -> Schema:
    """The schema of a Keras file. It closes nothing: older Keras had other arguments, and files hold more."""
    layers = classes.classes("layer")
    definitions: dict[str, Schema] = {
        "model_config": _model_config(),
        "layer": _layer(list(layers)),
        "activation": _named_or_object(classes.activation_names()),
        "trainable": classes.shared_fields()["trainable"],
        "dtype": {
            "anyOf": [classes.shared_fields()["dtype"], {"type": ["object", "null"]}],
            "description": "A dtype, or a serialized dtype policy.",
        },
    }
    for kind in _OBJECTS:
        definitions[kind] = _named_or_object(sorted(classes.classes(kind)))
    for name, cls in layers.items():
        definitions[f"layer.{name}"] = _config(classes.layer_arguments(cls))
    return {
        "$schema": classes.DRAFT,
        "$id": "keras.schema.json",
        "title": "Keras model",
        "anyOf": [
            {"$ref": "#/$defs/layer", "properties": {key: {"type": "string"} for key in ("keras_version", "backend")}},
            {"type": "array", "items": {"$ref": "#/$defs/layer"}, "minItems": 1},
            {"type": "object", "anyOf": [{"required": [key]} for key in ("model_config", "modelTopology")]},
        ],
        "$defs": definitions,
    }


def _model_config() -> Schema:
    """A list of layers as Keras wrote a Sequential until 2.2, or a mapping with them."""
    layers = {"type": "array", "items": {"$ref": "#/$defs/layer"}}
    properties = {"name": {"type": ["string", "null"]}, "layers": layers}
    return {"anyOf": [layers, {"type": "object", "properties": properties, "required": ["layers"]}]}


def _layer(names: list[str]) -> Schema:
    # By first letters, so that a validator need not compare each layer with every class.
    by_letter = {letter: list(same) for letter, same in groupby(sorted(names), key=lambda name: name[0])}
    checks = [
        {
            "if": {"properties": {"class_name": {"pattern": f"^{letter}"}}},
            "then": {"allOf": [_check([name], f"layer.{name}") for name in same]},
        }
        for letter, same in by_letter.items()
    ]
    return {
        "type": "object",
        "properties": {
            "class_name": {"type": "string", "description": "The layer's class."},
            "config": {"type": ["object", "array"], "description": "The layer's arguments."},
            "name": {"type": ["string", "null"]},
        },
        "required": ["class_name", "config"],
        "allOf": [*checks, _check(_MODELS, "model_config")],
    }


def _check(names: list[str], definition: str) -> Schema:
    """The config of a layer of these classes is as the definition says."""
    condition = {"properties": {"class_name": {"enum": names}}}
    return {"if": condition, "then": {"properties": {"config": {"$ref": f"#/$defs/{definition}"}}}}


def _config(schema: Schema) -> Schema:
    """A layer's arguments in a Keras file: none is required and none forbidden, for older Keras had other names."""
    return {key: value for key, value in schema.items() if key not in ("required", "additionalProperties")}


def _named_or_object(names: list[str]) -> Schema:
    """Its name, one of your own, or the object as Keras serializes it."""
    return {"anyOf": [{"enum": names}, {"type": ["string", "object", "null"]}]}
