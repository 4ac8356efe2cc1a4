"""Layers that stand in several models, wrappers and models put around layers, all stated in Python, against Keras."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import torch

import spec_compiler
from spec_compiler import layers
from spec_compiler.lowering.names import class_name
from spec_compiler.models import Model, Sequential
from tests.models.oracle import randomize
from tests.models.test_trainable import listed

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]

THEIRS = types.SimpleNamespace(L=keras.layers, Input=keras.Input, Model=keras.Model, Sequential=keras.Sequential)
OURS = types.SimpleNamespace(L=layers, Input=spec_compiler.Input, Model=Model, Sequential=Sequential)


def inside_and_outside(n: Any) -> Any:
    x, shared = n.Input((5, 4)), n.L.Dense(4, activation="tanh", name="shared")
    inner = n.Sequential([n.Input((5, 4)), n.L.BatchNormalization(name="norm"), shared], name="inner")
    return n.Model(x, n.L.GRU(2, name="end")(n.L.Add(name="sum")([inner(shared(x)), x])))


def in_two_models(n: Any) -> Any:
    x, shared = n.Input((5, 4)), n.L.Conv1D(4, 3, padding="same", name="shared", kernel_regularizer="l2")
    one = n.Sequential([n.Input((5, 4)), shared, n.L.PReLU(name="a")], name="one")
    other = n.Sequential([n.Input((5, 4)), n.L.Dense(4, name="b"), shared], name="other")
    deep = n.Sequential([n.Input((5, 4)), other, n.L.Dense(3, name="c")], name="deep")
    return n.Model(x, n.L.Concatenate(name="both")([one(x), deep(x)]))


def shared_norm_under_a_mask(n: Any) -> Any:
    x, norm = n.Input((5, 4)), n.L.BatchNormalization(name="norm")
    inner = n.Sequential([n.L.Dense(4, name="a"), norm], name="inner")
    inner.build((None, 5, 4))
    y = inner(n.L.Masking(name="mask")(x))
    return n.Model(x, n.L.LSTM(2, name="end")(norm(y)))


def model_at_every_step(n: Any) -> Any:
    inner = n.Sequential([n.Input((4,)), n.L.Dense(3, name="a"), n.L.Dense(2, name="b")], name="inner")
    x = n.Input((5, 4))
    steps = n.L.TimeDistributed(inner, name="steps")
    return n.Model(x, n.L.Concatenate(name="both")([steps(x), steps(n.L.Dense(4, name="c")(x))]))


def model_alone_and_at_every_step(n: Any) -> Any:
    inner = n.Sequential([n.Input((4,)), n.L.Dense(3, name="a")], name="inner")
    x, y = n.Input((5, 4)), n.Input((4,))
    z = n.L.GlobalAveragePooling1D(name="mean")(n.L.TimeDistributed(inner, name="steps")(x))
    return n.Model([x, y], n.L.Add(name="sum")([z, inner(y)]))


def in_either_order_of_axes(n: Any) -> Any:
    """Behind a convolution, channels stand behind the batch axis in torch; behind an input, they are last."""
    x, shared = n.Input((5, 4)), n.L.PReLU(name="shared")
    conv = n.L.Conv1D(4, 3, padding="same", name="conv")
    inner = n.Sequential([n.Input((5, 4)), conv, shared], name="inner")
    deep = n.Sequential([n.Input((5, 4)), shared, n.L.Dense(4, name="dense")], name="deep")
    return n.Model(x, n.L.Concatenate(name="both")([inner(x), shared(x), deep(shared(x))]))


def wrappers(n: Any) -> Any:
    x = n.Input((5, 4))
    y = n.L.TimeDistributed(n.L.Dense(4, name="inner"), name="a")(x)
    y = n.L.Bidirectional(n.L.RNN([n.L.GRUCell(3), n.L.LSTMCell(2)], return_sequences=True), name="b")(y)
    y = n.L.RNN([n.L.SimpleRNNCell(3), n.L.SimpleRNNCell(2)], return_sequences=True, name="c")(y)
    return n.Model(x, n.L.SpectralNormalization(n.L.Dense(2, name="inner"), name="d")(y))


def alone_and_at_every_step(n: Any) -> Any:
    x, y, shared = n.Input((4,)), n.Input((5, 4)), n.L.Dense(4, name="shared", kernel_regularizer="l2")
    steps = n.L.TimeDistributed(shared, name="steps")(y)
    z = n.L.Add(name="sum")([shared(x), n.L.GlobalAveragePooling1D(name="mean")(steps)])
    return n.Model([x, y], n.L.Dense(2, name="end")(z))


def cell_of_two_layers(n: Any) -> Any:
    x, cell = n.Input((5, 4)), n.L.GRUCell(4, reset_after=False)
    there, back = n.L.RNN(cell, name="there")(x), n.L.RNN([cell, n.L.LSTMCell(3)], go_backwards=True, name="back")(x)
    return n.Model(x, n.L.Concatenate(name="both")([there, back]))


def convolution_at_every_step(n: Any) -> Any:
    x, shared = n.Input((3, 6, 4)), n.L.Conv1D(4, 3, padding="same", name="shared")
    y = n.L.TimeDistributed(n.L.TimeDistributed(n.L.Dense(4, name="a"), name="b"), name="c")(x)
    y = n.L.TimeDistributed(shared, name="d")(n.L.TimeDistributed(shared, name="e")(y))
    return n.Model(x, n.L.GlobalAveragePooling2D(name="mean")(y))


MODELS: list[Callable[[Any], Any]] = [
    inside_and_outside, in_two_models, shared_norm_under_a_mask, model_at_every_step, model_alone_and_at_every_step,
    wrappers, in_either_order_of_axes, alone_and_at_every_step, cell_of_two_layers, convolution_at_every_step,
]  # fmt: skip


def assert_listed_alike(ours: Any, theirs: Any) -> None:
    pairs = [(ours, theirs), *((ours.get_layer(layer.name), layer) for layer in theirs.layers if layer.weights)]
    for a, b in pairs:
        assert listed(a.weights) == listed(b.weights), b.name
        assert listed(a.trainable_weights) == listed(b.trainable_weights), b.name
        assert listed(a.non_trainable_weights) == listed(b.non_trainable_weights), b.name
    assert ours.count_params() == theirs.count_params()
    lines: list[str] = []
    ours.summary(print_fn=lines.append)
    trained = sum(int(np.prod(w.shape)) for w in theirs.trainable_weights)
    assert f"Trainable params: {trained:,}" in lines


def arrays(model: Any) -> Any:
    rng = np.random.default_rng(1)
    found = [rng.standard_normal((6, *t.shape[1:])).astype("float32") for t in model.inputs]
    found[0][0, 2:] = 0
    return found if len(found) > 1 else found[0]


@pytest.mark.parametrize("build", MODELS, ids=lambda f: f.__name__)
def test_what_is_shared_counts_once_and_trains_as_in_keras(build: Callable[[Any], Any]) -> None:
    theirs, ours = build(THEIRS), build(OURS)
    assert_listed_alike(ours, theirs)
    ours.set_weights(randomize(theirs))
    x = arrays(theirs)
    expected = theirs(x, training=False).detach().numpy()
    np.testing.assert_allclose(ours.predict(x, verbose=0), expected, rtol=1e-5, atol=1e-6)
    y = np.random.default_rng(2).standard_normal(expected.shape)
    for model in (ours, theirs):
        model.compile("sgd", "mse")
    for _ in range(2):
        np.testing.assert_allclose(ours.train_on_batch(x, y), theirs.train_on_batch(x, y), rtol=1e-5)
    for weight, a, b in zip(theirs.weights, ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5, err_msg=weight.path)


@pytest.mark.parametrize("build", MODELS, ids=lambda f: f.__name__)
def test_source_of_shared_layers_is_the_module_and_its_file_the_model(build: Callable[[Any], Any], tmp_path) -> None:
    ours = build(OURS)
    ours.set_weights([np.random.default_rng(3).random(w.shape) for w in ours.weights])
    x = arrays(ours)
    emitted: dict[str, Any] = {"__name__": "emitted"}
    exec(compile(ours.emit(), "emitted", "exec"), emitted)
    twin = emitted[class_name(ours.name)]().eval()
    assert len(list(twin.parameters())) == len(list(ours.module.parameters()))
    twin.load_state_dict(ours.module.state_dict())
    given = [torch.from_numpy(a) for a in (x if isinstance(x, list) else [x])]
    assert torch.equal(twin(*given), ours.module.eval()(*given))
    ours.save(tmp_path / "model.safetensors")
    again = spec_compiler.models.load_model(tmp_path / "model.safetensors")
    assert np.array_equal(again.predict(x, verbose=0), ours.predict(x, verbose=0))


Path = tuple[str, ...]
TOGGLES: list[list[tuple[Path, bool]]] = [
    [(("a",), False)],
    [(("a", "layer"), False), (("a",), True)],
    [((), False), (("b",), True)],
    [((), False), ((), True), (("b", "backward_layer"), False), (("c", "cell"), False)],
    [(("b",), False), (("b", "forward_layer"), True), (("d", "layer"), False)],
    [(("c",), False), (("d",), False), (("c", "cell"), True)],
]


@pytest.mark.parametrize("trained_before", [False, True])
@pytest.mark.parametrize("toggles", TOGGLES)
def test_setting_trainable_of_wrappers_and_within_matches_keras(
    toggles: list[tuple[Path, bool]], trained_before: bool
) -> None:
    theirs, ours = wrappers(THEIRS), wrappers(OURS)
    ours.set_weights(randomize(theirs))
    x, y = arrays(theirs), np.ones((6, 5, 2))

    def assert_step() -> None:
        for model in (ours, theirs):
            model.compile("sgd", "mse")
        np.testing.assert_allclose(ours.train_on_batch(x, y), theirs.train_on_batch(x, y), rtol=1e-5)
        for weight, a, b in zip(theirs.weights, ours.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5, err_msg=weight.path)

    if trained_before:
        assert_step()
    for path, value in toggles:
        for model in (ours, theirs):
            found = model
            for i, name in enumerate(path):
                found = getattr(found, name) if i else found.get_layer(name)
            found.trainable = value
        assert_listed_alike(ours, theirs)
    assert_step()


def test_a_layer_of_other_lengths_in_another_model_pads_as_in_keras() -> None:
    """What the lengths tell of a module, here how much it pads, is asked of the calls in all the models."""

    def build(n: Any) -> Any:
        shared = n.L.Conv1D(2, 3, strides=2, padding="same")
        inner = n.Sequential([n.Input((6, 4)), shared])
        a, b = n.Input((5, 4)), n.Input((6, 4))
        return n.Model([a, b], [shared(a), inner(b)])

    theirs, ours = build(THEIRS), build(OURS)
    ours.set_weights(randomize(theirs))
    x = [np.random.default_rng(0).standard_normal((3, n, 4)).astype("float32") for n in (5, 6)]
    for a, b in zip(ours.predict(x, verbose=0), theirs.predict(x, verbose=0), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("thawed_first", [False, True])
def test_frozen_normalization_at_every_step_keeps_its_statistics(thawed_first: bool) -> None:
    def build(n: Any) -> Any:
        steps = n.L.TimeDistributed(n.L.BatchNormalization(), name="steps")
        return n.Sequential([n.Input((5, 4)), n.L.Dense(4), steps, n.L.GRU(2)])

    theirs, ours = build(THEIRS), build(OURS)
    x, y = arrays(theirs), np.ones((6, 2))
    if thawed_first:
        ours.compile("sgd", "mse")
        ours.train_on_batch(x, y)
    for model in (ours, theirs):
        model.get_layer("steps").layer.trainable = False
        model.compile("sgd", "mse")
    ours.set_weights(randomize(theirs))
    for _ in range(2):
        np.testing.assert_allclose(ours.train_on_batch(x, y), theirs.train_on_batch(x, y), rtol=1e-5)
    for weight, a, b in zip(theirs.weights, ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5, err_msg=weight.path)


def test_a_layer_whose_weights_would_differ_is_refused() -> None:
    cell = layers.GRUCell(4)
    x, y = spec_compiler.Input((5, 4)), spec_compiler.Input((5, 3))
    with pytest.raises(spec_compiler.SpecError, match="several places needs weights of other shapes"):
        Model([x, y], [layers.RNN(cell)(x), layers.RNN(cell)(y)]).get_weights()
    # Keras makes the weights for the first, and fails as it computes the second.
    theirs = keras.layers.GRUCell(4)
    x, y = keras.Input((5, 4)), keras.Input((5, 3))
    model = keras.Model([x, y], [keras.layers.RNN(theirs)(x), keras.layers.RNN(theirs)(y)])
    with pytest.raises(RuntimeError, match="shapes"):
        model([np.ones((1, 5, 4)), np.ones((1, 5, 3))])
