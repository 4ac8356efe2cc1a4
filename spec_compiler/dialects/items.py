"""The mappings of a Keras file, and those of its layers taken apart."""

from __future__ import annotations

from collections.abc import Iterator
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


def mappings(data: Any) -> Iterator[dict[str, Any]]:
    """Every mapping in a document, in its order, those around others first."""
    pending = [data]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            yield item
            pending += reversed(item.values())
        elif isinstance(item, (list, tuple)):
            pending += reversed(item)
