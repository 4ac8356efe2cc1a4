"""The classes of the closed tables, as both schemas list them."""

from __future__ import annotations

from spec_compiler.schema.fields import Schema, arguments
from spec_compiler.specs import registry
from spec_compiler.specs.activations import ACTIVATIONS, ALIASES
from spec_compiler.specs.base import LayerSpec, SpecObject

DRAFT = "https://json-schema.org/draft/2020-12/schema"
SHARED_FIELDS = ("trainable", "dtype")
"""Arguments of every layer: stated once."""


def classes(kind: str) -> dict[str, type[SpecObject]]:
    """The classes of a kind by their own names, without the other names they go by; sorted."""
    found = {name: registry.find(kind, name) for name in registry.names(kind)}
    return {name: cls for name, cls in sorted(found.items()) if cls is not None and cls.__name__ == name}


def layer_classes() -> dict[str, type[SpecObject]]:
    """Every layer that stands among `layers`, the user's own too: all but InputLayer."""
    return {name: cls for name, cls in classes("layer").items() if name != "InputLayer"}


def layer_arguments(cls: type[SpecObject]) -> Schema:
    """The layer's arguments but its name; those of every layer by reference."""
    schema = arguments(cls, leave_out=frozenset(("name", *SHARED_FIELDS)))
    schema["properties"] |= {name: {"$ref": f"#/$defs/{name}"} for name in SHARED_FIELDS}
    return schema


def shared_fields() -> dict[str, Schema]:
    """What every layer takes beside its name."""
    properties = arguments(LayerSpec)["properties"]
    return {name: properties[name] for name in SHARED_FIELDS}


def activation_names() -> list[str]:
    """Every name of an activation function."""
    return sorted((*ACTIVATIONS, *ALIASES))


def activation_layers() -> list[str]:
    """The layers that may stand for an activation."""
    return [name for name, cls in layer_classes().items() if getattr(cls, "is_activation", False)]


def pick(properties: Schema, keys: list[str]) -> Schema:
    """An object with exactly one of the properties."""
    return {
        "type": "object",
        "properties": {key: properties[key] for key in keys},
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }
