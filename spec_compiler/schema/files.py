"""The schemas as files."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from spec_compiler.schema import keras_schema, model_schema

FILES: dict[str, Callable[[], dict[str, Any]]] = {
    "model.schema.json": model_schema,
    "keras.schema.json": keras_schema,
}
"""By name in `schemas/`."""


def text(schema: dict[str, Any]) -> str:
    """The schema as its file holds it."""
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
