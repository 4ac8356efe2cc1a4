"""The JSON Schema of the short form."""

from __future__ import annotations

from typing import Any

from spec_compiler.schema import classes
from spec_compiler.schema.fields import Schema, arguments
from spec_compiler.specs import registry
from spec_compiler.specs.layers.core import InputLayer
from spec_compiler.specs.training import TrainingSpec

_IN_BLOCKS = ("initializer", "regularizer", "constraint")
_OBJECTS = (*_IN_BLOCKS, "loss", "metric", "optimizer", "schedule", "callback")

_EXPRESSION = {"$ref": "#/$defs/expression"}
_NAME = {"type": "string", "pattern": r"^[^\\]+$"}
_OWN_NAME = r"^(?!(name|from|with|repeat|call)$)[^A-Z\\][^\\]*$"
"""Names of blocks and models begin with a small letter, those of layer classes with a capital one."""
_SOURCES = {
    "anyOf": [
        _NAME,
        {"type": "array", "minItems": 1, "items": {"anyOf": [_NAME, {"type": "array", "minItems": 1, "items": _NAME}]}},
    ]
}


def model_schema() -> Schema:
    """The schema of a short-form document: every layer and object with its arguments, their prose and defaults."""
    layers = classes.layer_classes()
    definitions: dict[str, Schema] = {
        "layer": _layer(list(layers), "layer."),
        "block_layer": _layer(list(layers), "block_layer."),
        "item": _item(list(layers), "layer.", {"type": "integer", "minimum": 1}),
        "block_item": _item(list(layers), "block_layer.", {"anyOf": [{"type": "integer", "minimum": 1}, _EXPRESSION]}),
        "expression": {
            "type": "string",
            "pattern": r"^\s*\$\{[^{}]*\}\s*$",
            "description": "A parameter of the block, or arithmetic on parameters: `${filters * 2}`.",
        },
        "bare": {"enum": [name for name, cls in layers.items() if "required" not in arguments(cls)]},
        "input": _input(),
        "activation": _activation(),
        **classes.shared_fields(),
    }
    for name, cls in layers.items():
        schema = _or_null(classes.layer_arguments(cls))
        definitions[f"layer.{name}"] = schema
        definitions[f"block_layer.{name}"] = _for_block(schema, f"#/$defs/layer.{name}")
    for kind in _OBJECTS:
        definitions |= _object(kind)
    definitions |= {"model": _model(), "block": _block()}
    return {
        "$schema": classes.DRAFT,
        "$id": "model.schema.json",
        "title": "spec_compiler model",
        **_root(),
        "$defs": definitions,
    }


def _root() -> Schema:
    properties = {
        "$schema": {"type": "string"},
        "name": {**_NAME, "description": "The model's name."},
        **_model()["properties"],
        "blocks": _named("block", "Blocks: rows of layers with parameters, used like a class of layer."),
        "models": _named("model", "Nested models, used like a class of layer; `call` shares their weights."),
        "masks": {
            "enum": ["keras2", "keras2.9", "keras3.3", "keras3.9"],
            "description": "Merge masks as Keras did until that version, for models that come from it.",
        },
        "training": arguments(TrainingSpec),
    }
    return {"type": "object", "properties": properties, "required": ["layers"], "additionalProperties": False}


def _named(kind: str, description: str) -> Schema:
    return {
        "type": "object",
        "propertyNames": {"pattern": _OWN_NAME},
        "additionalProperties": {"$ref": f"#/$defs/{kind}"},
        "description": description,
    }


def _model() -> Schema:
    one_or_several = {"anyOf": [_NAME, {"type": "array", "minItems": 1, "items": _NAME}]}
    outputs = {
        "anyOf": [*one_or_several["anyOf"], {"type": "object", "minProperties": 1, "additionalProperties": _NAME}]
    }
    return {
        "type": "object",
        "properties": {
            "inputs": {
                "type": "object",
                "propertyNames": _NAME,
                "additionalProperties": {"$ref": "#/$defs/input"},
                "description": "What goes in: names and shapes. Left out, the first batch gives the shape.",
            },
            "layers": {
                "type": "array",
                "minItems": 1,
                "items": {"$ref": "#/$defs/item"},
                "description": "The layers; each takes the output of the one before, unless `from` says otherwise.",
            },
            "outputs": {
                **outputs,
                "description": "What comes out: a name, a list of names, or a mapping of outputs to names. "
                "Left out, the last layer's output.",
            },
            "trainable": {"type": "boolean", "default": True, "description": "Whether training changes the weights."},
        },
        "required": ["layers"],
        "additionalProperties": False,
    }


def _block() -> Schema:
    return {
        "type": "object",
        "properties": {
            "params": {
                "type": "object",
                "propertyNames": {"pattern": r"^[^\W\d]\w*$"},
                "description": "Parameters and their defaults; null where it must be given.",
            },
            "layers": {
                "type": "array",
                "minItems": 1,
                "items": {"$ref": "#/$defs/block_item"},
                "description": "The block's layers; `input` is what the block is given.",
            },
        },
        "required": ["layers"],
        "additionalProperties": False,
    }


def _input() -> Schema:
    shape = {"type": "array", "items": {"type": ["integer", "null"], "minimum": 1}}
    options = arguments(InputLayer, leave_out=frozenset(("name", "trainable", "batch_shape")))
    properties = {
        "shape": {**shape, "description": "Shape without the batch axis; null where unknown."},
        "batch_size": {
            "type": ["integer", "null"],
            "minimum": 1,
            "description": "Samples in a batch, if fixed.",
        },
        **options["properties"],
    }
    mapping = {"type": "object", "properties": properties, "required": ["shape"], "additionalProperties": False}
    return {
        "anyOf": [shape, mapping],
        "description": "A shape without the batch axis, or a mapping with `shape` and `dtype`.",
    }


def _layer(names: list[str], prefix: str) -> Schema:
    """A layer inside a layer: a class or model, and its name."""
    return {"anyOf": [_bare(), _keyed(names, prefix, {"name": _NAME})]}


def _item(names: list[str], prefix: str, repeat: Schema) -> Schema:
    options = {
        "name": {**_NAME, "description": "The layer's name, unique in its model or block."},
        "from": {**_SOURCES, "description": "What it takes: a name, `name[1]` for a second output, or a list of them."},
        "with": {"type": "object", "description": "Keyword arguments of the call: plain values, or `{from: name}`."},
        "repeat": {**repeat, "description": "How often it stands in a row."},
        "call": {**_NAME, "description": "Call the layer of this name once more, sharing its weights."},
    }
    return {"anyOf": [_bare(), _keyed(names, prefix, options)]}


def _bare() -> Schema:
    """A name alone: a class that needs no arguments, a block or a model."""
    return {"anyOf": [{"$ref": "#/$defs/bare"}, {"type": "string", "pattern": _OWN_NAME}]}


def _keyed(names: list[str], prefix: str, options: dict[str, Any]) -> Schema:
    layers = {name: {"$ref": f"#/$defs/{prefix}{name}"} for name in names}
    return {
        "type": "object",
        "properties": {**options, **layers},
        "patternProperties": {_OWN_NAME: {"type": ["object", "null"]}},
        "additionalProperties": False,
        "minProperties": 1,
    }


def _object(kind: str) -> dict[str, Schema]:
    """The definitions of a kind of object: what a field takes, and each class's arguments."""
    found = classes.classes(kind)
    definitions = {}
    for name, cls in found.items():
        schema = _or_null(arguments(cls))
        if kind in _IN_BLOCKS:
            schema["properties"] = {key: _or_expression(value) for key, value in schema["properties"].items()}
        definitions[f"{kind}.{name}"] = schema
    named = {name: registry.find(kind, name) for name in registry.names(kind)}
    keyed = {name: {"$ref": f"#/$defs/{kind}.{cls.__name__}"} for name, cls in named.items() if cls is not None}
    forms = [{"enum": sorted(keyed)}, classes.pick(keyed, sorted(keyed)), {"type": "null"}]
    return {kind: {"anyOf": forms}, **definitions}


def _or_null(schema: Schema) -> Schema:
    """A class's arguments, which may be left out, `Flatten:`, where none is required."""
    return schema if "required" in schema else {**schema, "type": ["object", "null"]}


def _activation() -> Schema:
    layers = classes.activation_layers()
    keyed = {name: {"$ref": f"#/$defs/block_layer.{name}"} for name in layers}
    return {"anyOf": [{"enum": classes.activation_names()}, classes.pick(keyed, layers), {"type": "null"}]}


def _for_block(schema: Schema, place: str) -> Schema:
    """A layer's arguments inside a block, where each may be an expression."""
    properties = {}
    for name, own in schema["properties"].items():
        if "$ref" in own or "anyOf" in own or "items" in own:
            properties[name] = _or_expression(own)
        else:
            properties[name] = {"anyOf": [{"$ref": f"{place}/properties/{name}"}, _EXPRESSION]}
    return {**schema, "properties": properties}


def _or_expression(schema: Schema) -> Schema:
    """`schema`, or an expression in its place or in that of a number in it."""
    kept: Schema = {key: schema[key] for key in ("description", "default") if key in schema}
    own = _with_expressions({key: value for key, value in schema.items() if key not in kept})
    return {"anyOf": [own, _EXPRESSION], **kept}


def _with_expressions(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_with_expressions(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if schema == {"$ref": "#/$defs/layer"}:
        return {"$ref": "#/$defs/block_layer"}
    changed = {key: _with_expressions(value) for key, value in schema.items()}
    if "items" in changed:
        changed["items"] = {"anyOf": [changed["items"], _EXPRESSION]}
    return changed
