"""Training on a GPU, held to the CPU: losses and weights, half precision, no waiting within an epoch, weights that were moved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spec_compiler import Input, layers, load_model, set_random_seed
from spec_compiler.models import Model, Sequential
from spec_compiler.nn.attention import masked_attention
from spec_compiler.specs.authoring import clear_names
from tests.devices import cuda
from tests.devices.test_cuda_kernels import masked

pytestmark = [cuda.needs_cuda, pytest.mark.filterwarnings("error::UserWarning:spec_compiler")]

SAMPLES, BATCH = 96, 16
CLASSES = 5


@pytest.fixture(autouse=True)
def full_precision() -> Iterator[None]:
    with cuda.in_full_precision():
        yield


def mlp(**stated: Any) -> Model:
    return Sequential(
        [
            Input((8,)),
            layers.Dense(16, "relu", kernel_regularizer="l2", **stated),
            layers.BatchNormalization(**stated),
            layers.Dense(CLASSES, "softmax", kernel_constraint="max_norm", **stated),
        ]
    )


def cnn(**stated: Any) -> Model:
    return Sequential(
        [
            Input((9, 9, 3)),
            layers.Rescaling([0.5, 1.0, 2.0], **stated),
            layers.Conv2D(8, 4, padding="same", strides=2, activation="relu", **stated),
            layers.BatchNormalization(**stated),
            layers.MaxPooling2D(**stated),
            layers.SeparableConv2D(6, 2, **stated),
            layers.Flatten(),
            layers.Dense(CLASSES, "softmax", **stated),
        ]
    )


def lstm(**stated: Any) -> Model:
    return Sequential(
        [
            Input((7,), dtype="int64"),
            layers.Embedding(20, 6, mask_zero=True, **stated),
            layers.LSTM(8, return_sequences=True, recurrent_regularizer="l2", **stated),
            layers.Bidirectional(layers.LSTM(5, **stated), **stated),
            layers.Dense(CLASSES, "softmax", **stated),
        ]
    )


def gru(**stated: Any) -> Model:
    return Sequential(
        [
            Input((7,), dtype="int64"),
            layers.Embedding(20, 6, mask_zero=True, **stated),
            layers.GRU(8, return_sequences=True, recurrent_regularizer="l2", **stated),
            layers.GRU(8, reset_after=False, recurrent_constraint="max_norm", **stated),
            layers.Dense(CLASSES, "softmax", **stated),
        ]
    )


def steps(**stated: Any) -> Model:
    """Masks that reach the loss."""
    x = Input((7,), dtype="int64")
    h = layers.Embedding(20, 6, mask_zero=True, **stated)(x)
    h = layers.LSTM(8, return_sequences=True, activity_regularizer="l2", **stated)(h)
    return Model(x, layers.TimeDistributed(layers.Dense(CLASSES, "softmax", **stated), **stated)(h))


def transformer(**stated: Any) -> Model:
    x = Input((7,), dtype="int64")
    h = layers.Embedding(20, 8, **stated)(x)
    n = layers.LayerNormalization(**stated)(h)
    h = layers.Add(**stated)([h, layers.MultiHeadAttention(2, 4, **stated)(n, n, use_causal_mask=True)])
    n = layers.Dense(16, "gelu", **stated)(layers.LayerNormalization(**stated)(h))
    h = layers.Add(**stated)([h, layers.Dense(8, **stated)(n)])
    return Model(x, layers.Dense(CLASSES, "softmax", **stated)(layers.GlobalAveragePooling1D(**stated)(h)))


MODELS = [mlp, cnn, lstm, gru, steps, transformer]


def data(model: Model) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and class numbers that the model can learn."""
    rng = np.random.default_rng(0)
    shape = (SAMPLES, *model.input_shape[1:])
    ids = len(shape) == 2 and shape[1] == 7
    x = rng.integers(1, 20, shape) if ids else rng.standard_normal(shape).astype("float32")
    if ids:
        x[np.arange(7) >= rng.integers(2, 8, (SAMPLES, 1))] = 0
    each = len(model.output_shape) == 3
    y = x % CLASSES if each else np.abs(x.reshape(SAMPLES, -1)[:, :2].sum(1)).astype("int64") % CLASSES
    return x, y


def made(make: Callable[..., Model], **stated: Any) -> Model:
    clear_names()
    set_random_seed(1)
    model = make(**stated)
    model.build()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def close(found: Any, expected: Any, tolerance: float = 1e-3) -> None:
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("make", MODELS)
def test_fit_evaluate_and_predict_follow_the_cpu(make: Callable[..., Model]) -> None:
    here, there = made(make), made(make)
    there.module.to(cuda.NAME)
    x, y = data(here)
    histories = []
    for model in (here, there):
        set_random_seed(2)
        weights = np.linspace(0.5, 1.5, SAMPLES)
        validation = {"validation_data": (x[:20], y[:20]), "sample_weight": weights}
        histories.append(model.fit(x, y, batch_size=BATCH, epochs=3, verbose=0, **validation).history)
    assert {p.device.type for p in there.module.parameters()} == {cuda.NAME}
    for name, values in histories[0].items():
        close(histories[1][name], values)
    close(there.evaluate(x, y, verbose=0), here.evaluate(x, y, verbose=0))
    close(there.predict(x), here.predict(x))


@pytest.mark.parametrize("make", MODELS)
def test_a_model_is_moved_between_fits(make: Callable[..., Model]) -> None:
    here, moved = made(make), made(make)
    x, y = data(here)
    losses: list[list[float]] = [[], []]
    for place in ("cpu", cuda.NAME, "cpu"):
        moved.module.to(place)
        for model, found in zip((here, moved), losses, strict=True):
            found += model.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0).history["loss"]
    close(losses[1], losses[0])


@pytest.mark.parametrize("make", MODELS)
def test_no_step_waits_for_the_device(make: Callable[..., Model]) -> None:
    model = made(make)
    model.module.to(cuda.NAME)
    x, y = data(model)
    batches = model._adapt(x, y, batch_size=BATCH, shuffle=True)
    step = model._ready(train=True)
    step.module.train()
    for run in (step.train, step.test):
        for batch in batches:
            run(batch)
        coming = iter(batches)
        run(next(coming))  # the order of the samples is brought to the device
        torch.cuda.synchronize()
        torch.cuda.set_sync_debug_mode("error")
        try:
            for batch in coming:
                run(batch)
        finally:
            torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("make", MODELS)
@pytest.mark.filterwarnings("default::UserWarning")
def test_half_precision_trains(make: Callable[..., Model], policy: str) -> None:
    model = made(make, dtype=policy)
    model.module.to(cuda.NAME)
    x, y = data(model)
    loss = model.fit(x, y, batch_size=BATCH, epochs=12, verbose=0).history["loss"]
    assert np.isfinite(loss).all() and loss[-1] < loss[0]
    assert {p.dtype for p in model.module.parameters()} == {torch.float32}


@pytest.mark.parametrize("make", MODELS)
def test_weights_are_read_and_set_after_a_move(make: Callable[..., Model], tmp_path: Path) -> None:
    model = made(make)
    model.module.to(cuda.NAME)
    x, y = data(model)
    model.fit(x, y, batch_size=BATCH, verbose=0)
    trained, expected = model.get_weights(), model.predict(x)
    model.save(tmp_path / "model.safetensors")
    model.save_weights(tmp_path / "weights.safetensors")
    fresh = made(make)
    fresh.set_weights(trained)
    close(fresh.predict(x), expected, 1e-4)
    close(load_model(tmp_path / "model.safetensors").predict(x), expected, 1e-4)
    fresh.set_weights([np.zeros_like(w) for w in trained])
    fresh.module.to(cuda.NAME)
    fresh.load_weights(tmp_path / "weights.safetensors")
    close(fresh.predict(x), expected, 1e-6)
    fresh.set_weights([np.ones_like(w) for w in trained])
    assert all((w == 1).all() for w in fresh.get_weights())
    fresh.set_weights(trained)
    close(fresh.predict(x), expected, 1e-6)


@pytest.mark.parametrize("make", [mlp, cnn, transformer])
def test_exports_run_on_the_gpu(make: Callable[..., Model], tmp_path: Path) -> None:
    model = made(make)
    model.module.to(cuda.NAME)
    model.export(tmp_path / "model.pt2")
    x, _ = data(model)
    program = torch.export.load(tmp_path / "model.pt2").module()
    with torch.no_grad():
        found = program(torch.as_tensor(x, device=cuda.NAME))
    close(found.cpu().numpy(), model.predict(x), 1e-4)


@pytest.mark.parametrize("layer", [layers.LSTM, layers.GRU, layers.SimpleRNN])
def test_states_may_be_parts_of_other_tensors(layer: Any) -> None:
    x = Input((5, 4))
    model = Model(x, layer(4)(x, initial_state=[x[:, 0]] * (1 + (layer is layers.LSTM))))
    given = np.random.default_rng(0).standard_normal((3, 5, 4))
    expected = model.predict(given)
    model.module.to(cuda.NAME)
    close(model.predict(given), expected, 1e-5)


def test_states_are_moved() -> None:
    given = {"stateful": True, "return_sequences": True}
    made_twice = []
    for place in ("cpu", cuda.NAME):
        set_random_seed(0)
        model = Sequential([Input(batch_shape=(4, 5, 3)), layers.LSTM(6, **given), layers.GRU(4, **given)])
        model.module.to(place)
        x = np.random.default_rng(0).standard_normal((4, 5, 3))
        found = [model.predict(x, batch_size=4) for _ in range(2)]
        model.reset_states()
        made_twice.append([*found, model.predict(x, batch_size=4)])
    for a, b in zip(*made_twice, strict=True):
        close(b, a, 1e-5)
    assert np.abs(made_twice[0][0] - made_twice[0][1]).max() > 1e-3


@pytest.mark.parametrize("make", [mlp, cnn, lstm, transformer])
def test_compiled_modules_train(make: Callable[..., Model]) -> None:
    eager, compiled = made(make), made(make)
    compiled.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=True)
    x, y = data(eager)
    losses = []
    for model in (eager, compiled):
        model.module.to(cuda.NAME)
        losses.append(model.fit(x, y, batch_size=BATCH, shuffle=False, epochs=2, verbose=0).history["loss"])
    close(losses[1], losses[0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_compiled_attention_has_right_gradients_in_rows_masked_whole(dtype: torch.dtype) -> None:
    expected = masked(dtype, "cpu")
    for what, y in masked(dtype, cuda.NAME, torch.compile(masked_attention, fullgraph=True)).items():
        cuda.assert_close(y, expected[what].to(dtype), what)
