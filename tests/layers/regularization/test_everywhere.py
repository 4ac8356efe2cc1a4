"""Every layer that draws in training, wherever in the library it is: still in inference, repeated by the seed."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spec_compiler import Input, layers, set_random_seed
from spec_compiler.lowering.lower import lower
from spec_compiler.models import Model, Sequential, load_model

RATE = 0.3

IDENTITIES: dict[str, tuple[Any, tuple[int, ...]]] = {
    "Dropout": (lambda: layers.Dropout(RATE), (6, 4)),
    "Dropout(noise_shape)": (lambda: layers.Dropout(RATE, noise_shape=(None, 1, 4)), (6, 4)),
    "SpatialDropout1D": (lambda: layers.SpatialDropout1D(RATE), (6, 4)),
    "SpatialDropout2D": (lambda: layers.SpatialDropout2D(RATE), (5, 6, 4)),
    "SpatialDropout3D": (lambda: layers.SpatialDropout3D(RATE), (2, 5, 6, 4)),
    "GaussianNoise": (lambda: layers.GaussianNoise(RATE), (6, 4)),
    "GaussianDropout": (lambda: layers.GaussianDropout(RATE), (6, 4)),
    "AlphaDropout": (lambda: layers.AlphaDropout(RATE), (6, 4)),
    "AlphaDropout(noise_shape)": (lambda: layers.AlphaDropout(RATE, noise_shape=(None, 6, 1)), (6, 4)),
    "RandomFlip": (lambda: layers.RandomFlip("horizontal"), (5, 6, 3)),
    "RandomRotation": (lambda: layers.RandomRotation(0.2), (5, 6, 3)),
}
"""Layers that do nothing in inference, and their input's shape."""

RECURRENT = {
    f"{cls.__name__}({kind})": (lambda cls=cls, kind=kind: cls(4, **{kind: RATE}), (6, 4))
    for cls in (layers.LSTM, layers.GRU, layers.SimpleRNN)
    for kind in ("dropout", "recurrent_dropout")
}

OTHERS: dict[str, tuple[Any, tuple[int, ...]]] = {
    **RECURRENT,
    "ConvLSTM1D(dropout)": (lambda: layers.ConvLSTM1D(3, 2, dropout=RATE), (4, 6, 3)),
    "ConvLSTM1D(recurrent_dropout)": (lambda: layers.ConvLSTM1D(3, 2, recurrent_dropout=RATE), (4, 6, 3)),
    "Bidirectional(LSTM(dropout))": (lambda: layers.Bidirectional(layers.LSTM(4, dropout=RATE)), (6, 4)),
}

DRAWING = {**IDENTITIES, **OTHERS}


def module_of(name: str) -> tuple[torch.fx.GraphModule, torch.Tensor]:
    make, shape = DRAWING[name]
    x = Input(shape=shape)
    return lower(Model(x, make()(x)).spec), torch.randn(8, *shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", IDENTITIES)
def test_inference_is_the_identity(name: str) -> None:
    module, x = module_of(name)
    assert torch.equal(module.eval()(x), x)
    assert not torch.equal(module.train()(x), x)


@pytest.mark.parametrize("name", DRAWING)
def test_set_random_seed_repeats_what_is_drawn(name: str) -> None:
    module, x = module_of(name)
    drawn = []
    for seed in (3, 3, 4):
        set_random_seed(seed)
        drawn.append(module.train()(x))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert torch.equal(module.eval()(x), module(x))


@pytest.mark.parametrize("name", DRAWING)
def test_a_whole_training_is_repeated_by_the_seed(name: str) -> None:
    make, shape = DRAWING[name]
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, *shape)), rng.normal(size=(12, 1))

    def trained(seed: int) -> list[np.ndarray[Any, Any]]:
        set_random_seed(seed)
        symbol = Input(shape=shape)
        model = Model(symbol, layers.Dense(1)(layers.Flatten()(make()(symbol))))
        model.compile("sgd", "mse")
        model.fit(x, y, epochs=2, batch_size=5, verbose=0)
        return model.get_weights()

    first, again = trained(3), trained(3)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


ATTENTION: dict[str, tuple[Any, dict[str, Any], bool]] = {
    "MultiHeadAttention": (lambda: layers.MultiHeadAttention(2, 3, dropout=RATE), {}, False),
    "MultiHeadAttention(scores)": (
        lambda: layers.MultiHeadAttention(2, 3, dropout=RATE),
        {"return_attention_scores": True},
        False,
    ),
    "GroupQueryAttention": (lambda: layers.GroupQueryAttention(3, 2, 1, dropout=RATE), {}, False),
    "Attention": (lambda: layers.Attention(dropout=RATE), {}, False),
    "Attention(scores)": (lambda: layers.Attention(dropout=RATE), {"return_attention_scores": True}, True),
    "AdditiveAttention(scores)": (
        lambda: layers.AdditiveAttention(dropout=RATE),
        {"return_attention_scores": True},
        True,
    ),
}
"""Attention, its call's arguments, and whether Keras drops of the scores it returns too."""


def attending(name: str, samples: int, steps: int = 16) -> tuple[torch.fx.GraphModule, list[torch.Tensor]]:
    set_random_seed(0)
    make, call, _ = ATTENTION[name]
    layer, shapes = make(), [(5, 4), (steps, 4)]
    inputs = [Input(shape=shape) for shape in shapes]
    arguments = [inputs] if isinstance(layer, (layers.Attention, layers.AdditiveAttention)) else inputs
    outputs = layer(*arguments, **call)
    generator = torch.Generator().manual_seed(1)
    drawn = [torch.randn(1, *shape, generator=generator).expand(samples, *shape) for shape in shapes]
    return lower(Model(inputs, outputs).spec), drawn


@pytest.mark.parametrize("name", ATTENTION)
def test_dropped_attention_keeps_its_mean(name: str) -> None:
    # One sample, many times: what is dropped differs, its mean does not. Bounds: five standard errors.
    n = 4000
    module, inputs = attending(name, n)
    torch.manual_seed(0)
    with torch.no_grad():
        (expected, *_), (found, *_) = (_list(module.train(training)(*inputs)) for training in (False, True))
        torch.manual_seed(0)
        again = _list(module(*inputs))[0]
        torch.manual_seed(0)
        torch.testing.assert_close(_list(module(*inputs))[0], again, rtol=0, atol=0)
    torch.testing.assert_close(expected[0], expected[1])
    error = found.std(dim=0) / math.sqrt(n)
    assert error.min() > 0
    assert ((found.mean(dim=0) - expected[0]).abs() < 5 * error + 1e-6).all()


@pytest.mark.parametrize("name", [name for name, (_, call, _) in ATTENTION.items() if call])
def test_scores_are_returned_dropped_as_keras_does(name: str) -> None:
    n = 2000
    module, inputs = attending(name, n)
    torch.manual_seed(0)
    with torch.no_grad():
        still, drawn = module.eval()(*inputs)[1], module.train()(*inputs)[1]
    zeros = drawn == 0
    if not ATTENTION[name][2]:
        assert torch.equal(drawn, still)
        return
    torch.testing.assert_close(drawn[~zeros], (still / (1 - RATE))[~zeros])
    bound = 5 * math.sqrt(RATE * (1 - RATE) / zeros.numel())
    assert abs(zeros.double().mean().item() - RATE) < bound
    # Every score is dropped by itself: not with its row, nor with its column.
    pairs = zeros[..., 0, 0] & zeros[..., 0, 1], zeros[..., 0, 0] & zeros[..., 1, 0]
    for both in pairs:
        assert abs(both.double().mean().item() - RATE**2) < 5 * math.sqrt(RATE**2 * (1 - RATE**2) / n)


def _list(outputs: Any) -> list[torch.Tensor]:
    return [outputs] if isinstance(outputs, torch.Tensor) else list(outputs)


AROUND: dict[str, Callable[[Any], Any]] = {
    "model": lambda layer: Sequential([Input((6, 4)), Sequential([Input((6, 4)), layer])]),
    "wrapper": layers.TimeDistributed,
    "model at every step": lambda layer: layers.TimeDistributed(Sequential([Input((4,)), layer])),
}


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("name", ["Dropout", "GaussianNoise", "GaussianDropout", "AlphaDropout"])
def test_within_models_and_wrappers_the_layer_draws_as_anywhere(name: str, around: str, tmp_path: Path) -> None:
    x, y = np.ones((300, 6, 4), "float32"), np.zeros((300, 6, 1))

    def trained() -> tuple[Model, list[float]]:
        set_random_seed(5)
        inner = AROUND[around](IDENTITIES[name][0]())
        model = Sequential([Input((6, 4)), layers.Dense(4), inner, layers.Dense(1)])
        model.compile("sgd", "mse")
        return model, model.fit(x, y, epochs=2, verbose=0).history["loss"]

    model, losses = trained()
    again, twice = trained()
    assert losses == twice
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), again.get_weights(), strict=True))
    inner = AROUND[around](IDENTITIES[name][0]())
    alone = Sequential([Input((6, 4)), inner])
    assert np.array_equal(alone.predict(x, verbose=0), x)
    plain = Sequential([Input((6, 4)), IDENTITIES[name][0]()])
    drawn, expected = (m(x, training=True).detach().numpy() for m in (alone, plain))
    np.testing.assert_allclose([drawn.mean(), drawn.std()], [expected.mean(), expected.std()], atol=0.1)
    # Every step of every sample draws for itself.
    assert (np.diff(drawn, axis=1) != 0).any() and (np.diff(drawn, axis=0) != 0).any()
    model.save(tmp_path / "model.safetensors")
    loaded = load_model(tmp_path / "model.safetensors")
    assert np.array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    steps = []
    for one in (model, loaded):
        set_random_seed(6)
        steps.append(one.train_on_batch(x, y))
    assert steps[0] == steps[1]
