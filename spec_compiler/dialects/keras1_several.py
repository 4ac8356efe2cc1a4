"""Layers of Keras 0 and 1 that are two of today's: convolutions with border_mode `full`, and Dropout before Keras 0.3.

`full` is padding by all of the kernel but one element, and `valid`. What Dropout kept stayed as it was in training, and
all was scaled down outside of it: that is today's, which scales up what it keeps, and a factor of `1 - rate` behind it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spec_compiler.dialects.arguments import Arguments
from spec_compiler.dialects.items import Item, mappings
from spec_compiler.dialects.known import words
from spec_compiler.dialects.layers import LayerReader
from spec_compiler.specs.base import LayerSpec

_UNTIL_2 = words("truncate_gradient ignore_border")
_SINCE_3 = words("cache_enabled custom_name dim_ordering go_backwards stateful trainable")
_WINDOWED = words("Convolution2D MaxPooling2D")
"""Layers that always stated their order of axes since Keras 0.3."""
_CONVOLUTIONS = words("Convolution1D Convolution2D Convolution3D")


def is_early(data: Any) -> bool:
    """Whether a document of Keras 0 is of 0.1 or 0.2, by what its layers state. One of which none does is not."""
    layers = list(mappings(data))
    if any(_SINCE_3 & layer.keys() for layer in layers):
        return False
    return any(_UNTIL_2 & layer.keys() or layer.get("name") in _WINDOWED for layer in layers)


def layers_of(reader: LayerReader, item: Item, read: Callable[[Item], LayerSpec | None]) -> list[LayerSpec]:
    """The layers that `item` is today, in a row, the one that bears its name being what `read` makes of it.

    There are none when a fault was reported.
    """
    config = item.config
    full = isinstance(config, dict) and config.get("border_mode") == "full" and item.named.own_name in _CONVOLUTIONS
    layer = read(
        item._replace(config={**config, "border_mode": "valid"}) if full and isinstance(config, dict) else item
    )
    if layer is None:
        return []
    if full:
        return _present(_padding(reader, layer, item), layer)
    return _present(layer, _factor(reader, layer, item) if reader.early else None)


def _present(*layers: LayerSpec | None) -> list[LayerSpec]:
    return [layer for layer in layers if layer is not None]


def _padding(reader: LayerReader, layer: Any, item: Item) -> LayerSpec | None:
    """The zeros before a convolution that was `full`."""
    from spec_compiler.specs.layers.padding import ZeroPadding1D, ZeroPadding2D, ZeroPadding3D

    rank = len(layer.kernel_size)
    cls = (ZeroPadding1D, ZeroPadding2D, ZeroPadding3D)[rank - 1]
    padding = [size - 1 for size in layer.kernel_size]
    values = {"padding": padding if rank > 1 else padding[0], "data_format": layer.data_format}
    values["name"] = reader.new_name(cls.__name__)
    return reader.validated(cls, Arguments(cls.__name__, values), item)


def _factor(reader: LayerReader, layer: LayerSpec, item: Item) -> LayerSpec | None:
    """What an early Dropout multiplied by, if that is any."""
    from spec_compiler.specs.layers.preprocessing import Rescaling
    from spec_compiler.specs.layers.regularization import Dropout

    if not isinstance(layer, Dropout) or not layer.rate:
        return None
    values = {"name": reader.new_name("Rescaling"), "scale": round(1 - layer.rate, 12)}
    return reader.validated(Rescaling, Arguments("Rescaling", values), item)
