"""What the writer says, the reader reads as the same layers and calls."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spec_compiler import dialects
from spec_compiler.diagnostics import Reporter, SpecError
from spec_compiler.dialects import short
from spec_compiler.dialects.short.plain import by_name
from spec_compiler.dialects.short.writer import write
from spec_compiler.ir import build_graph
from spec_compiler.lowering.initializers import initialize
from spec_compiler.source import load, parse
from spec_compiler.specs.initializers.scaling import VarianceScaling
from spec_compiler.specs.layers import Dense, Identity, InputLayer
from spec_compiler.specs.model import CallSpec, FunctionalSpec, ModelSpec, Placed, Ref, SequentialSpec, refs_in
from tests.conftest import SHARED
from tests.dialects.short.description import describe
from tests.schemas.test_schemas import faults

HERE = Path(__file__).parent


def written(spec: ModelSpec) -> dict:
    """The document, as JSON would hold it: plain data and nothing else."""
    return json.loads(json.dumps(write(spec)))


def reread(spec: ModelSpec) -> ModelSpec:
    document = written(spec)
    assert faults("model.schema.json", document) == []
    reporter = Reporter()
    back = short.read(document, reporter)
    assert str(reporter.result()) == ""
    return back


def read(path: Path) -> ModelSpec:
    document = load(path)
    reporter = Reporter(document)
    spec = short.read(document.data, reporter)
    assert spec is not None
    return spec


@pytest.mark.parametrize("path", sorted(p for p in (HERE / "ok").iterdir() if p.suffix != ".out"), ids=lambda p: p.name)
def test_reading_what_was_written_gives_the_same_model(path):
    spec = read(path)
    back = reread(spec)
    assert describe(back) == describe(spec)
    assert written(back) == written(spec)
    assert str(build_graph(back, Reporter())) == str(build_graph(spec, Reporter()))


@pytest.mark.parametrize(
    "text",
    [
        """
inputs: {image: [8, 8, 1]}
layers:
- Conv2D: {filters: 4, kernel_size: 3, padding: same, activation: relu}
- Conv2D: {filters: 4, kernel_size: [3, 2], kernel_initializer: {HeNormal: {seed: 1}}}
  name: second
- Identity
- Dense: {units: 3, kernel_regularizer: {L2: {l2: 0.1}}, trainable: false}
- Dense: {units: 2, bias_initializer: Ones}
""",
        """
name: net
inputs: {x: [4], ids: {shape: [null], dtype: int32, batch_size: 2}}
layers:
- Dense: {units: 4}
  name: first
  from: x
- Dense: {units: 4}
- Dense: {units: 5}
  from: first
- encoder
- {call: encoder, name: encoder_call, from: x}
- Bidirectional: {layer: {LSTM: {units: 3}}, merge_mode: null}
- MultiHeadAttention: {num_heads: 2, key_dim: 2}
  from: [first, encoder_call]
  with: {use_causal_mask: true}
outputs: {a: first, b: encoder_call}
models:
  encoder:
    layers:
    - Dense: {units: 4}
    trainable: false
training:
  optimizer: {AdamW: {learning_rate: 0.1}}
  loss: {a: MeanSquaredError, b: {Huber: {delta: 2.0}}}
  data: x.npz
  fit: {epochs: 3}
""",
    ],
    ids=["chain", "graph"],
)
def test_no_more_is_written_than_is_needed(text):
    data = parse(text).data
    assert written(short.read(data, Reporter())) == data


def chain(names: list[str]) -> SequentialSpec:
    classes = [Identity if name.startswith("identity") else Dense for name in names]
    layers = [
        cls(name=name, **({"units": 2} if cls is Dense else {})) for cls, name in zip(classes, names, strict=True)
    ]
    return SequentialSpec(name="net", layers=layers)


@given(
    st.lists(st.sampled_from(["a", "identity", "identity_1", *(f"dense_{i}" for i in range(4)), "dense"]), unique=True)
)
def test_names_survive_whatever_their_order(names):
    if not names:
        return
    spec = chain(names)
    assert [layer.name for layer in reread(spec).layers] == names


@pytest.mark.parametrize(
    ("names", "stated"),
    [
        (["dense", "dense_1", "dense_2"], []),
        (["dense_1", "dense", "dense_2"], ["dense_1", "dense"]),
        (["dense", "a", "dense_1"], ["a"]),
        (["dense_1", "dense_2"], ["dense_1"]),
        (["dense_5", "dense_6", "a", "dense_8"], ["dense_5", "a", "dense_8"]),
        (["dense_12", "identity_3", "dense_13", "identity_4"], ["dense_12", "identity_3"]),
    ],
)
def test_only_unusual_names_are_written(names, stated):
    items = write(chain(names))["layers"]
    assert [item["name"] for item in items if "name" in item] == stated


def test_input_shape_of_a_first_layer_becomes_an_input():
    spec = SequentialSpec(name="net", layers=[Dense(3, input_shape=(5,))])
    assert write(spec)["inputs"] == {"input": [5]}


def functional(args, kwargs=None, outputs=None) -> FunctionalSpec:
    layers = {"inputs": {"x": [4]}, "layers": [{"Dense": {"units": 4}, "name": "y"}], "outputs": "y"}
    spec = short.read(layers, Reporter())
    assert isinstance(spec, FunctionalSpec)
    spec.placed[1].calls[0] = CallSpec(args, kwargs or {})
    if outputs is not None:
        spec.outputs = outputs
    return spec


X = Ref("x")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (functional((X, 3.0)), "is called on 3.0"),
        (functional(({"a": X},)), "is called on {'a'"),
        (functional(()), "is called on 0 arguments"),
        (functional((X,), {"state": {"a": X}}), "a mapping of tensors"),
        (functional((X,), outputs=[[Ref("y")]]), "outputs in lists"),
        (functional((Ref("y"),)), "the calls of layer 'y'"),
        (SequentialSpec(name="net", layers=[]), "without layers"),
        (SequentialSpec(name="net", layers=[Dense(3, name="a..b")]), "the layer name 'a..b'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_has_no_words_is_refused(spec, message):
    with pytest.raises(SpecError, match=r"SC902") as caught:
        write(spec)
    assert message in str(caught.value)


def test_call_arguments_without_a_value_are_left_out():
    assert "with" not in write(functional((X, None), {"mask": None}))["layers"][0]


def test_calls_are_written_after_what_they_need():
    calls = [CallSpec((X,)), CallSpec((Ref("b"),))]
    placed = [
        Placed(layer, made) for layer, made in [(Dense(4, name="a"), calls), (Dense(4, name="b"), [CallSpec((X,))])]
    ]
    inputs = functional((X,)).placed[:1]
    spec = FunctionalSpec(name="net", placed=[*inputs, *placed], inputs=X, outputs=Ref("a", 1))
    items = write(spec)["layers"]
    assert items == [
        {"Dense": {"units": 4}, "name": "a"},
        {"Dense": {"units": 4}, "name": "b", "from": "x"},
        {"call": "a"},
    ]
    assert describe(reread(spec)) == describe(spec)


def test_models_and_layers_may_share_names_across_models():
    """A model `Foo` gets the key `foo`, which is another layer's name here, and a second `foo` inside."""
    dense = {"Dense": {"units": 4}}
    data = {
        "inputs": {"x": [4]},
        "layers": [
            {**dense, "name": "foo"},
            {"m": {}, "name": "Foo"},
            {"call": "Foo", "from": "foo"},
            {"n": {}, "name": "foo_1"},
        ],
        "models": {"m": {"layers": [{"n": {}, "name": "foo"}, {**dense, "name": "Foo"}]}, "n": {"layers": [dense]}},
    }
    reporter = Reporter()
    spec = short.read(data, reporter)
    assert spec is not None, str(reporter.result())
    assert describe(reread(spec)) == describe(spec)


def without_defaults(spec: ModelSpec) -> list[str]:
    """The description, regardless of where inputs stand, of lists and call arguments that say nothing, of aliases."""
    for layer in [spec, *spec.walk()]:
        for name in type(layer).model_fields:
            if name.endswith("initializer"):
                setattr(layer, name, by_name(getattr(layer, name)))
        if isinstance(layer, FunctionalSpec):
            layer.inputs = list(refs_in(layer.inputs))
        for placed in getattr(layer, "placed", []):
            for call in placed.calls:
                call.kwargs = {key: value for key, value in call.kwargs.items() if value is not None}
    return sorted(describe(spec).splitlines())


@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "fan_avg"])
@pytest.mark.parametrize("distribution", ["uniform", "truncated_normal", "untruncated_normal"])
@pytest.mark.parametrize("scale", [1.0, 2.0, 0.5])
def test_initializer_of_that_name_draws_the_same(scale, mode, distribution):
    stated = VarianceScaling(scale, mode, distribution, seed=3)
    named = by_name(stated)
    assert torch.equal(*(initialize(one, (5, 7), torch.float32) for one in (stated, named)))
    assert (
        type(named) is not VarianceScaling or scale == 0.5 or distribution == "untruncated_normal" or mode != "fan_in"
    )


@pytest.mark.skipif(not SHARED.is_dir(), reason="the corpus is not here")
def test_published_models_survive():
    survived = 0
    for path in sorted((SHARED / "corpus").iterdir()):
        if path.suffix in (".csv", ".md") or path.is_dir():
            continue
        document = load(path)
        spec = dialects.read(document, Reporter(document))
        if spec is not None:
            reporter = Reporter()
            back = short.read(written(spec), reporter)
            assert reporter.ok, f"{path.name}: {reporter.result()}"
            assert without_defaults(back) == without_defaults(spec), path.name
            survived += 1
    assert survived > 50


@pytest.mark.parametrize("index", [10**6, 10**100])
def test_output_that_no_layer_has_is_not_written(index: int) -> None:
    source = InputLayer(name="x", batch_shape=(None, 3))
    placed = [Placed(source, [CallSpec(())]), Placed(Identity(name="y"), [CallSpec((Ref("x", 0, index),))])]
    with pytest.raises(SpecError, match=r"cannot say this: output .* of layer 'x'"):
        write(FunctionalSpec(name="m", placed=placed, inputs=[Ref("x")], outputs=Ref("y")))
