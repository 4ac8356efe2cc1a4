"""Arguments as the short form states them: what differs from the defaults, objects by their names."""

from __future__ import annotations

from typing import Any, get_args, get_origin

from pydantic import WithJsonSchema
from pydantic.fields import FieldInfo

from spec_compiler.specs.base import SpecObject


def given(spec: SpecObject, leave_out: tuple[str, ...] = ()) -> dict[str, Any]:
    """The arguments of `spec` that differ from their defaults, as plain data."""
    found = {}
    for name, field in type(spec).model_fields.items():
        value = getattr(spec, name)
        if name not in leave_out and value != field.get_default(call_default_factory=True):
            found[name] = stated(_shortened(value, field))
    return found


def stated(value: Any) -> Any:
    """`value` as plain data; an object as its name, or as `{Name: {argument: value}}`."""
    if isinstance(value, SpecObject):
        arguments = given(value)
        return {type(value).__name__: arguments} if arguments else type(value).__name__
    if isinstance(value, (list, tuple)):
        return [stated(item) for item in value]
    if isinstance(value, dict):
        return {key: stated(item) for key, item in value.items()}
    return value


def _shortened(value: Any, field: FieldInfo) -> Any:
    """One size for equal sizes along all axes, where the field takes that."""
    fixed_length = get_origin(field.annotation) is tuple and Ellipsis not in get_args(field.annotation)
    if not fixed_length or not value or any(item != value[0] for item in value) or not isinstance(value[0], int):
        return value
    schemas = [mark.json_schema or {} for mark in field.metadata if isinstance(mark, WithJsonSchema)]
    forms = [form for schema in schemas for form in schema.get("anyOf", ())]
    return value[0] if any(form.get("type") == "integer" for form in forms) else value
