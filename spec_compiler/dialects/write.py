"""A model spec to a document of the dialect asked for: plain data, JSON or YAML."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any

from spec_compiler.diagnostics import Diagnostic, Reporter
from spec_compiler.specs.model import ModelSpec

_WRITERS = {"keras3": "keras3_writer", "keras2": "keras2_writer", "short": "short.writer"}
DIALECTS = tuple(_WRITERS)
"""The dialects that can be written."""


def to_dict(spec: ModelSpec, dialect: str = "keras3") -> dict[str, Any]:
    """The document of `spec` as plain data.

    `dialect` is `keras3`, which Keras 3.15 loads; `keras2`, which Keras 2 and tf_keras load; or `short`. Warns, in
    Python's way, of layers that Keras 3 lacks and of names that it makes us change. Raises SpecError when the model has a
    fault or holds what the dialect has no words for, ValueError for another dialect.
    """
    reporter = Reporter()
    written = document(spec, dialect, reporter)
    if found := reporter.diagnostics:
        warnings.warn("\n".join(map(_told, found)), UserWarning, stacklevel=_outside())
    return written


def to_json(spec: ModelSpec, dialect: str = "keras3", **kwargs: Any) -> str:
    """The document of `spec` as JSON; `kwargs` go to `json.dumps`. See `to_dict`."""
    return as_json(to_dict(spec, dialect), **kwargs)


def to_yaml(spec: ModelSpec, dialect: str = "keras3") -> str:
    """The document of `spec` as YAML, its keys in the document's order. See `to_dict`."""
    return as_yaml(to_dict(spec, dialect), dialect)


def document(spec: ModelSpec, dialect: str, reporter: Reporter) -> dict[str, Any]:
    """The same as `to_dict`, with what is to be said of it told to `reporter`; raises SpecError when that has errors."""
    if dialect not in _WRITERS:
        raise ValueError(f"expected a dialect, one of {', '.join(_WRITERS)}, got {dialect!r}")
    write: Callable[..., dict[str, Any]] = _home(_WRITERS[dialect]).write
    return write(spec) if dialect == "short" else write(spec, reporter)


def as_it_is(spec: ModelSpec) -> dict[str, Any]:
    """The document in Keras 3's form with every name as it is, for ourselves to read again."""
    written: dict[str, Any] = _home(_WRITERS["keras3"]).as_it_is(spec)
    return written


def as_json(written: dict[str, Any], **kwargs: Any) -> str:
    """A document as JSON; `kwargs` go to `json.dumps`."""
    return json.dumps(written, **{"ensure_ascii": False, **kwargs})


def as_yaml(written: dict[str, Any], dialect: str) -> str:
    """A document of the dialect as YAML."""
    dump: Callable[[Any], str] = _home("short.layout" if dialect == "short" else "yaml_text").dump
    return dump(written)


def _home(module: str) -> Any:
    # Imported when it is used: PyYAML, for one, takes a while.
    return import_module(f"spec_compiler.dialects.{module}")


def _told(found: Diagnostic) -> str:
    place = f"{found.place}: " if found.place else ""
    return f"{place}{found.message} [{found.code.id}]" + (f"\n  help: {found.help}" if found.help else "")


def _outside() -> int:
    """How many calls up the code is that called this package, for a warning to name."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("spec_compiler."):
        level, frame = level + 1, frame.f_back
    return level
