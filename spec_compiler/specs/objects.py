"""Resolving a named object of any kind: a name, an instance, Keras's serialized dict, or the short form's mapping."""

from __future__ import annotations

from functools import partial
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from spec_compiler.diagnostics import did_you_mean, show
from spec_compiler.specs import registry
from spec_compiler.specs.base import SpecObject


def resolve(kind: str, value: Any) -> SpecObject | None:
    """The object of `kind` that `value` states.

    A class's or short name (`glorot_uniform`), an instance, `{"class_name": ..., "config": {...}}` as Keras writes it, or
    `{"HeNormal": {"seed": 1}}` as the short form does. None stays None. Raises PydanticCustomError, so that the error
    carries the field's place.
    """
    if value is None:
        return None
    if isinstance(value, type) and issubclass(value, SpecObject):
        value = value()
    if isinstance(value, SpecObject):
        if value.kind != kind:
            raise PydanticCustomError("wrong_kind", "{name} is no {kind}", {"name": type(value).__name__, "kind": kind})
        return value
    name, config, at = _name_and_config(kind, value)
    cls = registry.find(kind, name)
    if cls is None:
        hint = partial(did_you_mean, name, registry.names(kind))
        raise PydanticCustomError(
            "unknown_object",
            "unknown {kind} {name}",
            {"kind": kind, "name": show(name), "help": hint, "at": ("class_name",) if at == ("config",) else at},
        )
    if isinstance(value, str):
        config = getattr(cls, "named_arguments", {}).get(name, {})
    try:
        return cls.model_validate(config)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: {e['msg']}" if e["loc"] else e["msg"] for e in error.errors()
        )
        context = {"name": name, "faults": faults, "error": error, "class": cls, "at": at}
        raise PydanticCustomError("invalid_object", "{name}: {faults}", context) from None


def _name_and_config(kind: str, value: Any) -> tuple[str, dict[str, Any], tuple[str, ...]]:
    """The class's name, its arguments, and where in `value` they stand."""
    if isinstance(value, str):
        return value, {}, ()
    if isinstance(value, dict):
        if isinstance(value.get("class_name"), str):
            config = value.get("config") or {}
            # Keras 3 writes a bare function as {"class_name": "function", "config": "mean_squared_error"}.
            if value["class_name"] == "function" and isinstance(config, str):
                return config, {}, ()
            if isinstance(config, dict):
                return value["class_name"], config, ("config",)
        elif len(value) == 1:
            ((name, config),) = value.items()
            if isinstance(name, str) and isinstance(config, (dict, type(None))):
                return name, config or {}, (name,)
    raise PydanticCustomError(
        "object_form",
        "expected a name or a mapping with one class for this {kind}, got {value}",
        {"kind": kind, "value": show(value)},
    )
