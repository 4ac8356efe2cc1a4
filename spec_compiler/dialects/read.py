"""A document in any dialect to a model spec."""

from __future__ import annotations

from typing import Any

from spec_compiler.diagnostics import UNSUPPORTED, Reporter
from spec_compiler.dialects import keras0, keras1, keras2, keras3, tfjs
from spec_compiler.dialects.detect import Detected, detect
from spec_compiler.dialects.layers import LayerReader
from spec_compiler.dialects.models import read_model
from spec_compiler.dialects.training import read_training
from spec_compiler.source import Document
from spec_compiler.specs.model import ModelSpec

_SINCE_2 = (keras2.RULES, keras3.RULES)
RULES = {
    "keras0": (keras0.RULES, keras1.RULES, *_SINCE_2),
    "keras1": (keras1.RULES, *_SINCE_2),
    "keras2": _SINCE_2,
    "keras3": (keras3.RULES,),
    "tfjs": (tfjs.RULES, *_SINCE_2),
}
"""The rules of each dialect, oldest first: they lead to Keras 3's words."""


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
    return _read_keras(found, reporter)


def _read_keras(found: Detected, reporter: Reporter) -> ModelSpec | None:
    if found.data.get("name") == "Graph" and "node_config" in found.data:
        reporter.report(UNSUPPORTED, "Keras 0's Graph models cannot be read yet", found.path)
        return None
    before = reporter.error_count
    reader = LayerReader(RULES[found.dialect], reporter, inline=found.dialect == "keras0")
    item = reader.item(found.data, found.path)
    if item is None:
        return None
    if found.bare:
        item.config_path = found.path
    spec = read_model(reader, item)
    if spec is None or reporter.error_count > before:
        return None
    spec.training = read_training(found, reporter)
    spec._origin = found.origin
    return spec
