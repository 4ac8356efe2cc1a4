"""A layer's mapping in a Keras file, taken apart."""

from __future__ import annotations

from typing import Any, NamedTuple

from spec_compiler.diagnostics import Path
from spec_compiler.dialects.classes import Named


class Item(NamedTuple):
    """A layer's mapping in the file, taken apart."""

    named: Named
    config: dict[str, Any] | list[Any]
    path: Path
    config_path: Path
    data: dict[str, Any]
