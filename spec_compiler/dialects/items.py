"""A layer's mapping in a Keras file, taken apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from spec_compiler.diagnostics import Path
from spec_compiler.dialects.classes import Named


@dataclass(slots=True)
class Item:
    """A layer's mapping in the file, taken apart."""

    named: Named
    config: dict[str, Any] | list[Any]
    path: Path
    config_path: Path
    data: dict[str, Any]
