"""What a lowered module is: an ordinary torch module, whatever torch does with modules."""

from __future__ import annotations

import copy
import pickle
import time

import pytest
import torch
from torch import nn

from spec_compiler import Input, emit, lower, parse_spec
from spec_compiler.diagnostics import Reporter
from spec_compiler.layers import (
    LSTM,
    BatchNormalization,
    Conv2D,
    Dense,
    EinsumDense,
    Embedding,
    Flatten,
    InputLayer,
    LayerNormalization,
    LocallyConnected1D,
    MaxoutDense,
    MaxPooling2D,
)
from spec_compiler.lowering.to_fx import lower_graph
from spec_compiler.passes import check
from spec_compiler.specs.functional import trace
from spec_compiler.specs.model import SequentialSpec


def mlp() -> SequentialSpec:
    layers = [
        InputLayer(batch_shape=(None, 8), name="features"),
        Dense(16, activation="relu", name="hidden"),
        Dense(3, name="out"),
    ]
    return SequentialSpec(name="mlp", layers=layers)


def cnn() -> SequentialSpec:
    shape = InputLayer(batch_shape=(None, 9, 7, 3))
    layers = [shape, Conv2D(4, 2, strides=2, padding="same", name="stem"), BatchNormalization(name="bn")]
    return SequentialSpec(name="cnn", layers=[*layers, Flatten(name="flat"), Dense(3, name="out")])


def tagger() -> SequentialSpec:
    tokens = InputLayer(batch_shape=(None, 5), dtype="int32")
    layers = [tokens, Embedding(9, 4, mask_zero=True, name="words"), LSTM(6, return_sequences=True, name="read")]
    return SequentialSpec(name="tagger", layers=[*layers, Dense(2, name="tag")])


MODELS = {"mlp": (mlp, lambda: torch.randn(3, 8)), "cnn": (cnn, lambda: torch.randn(3, 9, 7, 3))}
MODELS["tagger"] = (tagger, lambda: torch.randint(0, 9, (3, 5)))


@pytest.fixture(params=MODELS)
def model(request):
    make, data = MODELS[request.param]
    return lower(make()).eval(), data()


def test_submodules_bear_the_layers_names():
    assert list(lower(mlp()).state_dict()) == ["hidden.weight", "hidden.bias", "out.weight", "out.bias"]


def test_stock_modules_are_used():
    module = lower(mlp())
    assert type(module.hidden) is nn.Linear
    assert type(lower(cnn()).stem) is nn.Conv2d


def test_module_survives_pickling(model):
    module, x = model
    again = pickle.loads(pickle.dumps(module))
    assert torch.equal(again(x), module(x))


def test_module_survives_deepcopy(model):
    module, x = model
    assert torch.equal(copy.deepcopy(module)(x), module(x))


@pytest.mark.parametrize("name", MODELS)
def test_weights_are_float32_whatever_the_default(name):
    make, data = MODELS[name]
    x = data()
    torch.set_default_dtype(torch.float64)
    try:
        assert lower(make()).eval()(x).dtype is torch.float32
    finally:
        torch.set_default_dtype(torch.float32)


def test_modules_are_made_on_the_device_at_hand():
    text = """
    inputs: {x: [8, 8, 3]}
    layers:
      - Normalization: {mean: [1, 2, 3], variance: [1, 2, 3]}
      - Conv2D: {filters: 4, kernel_size: 3}
      - BatchNormalization
      - {ops.maximum: {}, with: {x2: [1.0, 2.0, 3.0, 4.0]}}
    """
    with torch.device("meta"):
        module = lower(parse_spec(text))
    assert {tensor.device.type for tensor in (*module.parameters(), *module.buffers())} == {"meta"}


def test_module_exports(model):
    module, x = model
    exported = torch.export.export(module, (x,))
    torch.testing.assert_close(exported.module()(x), module(x))


def test_module_compiles_into_one_graph(model):
    module, x = model
    torch.testing.assert_close(torch.compile(module, fullgraph=True, backend="eager")(x), module(x))


def test_emitted_source_is_the_module(model, request):
    module, x = model
    name = request.node.callspec.params["model"]
    namespace: dict[str, object] = {"__name__": "emitted"}
    source = emit(MODELS[name][0]())
    assert "spec_compiler" not in source
    exec(compile(source, "emitted.py", "exec"), namespace)
    twin = namespace[name.capitalize()]()
    twin.load_state_dict(module.state_dict())
    assert torch.equal(twin.eval()(x), module(x))


@pytest.mark.parametrize("number", [1, 2, 3])
def test_emitted_source_trains_from_its_own_start(number):
    """Two layers of zeros would have no gradient."""
    layers = {
        1: [EinsumDense("abc,cbd->abd", (5, 4)), EinsumDense("abc,cbd->abd", (5, 3))],
        2: [Flatten(), MaxoutDense(4), MaxoutDense(3)],
        3: [LocallyConnected1D(4, 2, implementation=n) for n in (1, 2, 3)],
    }[number]
    namespace: dict[str, object] = {"__name__": "emitted"}
    exec(emit(SequentialSpec(name="net", layers=[InputLayer(batch_shape=(None, 5, 4)), *layers])), namespace)
    module = namespace["Net"]()
    module(torch.randn(3, 5, 4)).square().sum().backward()
    assert all(parameter.grad.any() for parameter in module.parameters())


def test_emitted_mlp_reads_as_written_by_hand():
    assert (
        emit(mlp())
        == '''\
from torch import nn
from torch.nn import functional as F


class Mlp(nn.Module):
    """features (batch, 8) -> out (batch, 3)"""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(8, 16)
        self.out = nn.Linear(16, 3)

    def forward(self, features):
        x = F.relu(self.hidden(features))
        return self.out(x)
'''
    )


def test_layer_called_twice_is_one_module():
    a, b = Input((4,), name="a"), Input((4,), name="b")
    shared = Dense(3, name="shared")
    module = lower(trace([a, b], [shared(a), shared(b)], "twins"))
    assert list(module.state_dict()) == ["shared.weight", "shared.bias"]
    x = torch.randn(2, 4)
    ya, yb = module(x, 2 * x)
    torch.testing.assert_close(yb - ya, x @ module.shared.weight.T)


@pytest.mark.parametrize("layers", [1000, 10_000])
def test_deep_models_lower_without_recursion(layers):
    rest = [Dense(4, name=f"d{i}") for i in range(layers)]
    spec = SequentialSpec(name="deep", layers=[InputLayer(batch_shape=(None, 4)), *rest])
    started = time.perf_counter()
    module = lower(spec)
    # A generous bound, for a noisy machine; what it would catch is a step that is quadratic in the layers.
    assert time.perf_counter() - started < 60 * layers / 10_000 + 5
    assert module(torch.ones(1, 4)).shape == (1, 4)


class Counted(list):
    """Counts how often it is gone through."""

    times = 0

    def __iter__(self):
        self.times += 1
        return super().__iter__()


@pytest.mark.parametrize("kind", [Conv2D, MaxPooling2D, LayerNormalization, BatchNormalization])
def test_no_layer_goes_through_the_whole_graph(kind):
    def times(n: int) -> int:
        arguments = {Conv2D: (1, 1), MaxPooling2D: (1,)}.get(kind, ())
        rest = [kind(*arguments, name=f"a{i}") for i in range(n)]
        spec = SequentialSpec(name="deep", layers=[InputLayer(batch_shape=(None, 4, 4, 1)), *rest])
        graph = check(spec, Reporter())
        graph.nodes = Counted(graph.nodes)
        lower_graph(graph)
        return graph.nodes.times

    assert times(30) == times(3)
