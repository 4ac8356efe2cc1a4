"""Random models in the short form: layers of every family, their arguments drawn from the JSON Schema, sound or not."""

from __future__ import annotations

from functools import cache
from typing import Any

from hypothesis import strategies as st

from spec_compiler import schema
from spec_compiler.specs import layers, registry

Draw = Any
Data = dict[str, Any]

SIZES = st.sampled_from([1, 1, 2, 2, 3, 3, 4, 5, 7, 0, -1])
NUMBERS = st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0, 1.5, -0.5, -1.0, 1e-3])
LEFT_OUT = {"dtype", "trainable", "name"}
"""Arguments with tests of their own."""


@cache
def definitions() -> Data:
    found: Data = schema.model_schema()["$defs"]
    return found


@cache
def layer_names() -> tuple[str, ...]:
    """Every layer under its own name, but inputs and cells, which stand inside others."""
    found = {name for name in layers.__all__ if getattr(layers, name).__name__ == name}
    return tuple(sorted(name for name in found if name != "InputLayer" and not name.endswith(("Cell", "Cells"))))


@st.composite
def arguments(draw: Draw, name: str, depth: int = 0) -> Data:
    """Arguments of the layer: what it must have, and now and then what it may."""
    layer = definitions()[f"layer.{name}"]
    required = layer.get("required", [])
    found = {}
    for key, value in layer["properties"].items():
        if key in required or (key not in LEFT_OUT and draw(st.integers(0, 4)) == 0):
            found[key] = draw(of_schema(value, depth))
    return found


@st.composite
def of_schema(draw: Draw, value: Data, depth: int) -> Any:
    """A value that the schema allows, or nearly."""
    if "anyOf" in value:
        return draw(of_schema(draw(st.sampled_from(value["anyOf"])), depth))
    if "enum" in value:
        return draw(st.sampled_from(value["enum"]))
    if "$ref" in value:
        return draw(of_reference(value["$ref"].rpartition("/")[2], depth))
    kind = value.get("type", "null")
    kind = draw(st.sampled_from(kind)) if isinstance(kind, list) else kind
    if kind == "integer":
        return draw(SIZES)
    if kind == "number":
        return draw(NUMBERS)
    if kind == "boolean":
        return draw(st.booleans())
    if kind == "string":
        return draw(st.sampled_from(["abc,cd->abd", "ab,bc->ac", "...x,xy->...y", "abc", "bc", "x"]))
    if kind == "array":
        if "prefixItems" in value:
            return [draw(of_schema(item, depth)) for item in value["prefixItems"]]
        n = draw(st.integers(value.get("minItems", 0), value.get("maxItems", 3)))
        items = value.get("items") or {"type": "integer"}
        return [draw(of_schema(items, depth)) for _ in range(n)]
    return None


@st.composite
def of_reference(draw: Draw, name: str, depth: int) -> Any:
    if name == "layer":
        inner = draw(st.sampled_from(INSIDE if depth < 2 else ["Dense", "LSTM"]))
        return {inner: draw(arguments(inner, depth + 1))}
    if name == "activation":
        return draw(st.sampled_from(["relu", "tanh", "softmax", "gelu", "linear", "glu", "hard_sigmoid", None]))
    if name == "constraint":
        return draw(st.sampled_from(["max_norm", "non_neg", "unit_norm", None]))
    if name == "regularizer":
        return draw(st.sampled_from(["l1", "l2", "l1_l2", None]))
    if name == "initializer":
        return draw(st.sampled_from(["zeros", "ones", "he_normal", "orthogonal", "identity", None]))
    return None


INSIDE = [
    "Dense",
    "LSTM",
    "GRU",
    "SimpleRNN",
    "LSTMCell",
    "GRUCell",
    "SimpleRNNCell",
    "Conv1D",
    "Conv2D",
    "Embedding",
    "BatchNormalization",
    "LayerNormalization",
    "Flatten",
    "Dropout",
    "MaxPooling1D",
    "ConvLSTM2D",
    "Bidirectional",
]
"""What wrappers are given."""


@st.composite
def models(draw: Draw) -> Data:
    """A row of layers, or a graph of them, on inputs of known shapes."""
    shapes = st.lists(st.integers(1, 6), min_size=1, max_size=4)
    inputs: Data = {"x": {"shape": draw(shapes), "dtype": draw(st.sampled_from(["float32"] * 5 + ["int32"]))}}
    if draw(st.integers(0, 3)) == 0:
        inputs["y"] = draw(st.one_of(st.just(inputs["x"]["shape"]), shapes))
    items: list[Data] = []
    for i in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(layer_names()))
        sources = [*inputs, *(item["name"] for item in items)]
        item: Data = {name: draw(arguments(name)), "name": f"layer_{i}"}
        cls: Any = registry.find("layer", name)
        one = st.sampled_from(sources)
        if cls.takes_list or name in SEVERAL:
            item["from"] = draw(st.lists(one, min_size=2, max_size=3))
        else:
            item["from"] = draw(st.sampled_from([sources[-1]] * 3 + sources))
        items.append(item)
    return {"inputs": inputs, "layers": items}


SEVERAL = ("MultiHeadAttention", "GroupQueryAttention", "GroupedQueryAttention", "Attention", "AdditiveAttention")
