"""Dropout before Keras 0.3: what was kept stayed as it was in training, and all was scaled down outside of it.

That is today's Dropout, which scales up what it keeps, followed by a factor of `1 - rate` at all times.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from spec_compiler.dialects.arguments import Arguments
from spec_compiler.dialects.items import Item
from spec_compiler.dialects.known import words
from spec_compiler.dialects.layers import LayerReader
from spec_compiler.specs.base import LayerSpec

_UNTIL_2 = words("truncate_gradient ignore_border")
_SINCE_3 = words("cache_enabled custom_name dim_ordering go_backwards stateful trainable")
_WINDOWED = words("Convolution2D MaxPooling2D")
"""Layers that always stated their order of axes since Keras 0.3."""


def is_early(data: Any) -> bool:
    """Whether a document of Keras 0 is of 0.1 or 0.2, by what its layers state. One of which none does is not."""
    layers = list(_mappings(data))
    if any(_SINCE_3 & layer.keys() for layer in layers):
        return False
    return any(_UNTIL_2 & layer.keys() or layer.get("name") in _WINDOWED for layer in layers)


def _mappings(data: Any) -> Iterator[dict[str, Any]]:
    pending = [data]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            yield item
            pending += item.values()
        elif isinstance(item, list):
            pending += item


def with_factor(reader: LayerReader, layer: LayerSpec | None, item: Item) -> list[LayerSpec]:
    """The layer that was read from `item`, if any, and the factor that belongs behind it in an early document."""
    if layer is None:
        return []
    if not reader.early:
        return [layer]
    # Families that reading need not load.
    from spec_compiler.specs.layers.preprocessing import Rescaling
    from spec_compiler.specs.layers.regularization import Dropout

    if not isinstance(layer, Dropout) or not layer.rate:
        return [layer]
    values = {"name": reader.new_name("Rescaling"), "scale": round(1 - layer.rate, 12)}
    factor = reader.validated(Rescaling, Arguments("Rescaling", values), item)
    return [layer] if factor is None else [layer, factor]
