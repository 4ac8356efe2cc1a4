"""A document in any dialect to a model spec. A dialect's reader is imported when a document is in that dialect."""

from __future__ import annotations

from typing import Any

from spec_compiler.diagnostics import Reporter
from spec_compiler.dialects.detect import detect
from spec_compiler.source import Document
from spec_compiler.specs.model import ModelSpec


def read(document: Document, reporter: Reporter) -> ModelSpec | None:
    """The model of a document in any dialect, in whatever wrapping; None when a fault was reported."""
    return read_data(document.data, reporter)


def read_data(data: Any, reporter: Reporter) -> ModelSpec | None:
    """The model of a document's data in hand; None when a fault was reported."""
    found = detect(data, reporter)
    if found is None:
        return None
    if found.dialect == "short":
        from spec_compiler.dialects.short import read as read_short

        return read_short(found.data, reporter)
    from spec_compiler.dialects.keras import read as read_keras

    return read_keras(found, reporter)
