"""The JSON Schema of a spec class's fields, from their types."""

from __future__ import annotations

import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import PydanticUserError, TypeAdapter, WithJsonSchema
from pydantic.fields import FieldInfo

from spec_compiler.dialects.short.plain import stated
from spec_compiler.schema import prose
from spec_compiler.specs.base import SpecObject

Schema = dict[str, Any]

_SCALARS = {int: "integer", float: "number", str: "string", bool: "boolean", type(None): "null"}
_BOUNDS = {Ge: ("ge", "minimum"), Gt: ("gt", "exclusiveMinimum"), Le: ("le", "maximum"), Lt: ("lt", "exclusiveMaximum")}
_LENGTHS = {MinLen: ("min_length", "minItems"), MaxLen: ("max_length", "maxItems")}


def arguments(cls: type[SpecObject], leave_out: frozenset[str] = frozenset()) -> Schema:
    """The class's arguments: a closed object of its fields but those left out, with their prose and defaults."""
    fields = {name: field for name, field in cls.model_fields.items() if name not in leave_out}
    schema: Schema = {"type": "object", "properties": {name: _property(cls, name, fields[name]) for name in fields}}
    required = [name for name, field in fields.items() if field.is_required()]
    if required:
        schema["required"] = required
    description = prose.of_class(cls)
    if description:
        schema["description"] = description
    schema["additionalProperties"] = False
    return schema


def _property(cls: type, name: str, field: FieldInfo) -> Schema:
    schema = dict(of_type(field.annotation, field.metadata))
    description = prose.of_field(cls, name)
    if description:
        schema["description"] = description
    # A section, such as `fit`, has its defaults inside.
    if not field.is_required() and field.default is not None and "properties" not in schema:
        schema["default"] = stated(field.default)
    return schema


def of_type(annotation: Any, metadata: Any = ()) -> Schema:
    """The schema of a field's type: what its `WithJsonSchema` says, or else what the type does."""
    for mark in metadata:
        if isinstance(mark, WithJsonSchema):
            return dict(mark.json_schema or {})
    schema = _plain(annotation)
    for mark in metadata:
        for attribute, keyword in (*_BOUNDS.items(), *_LENGTHS.items()):
            if isinstance(mark, attribute):
                schema[keyword[1]] = getattr(mark, keyword[0])
    return schema


def _plain(annotation: Any) -> Schema:
    origin, parts = get_origin(annotation), get_args(annotation)
    if annotation is Any:
        return {}
    if annotation in _SCALARS or annotation is None:
        return {"type": _SCALARS[annotation if annotation is not None else type(None)]}
    if origin is Annotated:
        return of_type(parts[0], parts[1:])
    if origin is Literal:
        return {"enum": list(parts)}
    if origin in (Union, types.UnionType):
        return _any_of([of_type(part) for part in parts])
    if origin is list or (origin is tuple and len(parts) == 2 and parts[1] is Ellipsis):
        return {"type": "array", "items": of_type(parts[0])}
    if origin is tuple:
        return {
            "type": "array",
            "prefixItems": [of_type(part) for part in parts],
            "minItems": len(parts),
            "items": False,
        }
    if origin is dict:
        keys = {"propertyNames": {"pattern": "^-?[0-9]+$"}} if parts[0] is int else {}
        return {"type": "object", **keys, "additionalProperties": of_type(parts[1])}
    if isinstance(annotation, type) and issubclass(annotation, SpecObject):
        return arguments(annotation)
    return _as_pydantic_says(annotation)


def _as_pydantic_says(annotation: Any) -> Schema:
    """The schema of a type that no layer of Keras's has a field of; {}, anything, where pydantic has none to say."""
    try:
        schema = TypeAdapter(annotation).json_schema()
    except PydanticUserError:
        return {}
    return {} if "$defs" in schema else schema


def _any_of(schemas: list[Schema]) -> Schema:
    """One of several; plain types become one list of types."""
    flat = [inner for schema in schemas for inner in (schema["anyOf"] if list(schema) == ["anyOf"] else [schema])]
    if all(list(schema) == ["type"] and isinstance(schema["type"], str) for schema in flat):
        return {"type": [schema["type"] for schema in flat]}
    return {"anyOf": flat}
