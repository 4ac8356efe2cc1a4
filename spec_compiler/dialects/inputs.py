"""The input of a Sequential whose file states its shape on the first layer, as all did until Keras 2."""

from __future__ import annotations

from typing import Any

from spec_compiler.dialects.arguments import Arguments
from spec_compiler.dialects.items import Item
from spec_compiler.dialects.layers import LayerReader
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.layers.core import InputLayer
from spec_compiler.specs.model import FunctionalSpec, ModelSpec, Ref, SequentialSpec

_SEQUENCES = ("LSTM", "GRU", "SimpleRNN", "Conv1D")


def implied_input(reader: LayerReader, item: Item, layer: LayerSpec) -> InputLayer | None:
    """The InputLayer that belongs before `layer`, the first, read from `item`; None where none is stated."""
    if isinstance(layer, InputLayer):
        return None
    values: dict[str, Any] = {"name": f"{layer.name}_input"}
    if isinstance(layer, ModelSpec):
        inner = _first_input(layer)
        if inner is None:
            return None
        values |= {"batch_shape": inner.batch_shape, "dtype": inner.dtype}
        return reader.validated(InputLayer, Arguments("InputLayer", values), item)
    config = item.config if isinstance(item.config, dict) else {}
    shape, key = _stated_shape(type(layer).__name__, config, reader.inline)
    if key is None:
        return None
    values |= {"batch_shape": shape, "dtype": config.get("input_dtype") or layer.variable_dtype}
    keys = {"batch_shape": key, "dtype": "input_dtype"}
    return reader.validated(InputLayer, Arguments("InputLayer", values, keys), item)


def _stated_shape(class_name: str, config: dict[str, Any], keras0: bool) -> tuple[Any, str | None]:
    """The shape of a batch, and the key it stands under."""
    if keras0 and class_name == "Embedding":
        # Keras 0 wrote the number of words as the shape of an Embedding's input, whose length was `input_length`.
        whole = config.get("batch_input_shape")
        batch = whole[0] if isinstance(whole, (list, tuple)) and whole else None
        return [batch, config.get("input_length")], "input_length"
    if config.get("batch_input_shape") is not None:
        return config["batch_input_shape"], "batch_input_shape"
    shape = config.get("input_shape")
    if shape is not None:
        return ([None, *shape] if isinstance(shape, (list, tuple)) else shape), "input_shape"
    if class_name == "Embedding":
        length = config.get("input_length")
        lengths = length if isinstance(length, (list, tuple)) else [length]
        return [None, *lengths], "input_length" if "input_length" in config else None
    if config.get("input_dim") is not None:
        steps = [config.get("input_length")] if class_name in _SEQUENCES else []
        return [None, *steps, config["input_dim"]], "input_dim"
    return None, None


def _first_input(model: ModelSpec) -> InputLayer | None:
    """The one InputLayer of a nested model."""
    while isinstance(model, SequentialSpec) and model.layers:
        first = model.layers[0]
        if isinstance(first, InputLayer):
            return first
        if not isinstance(first, ModelSpec):
            return None
        model = first
    if isinstance(model, FunctionalSpec) and isinstance(model.inputs, Ref):
        layers = {placed.layer.name: placed.layer for placed in model.placed}
        found = layers.get(model.inputs.layer)
        return found if isinstance(found, InputLayer) else None
    return None
