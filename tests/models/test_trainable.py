"""Which weights train, and in what order they are listed, against Keras, over nestings and ways to freeze."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import torch
from keras import layers as k

from spec_compiler import emit, lower, parse_spec
from spec_compiler import layers as own_layers
from spec_compiler.models import Model, Sequential, model_from_json
from tests.models.oracle import randomize

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]


def block(name: str, width: int = 4) -> keras.Model:
    x = keras.Input((5, width))
    y = k.Dropout(0.0, name="drop")(k.BatchNormalization(name="norm")(k.Dense(4, name="dense")(x)))
    return keras.Model(x, y, name=name)


def plain() -> keras.Model:
    stack = [k.Dense(4, name="a"), k.BatchNormalization(name="b"), k.PReLU(name="c"), k.Dense(2, name="d")]
    return keras.Sequential([keras.Input((5, 4)), *stack])


def functional_in_sequential() -> keras.Model:
    return keras.Sequential([keras.Input((5, 4)), k.Dense(4, name="a"), block("b"), k.Dense(2, name="c")])


def three_deep() -> keras.Model:
    deep = keras.Sequential(
        [keras.Input((5, 4)), k.Conv1D(4, 3, padding="same", name="conv"), block("deepest")], name="d"
    )
    x = keras.Input((5, 4))
    middle = keras.Model(x, k.Add(name="sum")([deep(x), k.LayerNormalization(name="e")(x)]), name="b")
    return keras.Sequential([keras.Input((5, 4)), k.Dense(4, name="a"), middle, k.GRU(2, name="c")])


def shared_layer() -> keras.Model:
    x = keras.Input((5, 4))
    shared, norm = k.Dense(4, name="b"), k.BatchNormalization(name="a")
    y = k.Concatenate(name="joined")([norm(shared(shared(x))), norm(x)])
    return keras.Model(x, k.Dense(2, name="c")(y))


def shared_model() -> keras.Model:
    x, y = keras.Input((5, 4)), keras.Input((5, 4))
    b = block("b")
    return keras.Model([x, y], k.Dense(2, name="c")(k.Average(name="mean")([b(x), b(k.Dense(4, name="a")(y))])))


def wrapped() -> keras.Model:
    x = keras.Input((5, 4))
    y = k.Bidirectional(k.LSTM(2, return_sequences=True), name="a")(x)
    y = k.TimeDistributed(k.Dense(4, name="inner"), name="b")(y)
    y = k.RNN([k.GRUCell(3), k.SimpleRNNCell(2)], return_sequences=True, name="c")(y)
    return keras.Model(x, k.SpectralNormalization(k.Dense(2), name="d")(y))


def attending() -> keras.Model:
    x = keras.Input((5,), dtype="int32")
    y = k.Embedding(9, 4, mask_zero=True, name="a")(x)
    y = k.MultiHeadAttention(2, 3, name="b", dropout=0.0)(y, y)
    y = k.BatchNormalization(name="c")(y)
    y = k.SeparableConv1D(4, 2, name="d")(y)
    return keras.Model(x, k.Dense(2, name="e")(y))


MODELS = [plain, functional_in_sequential, three_deep, shared_layer, shared_model, wrapped, attending]


def none(model: keras.Model) -> None:
    pass


def everything(model: keras.Model) -> None:
    model.trainable = False


def thawed(model: keras.Model) -> None:
    model.trainable = False
    model.trainable = True


def thawed_within(model: Any) -> None:
    """The layers alone: nothing trains, but normalizations learn their statistics again, inside nested models too."""
    model.trainable = False
    for layer in model.layers:
        layer.trainable = True


def thawed_last(model: keras.Model) -> None:
    """The usual recipe: freeze the model, thaw its last layer, thaw the model's own flag by way of the layers."""
    model.trainable = True
    for layer in model.layers[:-1]:
        layer.trainable = False


def layer_named(name: str) -> Callable[[keras.Model], None]:
    def freeze(model: keras.Model) -> None:
        if any(layer.name == name for layer in model.layers):
            model.get_layer(name).trainable = False

    freeze.__name__ = name
    return freeze


def inside(model: keras.Model) -> None:
    """The first layer with weights of each nested model, and the normalizations."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            next(inner for inner in layer.layers if inner.weights).trainable = False
            inside(layer)


def wrapped_layers(model: keras.Model) -> None:
    for layer in model.layers:
        for name in ("forward_layer", "layer", "cell"):
            # Of an LSTM, Keras's config does not tell that its cell is frozen and it is not.
            if (isinstance(layer, k.Wrapper) or type(layer) is k.RNN) and hasattr(layer, name):
                getattr(layer, name).trainable = False
                break


def in_layers_around(model: keras.Model) -> None:
    """The layers around others, and not the others: what else they say is what counts."""
    for layer in model.layers:
        if isinstance(layer, (keras.Model, k.Wrapper)) or type(layer) is k.RNN:
            within = list(layer._flatten_layers(include_self=False))
            layer.trainable = False
            for inner in within[::2]:
                inner.trainable = True


FREEZES = [
    none, everything, thawed, thawed_last, *map(layer_named, "abcd"), inside, wrapped_layers, in_layers_around,
]  # fmt: skip


def listed(weights: Any) -> list[tuple[str, tuple[int, ...]]]:
    return [(weight.name, tuple(weight.shape)) for weight in weights]


@pytest.mark.parametrize("freeze", FREEZES, ids=lambda f: f.__name__)
@pytest.mark.parametrize("build", MODELS, ids=lambda f: f.__name__)
def test_what_trains_matches_keras(build: Callable[[], keras.Model], freeze: Callable[[keras.Model], None]) -> None:
    theirs = build()
    freeze(theirs)
    # As it is read: that the layers are frozen which Keras makes inside an attention, where it was set, is in no file.
    theirs = keras.models.model_from_json(theirs.to_json())
    ours = model_from_json(theirs.to_json())
    values = randomize(theirs)
    ours.set_weights(values)
    for a, b in ((ours, theirs), *((ours.get_layer(layer.name), layer) for layer in theirs.layers)):
        assert listed(a.weights) == listed(b.weights), b.name
        assert listed(a.trainable_weights) == listed(b.trainable_weights), b.name
        assert listed(a.non_trainable_weights) == listed(b.non_trainable_weights), b.name
        assert a.count_params() == b.count_params()
        for one, other in zip(a.get_weights(), b.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
    lines: list[str] = []
    ours.summary(print_fn=lines.append)
    trained = sum(int(np.prod(w.shape)) for w in theirs.trainable_weights)
    assert f"Total params: {theirs.count_params():,}" in lines and f"Trainable params: {trained:,}" in lines
    assert f"Non-trainable params: {theirs.count_params() - trained:,}" in lines
    _assert_steps(ours, theirs)


def _assert_steps(ours: Model, theirs: keras.Model) -> None:
    """Two steps of training move the same weights by the same amounts; those of frozen normalizations stay."""
    rng = np.random.default_rng(0)
    x = [rng.integers(0, 9, (6, 5)) if t.dtype == "int32" else rng.standard_normal((6, 5, 4)) for t in theirs.inputs]
    y = rng.standard_normal((6, *theirs.outputs[0].shape[1:]))
    for model in (ours, theirs):
        model.compile("sgd", "mse")
    for _ in range(2):
        losses = [model.train_on_batch(x if len(x) > 1 else x[0], y) for model in (ours, theirs)]
        np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)
    for weight, a, b in zip(theirs.weights, ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5, err_msg=weight.path)


@pytest.mark.parametrize("build", MODELS, ids=lambda f: f.__name__)
def test_toggling_after_training_matches_keras(build: Callable[[], keras.Model]) -> None:
    theirs = build()
    ours = model_from_json(theirs.to_json())
    ours.set_weights(randomize(theirs))
    _assert_steps(ours, theirs)
    for freeze in (everything, thawed_within, thawed, layer_named("b"), thawed):
        freeze(theirs)
        freeze(ours)  # type: ignore[arg-type]
        assert listed(ours.trainable_weights) == listed(theirs.trainable_weights)
        _assert_steps(ours, theirs)


def test_a_frozen_layer_is_frozen_in_the_plain_module_and_its_source() -> None:
    text = """
inputs: {x: [4]}
layers: [{Dense: {units: 3, trainable: false}, name: a}, inner, {Dense: {units: 2}, name: b}]
models: {inner: {trainable: false, layers: [BatchNormalization, {Dense: {units: 3}}]}}
"""
    spec = parse_spec(text)
    module = lower(spec)
    assert [name for name, p in module.named_parameters() if p.requires_grad] == ["b.weight", "b.bias"]
    space: dict[str, Any] = {"__name__": "emitted"}
    exec(compile(emit(spec), "emitted", "exec"), space)
    twin = space[type(module).__name__]()
    twin.load_state_dict(module.state_dict())
    assert [name for name, p in twin.named_parameters() if p.requires_grad] == ["b.weight", "b.bias"]
    before = {name: value.clone() for name, value in module.state_dict().items()}
    x = torch.randn(5, 4)
    assert torch.equal(module.train()(x), module.eval()(x)) and torch.equal(twin.train()(x), module(x))
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_setting_trainable_in_python_reaches_all_within() -> None:
    inner = Sequential([own_layers.Input((4,)), own_layers.Dense(3), own_layers.BatchNormalization()])
    model = Sequential([own_layers.Input((4,)), inner, own_layers.Dense(2)])
    inner.trainable = False
    assert len(model.trainable_weights) == 2 and len(model.non_trainable_weights) == 6
    model.trainable = False
    assert model.trainable_weights == [] and not inner.trainable
    model.trainable = True
    assert len(model.trainable_weights) == 6


AROUND = """
inputs: {x: [5, 4]}
layers:
  - {TimeDistributed: {layer: {Dense: {units: 3}}, trainable: false}, name: a}
  - {TimeDistributed: {layer: {Dense: {units: 3, trainable: true}}, trainable: false}, name: b}
  - {RNN: {cell: [{GRUCell: {units: 3}}, {GRUCell: {units: 2, trainable: true}}], return_sequences: true, trainable: false}}
  - inner
models:
  inner:
    trainable: false
    layers: [{Dense: {units: 3}, name: c}, {Dense: {units: 2, trainable: true}, name: d}, deep]
  deep: {layers: [{Dense: {units: 2}, name: e}]}
"""
"""In the short form what stands in a frozen layer is frozen, unless it says otherwise."""
TRAINED = [
    "b/kernel",
    "b/bias",
    "rnn/cell_1/kernel",
    "rnn/cell_1/recurrent_kernel",
    "rnn/cell_1/bias",
    "d/kernel",
    "d/bias",
]


@pytest.mark.parametrize("dialect", ["keras3", "keras2", "short"])
def test_layers_around_frozen_in_the_short_form_freeze_what_states_nothing(dialect: str) -> None:
    model = Model.from_spec(parse_spec(AROUND))
    assert [weight.path for weight in model.trainable_weights] == TRAINED
    names = {id(p): name for name, p in model.module.named_parameters()}
    held = [names[id(p)] for weight in model.trainable_weights for p in weight.parameters]
    assert [name for name, p in model.module.named_parameters() if p.requires_grad] == held
    again = Model.from_spec(parse_spec(model.to_json(dialect)))
    # Keras 2 trains nothing in what is frozen, whatever that states; but of a Sequential it does not say so.
    assert [weight.path for weight in again.trainable_weights] == (TRAINED[-2:] if dialect == "keras2" else TRAINED)
    assert "trainable: false" in model.to_yaml("short") and model.to_yaml("short").count("trainable") == 7
    theirs = keras.models.model_from_json(model.to_json())
    assert listed(theirs.trainable_weights) == listed(model.trainable_weights)


def test_frozen_wrapper_of_keras_2_freezes_what_is_in_it() -> None:
    inner = {"class_name": "Dense", "config": {"units": 3, "trainable": True}}
    steps = {
        "class_name": "TimeDistributed",
        "config": {"layer": inner, "trainable": False, "batch_input_shape": [None, 5, 4]},
    }
    config = {"layers": [steps, {"class_name": "Dense", "config": {"name": "end", "units": 2}}]}
    model = model_from_json(json.dumps({"class_name": "Sequential", "config": config, "keras_version": "2.15.0"}))
    assert [weight.path for weight in model.trainable_weights] == ["end/kernel", "end/bias"]
    assert listed(keras.models.model_from_json(model.to_json()).trainable_weights) == listed(model.trainable_weights)
