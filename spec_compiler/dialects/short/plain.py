"""Arguments as the short form states them: what differs from the defaults, objects by their names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin

from pydantic import ValidationError, WithJsonSchema
from pydantic.fields import FieldInfo

from spec_compiler.specs.base import SpecObject
from spec_compiler.specs.initializers.fans import FanScaling
from spec_compiler.specs.initializers.scaling import VarianceScaling


def given(spec: SpecObject, leave_out: tuple[str, ...] = ()) -> dict[str, Any]:
    """The arguments of `spec` that have to be stated, as plain data: not their defaults, nor what follows from others.

    Those that every such object needs come first.
    """
    cls = type(spec)
    values = {name: by_name(getattr(spec, name)) for name in cls.model_fields}
    found = {}
    for name, field in sorted(cls.model_fields.items(), key=lambda item: not item[1].is_required()):
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


def by_name(value: Any) -> Any:
    """`value`; where it is a VarianceScaling that has a name of its own, the initializer of that name.

    Keras 2 wrote `GlorotUniform` and its like so, for every layer.
    """
    if type(value) is not VarianceScaling:
        return value
    settled = (value.scale, value.mode, value.distribution)
    for cls in FanScaling.__subclasses__():
        if (cls.scale, cls.mode, cls.distribution) == settled:
            return cls(seed=value.seed, input_axes=value.input_axes, output_axes=value.output_axes)
    return value


def _shortened(value: Any, field: FieldInfo) -> Any:
    """One size for equal sizes along all axes, where the field takes that."""
    if not isinstance(value, (list, tuple)) or not value or not isinstance(value[0], int):
        return value
    if any(item != value[0] for item in value):
        return value
    return value[0] if any(_is_repeated(*form) for form in _forms(field)) else value


def _forms(field: FieldInfo) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """The types that a field takes, each with what it is annotated with."""
    yield field.annotation, tuple(field.metadata)
    for part in get_args(field.annotation):
        if get_origin(part) is Annotated:
            annotation, *marks = get_args(part)
            yield annotation, tuple(marks)


def _is_repeated(annotation: Any, marks: tuple[Any, ...]) -> bool:
    """Whether the type is a tuple of fixed length that one number stands for too."""
    if get_origin(annotation) is not tuple or Ellipsis in get_args(annotation):
        return False
    schemas = [mark.json_schema or {} for mark in marks if isinstance(mark, WithJsonSchema)]
    return any(form.get("type") == "integer" for schema in schemas for form in schema.get("anyOf", ()))
