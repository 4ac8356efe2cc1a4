"""What training takes of the batch as a whole, at every step of a TimeDistributed, against Keras, which goes step by step."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import torch
from keras import layers as k

from spec_compiler import parse_spec, validate_text
from spec_compiler.codegen import emit
from spec_compiler.models import Model, model_from_json
from spec_compiler.nn.normalization import SpectralNorm
from tests.models.oracle import randomize
from tests.models.test_sharing import OURS, THEIRS

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

BATCH = 4


def norm(**given: Any) -> keras.Layer:
    return k.BatchNormalization(**{"momentum": 0.7, "name": "norm", **given})


def stack(shape: tuple[int, ...], *layers: keras.Layer, name: str = "inner") -> keras.Model:
    return keras.Sequential([keras.Input(shape), *layers], name=name)


def around(shape: tuple[int | None, ...], layer: keras.Layer, front: keras.Layer | None = None) -> keras.Model:
    """The layer behind one with weights, so that the gradient of its input counts, and before one."""
    x = keras.Input(shape, name="x")
    y = k.Dense(shape[-1], name="before")(x if front is None else front(x))
    return keras.Model(x, k.Dense(2, name="end")(layer(y)))


def steps(layer: keras.Layer, name: str = "steps") -> keras.Layer:
    return k.TimeDistributed(layer, name=name)


def called_twice() -> keras.Model:
    x, layer = keras.Input((5, 4), name="x"), steps(norm())
    y = layer(k.Dense(4, name="before")(x))
    return keras.Model(x, k.Concatenate(axis=1, name="both")([y, layer(k.Cropping1D(1, name="crop")(x))]))


def masked_in_one_call() -> keras.Model:
    x, layer = keras.Input((5, 4), name="x"), steps(stack((4,), stack((4,), norm(), name="deep"), merged()))
    y = k.Concatenate(axis=1, name="both")([layer(k.Masking(name="mask")(x)), layer(k.Dense(4, name="before")(x))])
    return keras.Model(x, k.Dense(2, name="end")(y))


def merged() -> keras.Model:
    x = keras.Input((4,))
    y = k.Minimum(name="least")([k.Dense(4, name="dense")(x), x])
    return keras.Model(x, k.Average(name="mean")([k.Multiply(name="times")([y, x]), y]), name="merged")


def branches() -> keras.Model:
    x = keras.Input((4,))
    y = norm()(k.Dense(4, name="dense")(x))
    return keras.Model(x, k.Add(name="add")([y, norm(name="other")(x)]), name="inner")


MODELS: dict[str, Callable[[], keras.Model]] = {
    "plain": lambda: around((5, 4), steps(norm())),
    "open length": lambda: around((None, 4), steps(norm())),
    "one step": lambda: around((1, 4), steps(norm())),
    "bare": lambda: around((5, 4), steps(norm(scale=False, center=False))),
    "no scale": lambda: around((5, 4), steps(norm(scale=False))),
    "no center": lambda: around((5, 4), steps(norm(center=False))),
    "no epsilon": lambda: around((5, 4), steps(norm(epsilon=0.0))),
    "rows": lambda: around((3, 5, 4), steps(norm())),
    "rows, other axis": lambda: around((3, 5, 4), steps(norm(axis=1))),
    "images": lambda: around((3, 4, 5, 2), steps(norm())),
    "volumes": lambda: around((2, 3, 2, 3, 2), steps(norm())),
    "frozen": lambda: around((5, 4), steps(norm(trainable=False))),
    "masked": lambda: around((5, 4), steps(norm()), k.Masking(name="mask")),
    "masked rows": lambda: around((3, 5, 4), steps(norm()), k.Masking(name="mask")),
    "masked, a model": lambda: around((5, 4), steps(stack((4,), k.Dense(4, name="d"), norm())), k.Masking(name="mask")),
    "masked, merged": lambda: around((5, 4), steps(merged()), k.Masking(name="mask")),
    "masked, deep": lambda: around((5, 4), steps(stack((4,), merged(), norm())), k.Masking(name="mask")),
    "masked rows, a model": lambda: around((3, 5, 4), steps(stack((5, 4), norm())), k.Masking(name="mask")),
    "masked in one call": masked_in_one_call,
    "twice around": lambda: around((3, 5, 4), steps(steps(norm(), "inner"))),
    "a model": lambda: around((5, 4), steps(stack((4,), k.Dense(4, name="dense"), norm()))),
    "a model, open length": lambda: around((None, 4), steps(stack((4,), k.Dense(4, name="dense"), norm()))),
    "a model of images": lambda: around((3, 4, 5, 2), steps(stack((4, 5, 2), k.Conv2D(3, 2, name="conv"), norm()))),
    "a model in a model": lambda: around((5, 4), steps(stack((4,), norm(), stack((4,), norm(name="b"), name="c")))),
    "steps in steps": lambda: around((3, 5, 4), steps(stack((5, 4), steps(norm(), "each"), norm(name="other")))),
    "branches": lambda: around((5, 4), steps(branches())),
    "called twice": called_twice,
}  # fmt: skip


def data(model: keras.Model, batch: int = BATCH) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, *(n or 6 for n in model.input_shape[1:]))).astype("float32")
    if any(layer.name == "mask" for layer in model.layers):
        x[0, 1:] = 0.0
        x[-1, 2] = 0.0
    y = rng.standard_normal(model(x).shape).astype("float32")
    return x, y


@pytest.mark.parametrize("batch", [BATCH, 1])
@pytest.mark.parametrize("kind", MODELS)
def test_batch_normalization_takes_its_statistics_step_by_step(kind: str, batch: int) -> None:
    theirs = MODELS[kind]()
    ours = model_from_json(theirs.to_json())
    ours.set_weights(randomize(theirs))
    x, y = data(theirs, batch)
    expected, found = theirs(x, training=True), ours(x, training=True)
    np.testing.assert_allclose(found.detach().numpy(), expected.detach().numpy(), rtol=1e-4, atol=1e-5)
    for model in (ours, theirs):
        model.compile("sgd", "mse")
    for _ in range(3):
        losses = [model.train_on_batch(x, y) for model in (ours, theirs)]
        np.testing.assert_allclose(*losses, rtol=1e-4)
        for weight, a, b in zip(theirs.weights, ours.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-5, err_msg=weight.path)
    np.testing.assert_allclose(ours.predict(x, verbose=0), theirs.predict(x, verbose=0), rtol=1e-4, atol=1e-4)


def at_every_step_and_alone(n: Any) -> Any:
    x = n.Input((5, 4), name="x")
    normed = n.L.BatchNormalization(momentum=0.7, name="norm")
    inner = n.Sequential([n.Input((4,), name="y"), normed, n.L.Dense(4, name="dense")], name="inner")
    y = n.L.GlobalAveragePooling1D(name="mean")(n.L.TimeDistributed(inner, name="steps")(x))
    return n.Model(x, n.L.Add(name="sum")([y, inner(n.L.GlobalMaxPooling1D(name="most")(x))]))


def test_a_model_alone_has_one_batch_whose_statistics_are_its_own() -> None:
    theirs, ours = at_every_step_and_alone(THEIRS), at_every_step_and_alone(OURS)
    ours.set_weights(randomize(theirs))
    x, y = data(theirs)
    for model in (ours, theirs):
        model.compile("sgd", "mse")
    for _ in range(2):
        np.testing.assert_allclose(ours.train_on_batch(x, y), theirs.train_on_batch(x, y), rtol=1e-4)
        for weight, a, b in zip(theirs.weights, ours.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-5, err_msg=weight.path)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float64"])
def test_policies_keep_the_steps_apart(policy: str) -> None:
    theirs = around((5, 4), steps(norm(dtype=policy)))
    ours = model_from_json(theirs.to_json())
    ours.set_weights(randomize(theirs))
    x, y = data(theirs)
    for model in (ours, theirs):
        model.compile("sgd", "mse")
        model.train_on_batch(x, y)
    for weight, a, b in zip(theirs.weights, ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-2, atol=2e-2, err_msg=weight.path)


@pytest.mark.parametrize("kind", MODELS)
def test_the_source_tells_the_steps_apart_too(kind: str) -> None:
    theirs = MODELS[kind]()
    ours = model_from_json(theirs.to_json())
    ours.set_weights(randomize(theirs))
    x, _ = data(theirs)
    built = ours._ensure_built()
    space: dict[str, Any] = {"__name__": "emitted"}
    exec(compile(emit(built.lowered), "emitted", "exec"), space)
    twin = space[type(built.module).__name__]().train()
    twin.load_state_dict(built.module.state_dict())
    module = built.module.train()
    torch.testing.assert_close(twin(torch.from_numpy(x)), module(torch.from_numpy(x)))
    for (name, a), (_, b) in zip(twin.named_buffers(), module.named_buffers(), strict=True):
        torch.testing.assert_close(a, b, msg=name)


@pytest.mark.parametrize("power_iterations", [1, 2])
@pytest.mark.parametrize(
    ("shape", "inner"),
    [
        ((5, 4), lambda: k.Dense(3, activation="tanh", name="inner")),
        ((None, 4), lambda: k.Dense(3, name="inner")),
        ((3, 5, 4), lambda: k.Conv1D(3, 2, strides=2, padding="same", name="inner")),
        ((3, 4, 5, 2), lambda: k.Conv2DTranspose(3, 2, name="inner")),
    ],
)
def test_spectral_normalization_divides_its_kernel_step_by_step(
    shape: tuple[int | None, ...], inner: Callable[[], keras.Layer], power_iterations: int
) -> None:
    layer = k.SpectralNormalization(inner(), power_iterations=power_iterations, name="norm")
    x = keras.Input(shape, name="x")
    theirs = keras.Model(x, steps(layer)(x))
    ours = model_from_json(theirs.to_json())
    ours.set_weights(randomize(theirs))
    data_, _ = data(theirs)
    expected, found = theirs(data_, training=True), ours(data_, training=True)
    np.testing.assert_allclose(found.detach().numpy(), expected.detach().numpy(), rtol=1e-5, atol=1e-6)
    for weight, a, b in zip(theirs.weights, ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6, err_msg=weight.path)
    np.testing.assert_allclose(ours.predict(data_, verbose=0), theirs.predict(data_, verbose=0), rtol=1e-5, atol=1e-6)


def test_the_gradient_of_a_normalized_kernel_is_all_steps() -> None:
    """Keras on torch cannot tell: it changes the kernel under its own backward pass."""
    torch.manual_seed(0)
    whole, each = (SpectralNorm(torch.nn.Linear(3, 2), 2, axes=(1, 0)).train() for _ in range(2))
    each.load_state_dict(whole.state_dict())
    x = torch.randn(4, 5, 3)
    whole(x.flatten(0, 1), steps=5).square().sum().backward()
    for t in range(5):
        each(x[:, t]).square().sum().backward()
    for a, b in zip(whole.parameters(), each.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad)
        torch.testing.assert_close(a, b)


NOISES = [(None, 4), (1, 4), (1, 1), (1, None), (BATCH, 4), (BATCH, 1), (12, 1), (2, 1)]


def noisy(noise: tuple[int | None, ...], kind: str, name: str, batch: int | None) -> keras.Model:
    layer = getattr(k, name)(0.5, noise_shape=noise, name="noise")
    if kind == "model":
        layer = stack((4,), layer)
    elif kind == "model in model":
        layer = stack((4,), stack((4,), layer, name="deep"))
    x = keras.Input((3, 4), batch_size=batch, name="x")
    return keras.Model(x, steps(layer)(x))


@pytest.mark.parametrize("batch", [None, BATCH])
@pytest.mark.parametrize("name", ["Dropout", "AlphaDropout"])
@pytest.mark.parametrize("kind", ["layer", "model", "model in model"])
@pytest.mark.parametrize("noise", NOISES)
def test_noise_is_drawn_at_every_step(noise: tuple[int | None, ...], kind: str, name: str, batch: int | None) -> None:
    """It is refused where Keras cannot compute it, shared by the samples that share it there, and by no two steps."""
    x = np.ones((BATCH, 3, 4), "float32")
    try:
        theirs = noisy(noise, kind, name, batch)
        theirs(x, training=True)
    except Exception:
        theirs = None
    document = noisy(noise, kind, name, None).to_json()
    if batch is not None:
        document = document.replace('"batch_shape": [null, 3, 4]', f'"batch_shape": [{batch}, 3, 4]')
    report = validate_text(document)
    assert report.ok == (theirs is not None or batch is None), str(report)
    if not report.ok:
        assert f"{name}'s noise_shape" in str(report)
        return
    ours = model_from_json(document)
    if theirs is None:
        with pytest.raises(Exception, match=r"size|noise_shape"):
            ours(x, training=True)
        return
    for model in (ours, theirs):
        draws = np.stack([model(x, training=True).detach().numpy() for _ in range(60)])
        along = [bool((draws == np.roll(draws, 1, axis)).all()) for axis in (1, 2, 3)]
        assert along == [noise[0] == 1, False, noise[1] == 1]
        assert 0.3 < (draws == draws.max()).mean() < 0.7


@pytest.mark.parametrize("kind", ["layer", "model"])
def test_keras_2_takes_all_steps_as_one_batch(kind: str) -> None:
    inner: Any = {"class_name": "BatchNormalization", "config": {"name": "norm", "momentum": 0.5}}
    if kind == "model":
        source = {"class_name": "InputLayer", "config": {"batch_input_shape": [None, 4], "name": "y"}}
        inner = {"class_name": "Sequential", "config": {"name": "inner", "layers": [source, inner]}}
    config = {"name": "steps", "layer": inner, "batch_input_shape": [None, 5, 4]}
    document = {"class_name": "Sequential", "keras_version": "2.15.0"}
    document["config"] = {"name": "m", "layers": [{"class_name": "TimeDistributed", "config": config}]}
    model = Model.from_spec(parse_spec(json.dumps(document)))
    x = np.random.default_rng(0).standard_normal((BATCH, 5, 4)).astype("float32")
    y = model(x, training=True).detach().numpy()
    flat = x.reshape(-1, 4)
    np.testing.assert_allclose(
        y.reshape(-1, 4), (flat - flat.mean(0)) / np.sqrt(flat.var(0) + 1e-3), rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(model.get_weights()[2], flat.mean(0) / 2, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "inner", ["LSTM: {units: 2, stateful: true}", "Bidirectional: {layer: {GRU: {units: 2, stateful: true}}}"]
)
@pytest.mark.parametrize("as_model", [False, True])
def test_states_that_would_go_from_step_to_step_are_refused(inner: str, as_model: bool) -> None:
    """As they do in Keras, which takes one step after another."""
    models = (
        f"models: {{m: {{inputs: {{a: {{shape: [5, 4], batch_size: 2}}}}, layers: [{{{inner}}}]}}}}\n"
        if as_model
        else ""
    )
    layer = "m" if as_model else f"{{{inner}}}"
    text = (
        f"{models}inputs: {{x: {{shape: [3, 5, 4], batch_size: 2}}}}\nlayers: [{{TimeDistributed: {{layer: {layer}}}}}]"
    )
    assert "which is stateful, would go from step to step [SC" in str(validate_text(text))
