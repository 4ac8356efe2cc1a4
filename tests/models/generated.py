"""Random models in the short form: layers of every family, their arguments drawn from the JSON Schema, sound or not.

Half of them start with a case that the layer is held to Keras by, an argument of it perhaps drawn anew, so that a new
layer and a new argument are met as soon as they have a case.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from hypothesis import strategies as st

from spec_compiler import schema
from spec_compiler.diagnostics import Reporter
from spec_compiler.dialects.read import read_data
from spec_compiler.passes import check
from spec_compiler.passes.check_budget import Budget
from spec_compiler.specs import layers, registry
from spec_compiler.specs.layers.conv_lstm import ConvLSTM
from spec_compiler.specs.layers.recurrent import Sequence
from spec_compiler.specs.layers.wrappers import Bidirectional
from spec_compiler.specs.types import TENSOR_DTYPES
from tests.models.generated_cases import starts
from tests.models.generated_ops import operations

Draw = Any
Data = dict[str, Any]

BUDGET = Budget(params=10**6, activations=10**5)
"""What a generated model may take: few enough for a test, so that the large sizes among the arguments are refused."""

SIZES = st.sampled_from([1, 2, 2, 3, 3, 4] * 5 + [5, 6, 7, 9, 16, 60, 1_000, 10**6, 10**9, 2**31 - 1, 0, -1])
NUMBERS = st.sampled_from([0.0, 0.1, 0.5, 0.9, 1e-3] * 3 + [1.0, 1.5, -0.5, -1.0])
INITIALIZERS = ["zeros", "ones", "he_normal", "random_uniform"] * 3 + ["orthogonal", "identity", None]
EQUATIONS = ["abc,cd->abd", "ab,bc->ac", "...x,xy->...y", "abc,cde->abde", "abcd,cde->abe", "abc", "x"]
EVERYWHERE = {
    "trainable": st.booleans(),
    "dtype": st.sampled_from(["mixed_bfloat16", "mixed_float16", "float64", "bfloat16", "float16"]),
}
"""What every layer takes, and is seldom stated."""

OLD = {
    "Highway": 1,
    "MaxoutDense": 1,
    "LocallyConnected1D": 2,
    "LocallyConnected2D": 3,
    "ParametricSoftplus": 2,
    "SReLU": 2,
    "ThresholdedReLU": 2,
}
"""Layers that Keras 3 lacks, and so have no cases, with the axes of an input of theirs, less the batch's."""

RECURRENT = ["SimpleRNN", "LSTM", "GRU", "RNN"]
CELLS = ["SimpleRNNCell", "LSTMCell", "GRUCell", "StackedRNNCells"]
INSIDE = {
    "Bidirectional": [*RECURRENT, "ConvLSTM1D"],
    "RNN": CELLS,
    "StackedRNNCells": CELLS[:3],
    "SpectralNormalization": ["Dense", "Conv1D", "Conv2D", "Conv2DTranspose", "Embedding", "EinsumDense"],
}
"""The layers that a layer is put around, most of the time."""


@cache
def definitions() -> Data:
    found: Data = schema.model_schema()["$defs"]
    return found


@cache
def layer_names() -> tuple[str, ...]:
    """Every layer under its own name, but inputs and cells, which stand inside others."""
    found = {name for name in layers.__all__ if getattr(layers, name).__name__ == name}
    return tuple(sorted(name for name in found if name != "InputLayer" and not name.endswith(("Cell", "Cells"))))


@cache
def layers_for(rank: int) -> tuple[str, ...]:
    """The layers that may take an input of `rank`, batch axis included."""
    return tuple(name for name in layer_names() if _rank(getattr(layers, name)) in (None, rank))


def _rank(cls: Any) -> int | None:
    if issubclass(cls, ConvLSTM):
        return int(cls.rank) + 3
    if issubclass(cls, (Sequence, Bidirectional)):
        return 3
    rank: int | None = getattr(cls, "rank", None)
    return None if rank is None else rank + 2


@st.composite
def arguments(draw: Draw, name: str, depth: int = 0) -> Data:
    """Arguments of the layer: what it must have, and now and then what it may."""
    layer = definitions()[f"layer.{name}"]
    required = layer.get("required", [])
    few = draw(st.sampled_from([4, 8, 16]))
    found = {}
    for key, value in layer["properties"].items():
        if key == "name":
            continue
        if key in EVERYWHERE:
            found |= {key: draw(EVERYWHERE[key])} if draw(st.integers(0, 3 * few)) == 0 else {}
        elif key in required or draw(st.integers(0, few)) == 0:
            found[key] = draw(of_schema(value, depth, name))
    return found


@st.composite
def drawn_anew(draw: Draw, item: Data) -> Data:
    """The item of a case, now and then with an argument drawn anew, or under another policy."""
    name = next(iter(item))
    cls: Any = registry.find("layer", name)
    stated = definitions()[f"layer.{cls.__name__}"]["properties"]
    more = {key: draw(of_key) for key, of_key in EVERYWHERE.items() if draw(st.integers(0, 7)) == 0}
    own = [key for key in stated if key not in ("name", *EVERYWHERE)]
    if own and draw(st.booleans()):
        key = draw(st.sampled_from(own))
        more[key] = draw(of_schema(stated[key], 0, cls.__name__))
    return {**item, name: {**item[name], **more}}


@st.composite
def of_schema(draw: Draw, value: Data, depth: int, around: str) -> Any:
    """A value that the schema allows, or nearly; `around` is the layer whose argument it is."""
    if "anyOf" in value:
        return draw(of_schema(draw(st.sampled_from(value["anyOf"])), depth, around))
    if "enum" in value:
        return draw(st.sampled_from(value["enum"]))
    if "$ref" in value:
        return draw(of_reference(value["$ref"].rpartition("/")[2], depth, around))
    kind = value.get("type", "null")
    kind = draw(st.sampled_from(kind)) if isinstance(kind, list) else kind
    if kind == "integer":
        return draw(SIZES)
    if kind == "number":
        return draw(NUMBERS)
    if kind == "boolean":
        return draw(st.booleans())
    if kind == "string":
        return draw(st.sampled_from(EQUATIONS))
    if kind == "array":
        if "prefixItems" in value:
            return [draw(of_schema(item, depth, around)) for item in value["prefixItems"]]
        n = draw(st.integers(value.get("minItems", 0), value.get("maxItems", 4)))
        items = value.get("items") or {"type": "integer"}
        return [draw(of_schema(items, depth, around)) for _ in range(n)]
    return None


@st.composite
def of_reference(draw: Draw, name: str, depth: int, around: str) -> Any:
    if name == "layer":
        usual = INSIDE.get(around, layer_names())
        inner = draw(st.sampled_from(["Dense", "LSTM"] if depth > 2 else usual if draw(st.integers(0, 9)) else CELLS))
        return {inner: draw(arguments(inner, depth + 1))}
    if name == "activation":
        return draw(st.sampled_from(["relu", "tanh", "softmax", "gelu", "linear", "hard_sigmoid", "glu", None]))
    if name == "constraint":
        return draw(st.sampled_from(["max_norm", "non_neg", "unit_norm", None]))
    if name == "regularizer":
        return draw(st.sampled_from(["l1", "l2", "l1_l2", None]))
    if name == "initializer":
        return draw(st.sampled_from(INITIALIZERS))
    return None


@st.composite
def items(draw: Draw, number: int, sources: dict[str, int], called: list[str]) -> Data:
    """One item of a model: a new layer, most of the time one for the rank of what it is called on, or an old one."""
    of = draw(st.sampled_from([*sources][-1:] * 3 + [*sources]))
    if called and draw(st.integers(0, 7)) == 0:
        return {"call": draw(st.sampled_from(called)), "name": f"layer_{number}", "from": of}
    fitting = layers_for(sources[of]) if draw(st.integers(0, 9)) else layer_names()
    # Those for this rank alone are many, and would seldom be met among all the others.
    own = [name for name in fitting if _rank(getattr(layers, name)) == sources[of]]
    name = draw(st.sampled_from(own if own and draw(st.booleans()) else fitting))
    item: Data = {name: draw(arguments(name)), "name": f"layer_{number}", "from": of}
    cls: Any = registry.find("layer", name)
    if cls.takes_list or name in SEVERAL:
        item["from"] = [of, *draw(st.lists(st.sampled_from([*sources]), min_size=1, max_size=2))]
    if name in MORE and draw(st.booleans()):
        item["with"] = {key: draw(st.booleans()) for key in MORE[name]}
    return item


SEVERAL = ("MultiHeadAttention", "GroupQueryAttention", "GroupedQueryAttention", "Attention", "AdditiveAttention")
MORE = dict.fromkeys(SEVERAL, ("use_causal_mask", "return_attention_scores"))


@st.composite
def models(draw: Draw, start: str | None = None) -> Data:
    """A row of layers and operations, or a graph of them, on inputs of known shapes; or such a model within one.

    `start` names the layer to start with.
    """
    document = draw(plain_models(start))
    return draw(nested_models(document)) if draw(st.integers(0, 7)) == 0 else document


@st.composite
def nested_models(draw: Draw, inner: Data) -> Data:
    """A model that calls `inner` once or twice, or at every step of its inputs."""
    inputs: Data = {name: {**stated} for name, stated in inner["inputs"].items()}
    every = draw(st.booleans())
    if every:
        for stated in inputs.values():
            stated["shape"] = [draw(st.sampled_from([1, 2, 3])), *stated["shape"]]
    of = [*inputs] if len(inputs) > 1 else next(iter(inputs))
    item: Data = {"TimeDistributed": {"layer": "inner"}} if every else {"inner": {}}
    calls: list[Data] = [{**item, "name": "first", "from": of}]
    if draw(st.booleans()):
        calls.append({"call": "first", "name": "again", "from": of})
    return {"models": {"inner": inner}, "inputs": inputs, "layers": calls, "outputs": [one["name"] for one in calls]}


@st.composite
def plain_models(draw: Draw, start: str | None = None) -> Data:
    """A row of layers and operations, or a graph of them."""
    sizes = st.sampled_from([2, 3, 3, 4, 5, 6, 8, 1])
    shapes = st.lists(sizes, min_size=1, max_size=5)
    batch: Data = draw(st.sampled_from([{}, {}, {"batch_size": 2}]))
    begun: list[Data] = []
    if start in OLD:
        inputs = {"x": {"shape": draw(st.lists(sizes, min_size=OLD[start], max_size=OLD[start])), **batch}}
        begun = [{start: draw(arguments(start)), "name": "layer_0", "from": "x"}]
    elif start or draw(st.booleans()):
        inputs, begun = draw(starts(batch, start))
        begun[-1] = draw(drawn_anew(begun[-1]))
    else:
        dtype = draw(st.sampled_from(["float32"] * 30 + ["int32", "bool"] * 5 + TENSOR_DTYPES))
        inputs = {"x": {"shape": draw(shapes), "dtype": dtype, **batch}}
        if draw(st.integers(0, 3)) == 0:
            inputs["y"] = draw(st.one_of(st.just(inputs["x"]), shapes.map(lambda shape: {"shape": shape, **batch})))
    document: Data = {"inputs": inputs, "layers": begun}
    sources = {name: len(stated["shape"]) + 1 for name, stated in inputs.items()}
    called: list[str] = []
    tries = draw(st.integers(0, 3)) if begun else draw(st.integers(1, 6))
    if begun:
        rank = rank_of_last(document)
        called = ["layer_0"]
        if rank is None:
            tries = 0  # it has several outputs, or cannot be
        else:
            sources["layer_0"] = rank
    for number in range(1, tries + 1):
        if batch and draw(st.integers(0, 2)) == 0:
            item = draw(operations(number, [*sources]))
        else:
            item = draw(items(number, sources, called))
        longer = {**document, "layers": [*document["layers"], item]}
        rank = rank_of_last(longer)
        if rank is None and number < tries and draw(st.integers(0, 9)):
            continue  # What cannot be ends the model; seldom before its time.
        document = longer
        if rank is None:
            break
        sources[item["name"]] = rank
        called += [item["name"]] if "call" not in item else []
    if draw(st.booleans()):
        document["outputs"] = [item["name"] for item in document["layers"]]
    return document


def rank_of_last(document: Data) -> int | None:
    """Rank of the model's output; None where something is wrong with it, or it has several."""
    reporter = Reporter()
    spec = read_data(document, reporter)
    graph = None if spec is None else check(spec, reporter, BUDGET)
    shape = getattr(getattr(graph, "outputs", None), "shape", None)
    return None if shape is None else len(shape)
