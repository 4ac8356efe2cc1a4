"""Models inside that leave lengths open, called where these are known: shapes and results against Keras."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import pytest
from keras import layers as k

from spec_compiler import validate_text
from spec_compiler.codegen import emit
from spec_compiler.models import model_from_json
from tests.models.oracle import check_model

pytestmark = [pytest.mark.filterwarnings("ignore::UserWarning")]


def sequences(name: str = "inner") -> keras.Model:
    return keras.Sequential([keras.Input((None, 4)), k.Conv1D(3, 3, strides=2, padding="same", name="conv")], name=name)


def images() -> keras.Model:
    x = keras.Input((None, None, 2))
    y = k.Conv2D(3, (2, 3), name="conv")(k.ZeroPadding2D(1, name="pad")(x))
    return keras.Model(x, [y, k.AveragePooling2D(2, name="pool")(x)], name="inner")


def flattened() -> keras.Model:
    x = keras.Input((7, 4))
    return keras.Model(x, k.Dense(2, name="end")(k.Flatten(name="flat")(sequences()(x))))


def called_on_two_lengths() -> keras.Model:
    x, y, inner = keras.Input((7, 4)), keras.Input((5, 4)), sequences()
    z = k.Concatenate(axis=1, name="both")([inner(x), inner(y)])
    return keras.Model([x, y], k.Dense(2, name="end")(k.Flatten(name="flat")(z)))


def known_and_open() -> keras.Model:
    x, y, inner = keras.Input((None, 4)), keras.Input((6, 4)), sequences()
    z = [k.GlobalMaxPooling1D(name="most")(inner(x)), k.Dense(3, name="end")(k.Flatten(name="flat")(inner(y)))]
    return keras.Model([x, y], k.Add(name="sum")(z))


def two_deep() -> keras.Model:
    middle = keras.Sequential([keras.Input((None, 4)), sequences("deep"), k.UpSampling1D(2, name="up")], name="middle")
    x = keras.Input((6, 4))
    return keras.Model(x, k.Dense(2, name="end")(k.Reshape((-1, 2), name="shape")(middle(x))))


def two_outputs() -> keras.Model:
    x = keras.Input((5, 6, 2))
    outputs = [k.Flatten(name=f"flat_{i}")(y) for i, y in enumerate(images()(x))]
    return keras.Model(x, [k.Dense(2, name=f"end_{i}")(y) for i, y in enumerate(outputs)])


def at_every_step() -> keras.Model:
    x = keras.Input((3, 7, 4))
    y = k.TimeDistributed(sequences(), name="steps")(x)
    return keras.Model(x, k.Dense(2, name="end")(k.Flatten(name="flat")(y)))


def of_a_batch() -> keras.Model:
    x = keras.Input((7, 4), batch_size=2)
    return keras.Model(x, k.Dense(2, name="end")(k.Flatten(name="flat")(sequences()(x))))


MODELS = [flattened, called_on_two_lengths, known_and_open, two_deep, two_outputs, at_every_step, of_a_batch]


@pytest.mark.parametrize("build", MODELS, ids=lambda f: f.__name__)
def test_a_model_inside_is_for_the_lengths_it_is_called_on(build: Callable[[], keras.Model]) -> None:
    theirs = build()
    rng = np.random.default_rng(0)
    shapes = [[2 if i == 0 else n or 9 for i, n in enumerate(tensor.shape)] for tensor in theirs.inputs]
    ours = check_model(theirs, [rng.standard_normal(shape).astype("float32") for shape in shapes])
    for layer in theirs.layers:
        if not isinstance(layer, keras.Model):
            assert _shapes(ours.get_layer(layer.name).output) == _shapes(layer.output), layer.name
    emit(ours._ensure_built().lowered)
    again = keras.models.model_from_json(model_from_json(ours.to_json()).to_json())
    assert again.output_shape == theirs.output_shape


def _shapes(outputs: object) -> list[tuple[int | None, ...]]:
    return [tuple(one.shape) for one in (outputs if isinstance(outputs, list) else [outputs])]  # type: ignore[attr-defined]


@pytest.mark.parametrize("item", ["m", "{TimeDistributed: {layer: m}}"])
def test_a_length_that_a_model_inside_cannot_take_is_told(item: str) -> None:
    model = "m: {inputs: {y: [null, 4]}, layers: [{Conv1D: {filters: 2, kernel_size: 3}, name: conv}]}"
    inner = keras.Sequential([keras.Input((None, 4)), k.Conv1D(2, 3)])
    for length in (3, 2):
        steps = [5] if "Time" in item else []
        report = validate_text(f"inputs: {{x: {[*steps, length, 4]}}}\nlayers: [{item}]\nmodels: {{{model}}}")
        assert report.ok == (length == 3)
        assert report.ok or "layer 'conv': a window of 3 does not fit an axis of length 2 [SC" in str(report)
        if length == 2:
            with pytest.raises(ValueError, match="zero or negative"):
                (k.TimeDistributed(inner) if steps else inner)(keras.Input((*steps, length, 4)))
