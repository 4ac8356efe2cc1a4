"""A model spec to a document of the dialect asked for: plain data, JSON or YAML."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from typing import Any

from spec_compiler.specs.model import ModelSpec

_WRITERS = {"keras3": "keras3_writer", "keras2": "keras2_writer", "short": "short.writer"}
DIALECTS = tuple(_WRITERS)
"""The dialects that can be written."""


def to_dict(spec: ModelSpec, dialect: str = "keras3") -> dict[str, Any]:
    """The document of `spec` as plain data.

    `dialect` is `keras3`, which Keras 3.15 loads; `keras2`, which Keras 2 and tf_keras load; or `short`. Raises
    SpecError when the model has a fault or holds what the dialect has no words for, ValueError for another dialect.
    """
    if dialect not in _WRITERS:
        raise ValueError(f"expected a dialect, one of {', '.join(_WRITERS)}, got {dialect!r}")
    write: Callable[[ModelSpec], dict[str, Any]] = import_module(f"spec_compiler.dialects.{_WRITERS[dialect]}").write
    return write(spec)


def to_json(spec: ModelSpec, dialect: str = "keras3", **kwargs: Any) -> str:
    """The document of `spec` as JSON; `kwargs` go to `json.dumps`. See `to_dict`."""
    return json.dumps(to_dict(spec, dialect), **{"ensure_ascii": False, **kwargs})


def to_yaml(spec: ModelSpec, dialect: str = "keras3") -> str:
    """The document of `spec` as YAML, its keys in the document's order. See `to_dict`."""
    document = to_dict(spec, dialect)
    home = "short.layout" if dialect == "short" else "yaml_text"
    dump: Callable[[Any], str] = import_module(f"spec_compiler.dialects.{home}").dump  # PyYAML takes a while
    return dump(document)
