"""Arguments as the short form states them: what differs from the defaults, objects by their names."""

from __future__ import annotations

from typing import Any, get_args, get_origin

from pydantic import ValidationError, WithJsonSchema
from pydantic.fields import FieldInfo

from spec_compiler.specs.base import SpecObject


def given(spec: SpecObject, leave_out: tuple[str, ...] = ()) -> dict[str, Any]:
    """The arguments of `spec` that have to be stated, as plain data: not their defaults, nor what follows from others."""
    cls = type(spec)
    values = {name: getattr(spec, name) for name in cls.model_fields}
    found = {}
    for name, field in cls.model_fields.items():
        if name in leave_out or (not field.is_required() and _says_nothing(spec, values, name, field)):
            continue
        found[name] = stated(_shortened(values[name], field))
    return found


def _says_nothing(spec: SpecObject, values: dict[str, Any], name: str, field: FieldInfo) -> bool:
    """Whether `spec` comes of `values` without the argument too, which then is at its default in `values`."""
    default = field.get_default(call_default_factory=True)
    if values[name] == default:
        return True
    if not same(spec, {**values, name: default}):
        return False
    values[name] = default
    return True


def same(spec: SpecObject, values: dict[str, Any]) -> bool:
    """Whether these arguments make an equal object."""
    try:
        return type(spec).model_validate(values) == spec
    except ValidationError:
        return False


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
