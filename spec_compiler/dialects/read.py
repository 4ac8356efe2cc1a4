"""A document in any dialect to a model spec. A dialect's reader is imported when a document is in that dialect."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from spec_compiler.diagnostics import Reporter
from spec_compiler.dialects.detect import detect
from spec_compiler.source import Document
from spec_compiler.specs.model import ModelSpec


def read(document: Document, reporter: Reporter, keras_version: str | None = None) -> ModelSpec | None:
    """The model of a document in any dialect, in whatever wrapping; None when a fault was reported.

    `keras_version` is the version that wrote it, for where the document does not say.
    """
    return read_data(document.data, reporter, keras_version)


def read_data(data: Any, reporter: Reporter, keras_version: str | None = None) -> ModelSpec | None:
    """The model of a document's data in hand; None when a fault was reported."""
    found = detect(data, reporter)
    if found is None:
        return None
    if found.origin.keras_version is None:
        found = found._replace(origin=replace(found.origin, keras_version=keras_version))
    if found.dialect == "short":
        from spec_compiler.dialects.short import read as read_short

        return read_short(found.data, reporter)
    from spec_compiler.dialects.keras import read as read_keras

    return read_keras(found, reporter)
