"""`copy.deepcopy` and `pickle` of a model, as Keras's models have them: a model of its own that goes on where the other is."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from spec_compiler import Input, Model, layers, losses, metrics, optimizers
from spec_compiler.models import Sequential, model_from_json
from spec_compiler.specs.schedules import ExponentialDecay

X = np.random.default_rng(0).standard_normal((16, 3, 4)).astype("float32")
Y = X[:, 0, :2]


def shared() -> Model:
    x, norm, dense = Input((3, 4)), layers.BatchNormalization(), layers.Dense(4)
    y = norm(dense(norm(dense(x))))
    return Model(x, layers.Dense(2)(layers.GRU(3)(y)))


def nested() -> Model:
    x = Input((3, 4))
    inner = Model(x, layers.Dense(2, kernel_regularizer="l2")(layers.Flatten()(x)), name="inner")
    y = Input((3, 4))
    return Model(y, inner(y))


def frozen() -> Model:
    x = Input((3, 4))
    return Model(x, layers.Dense(2)(layers.Flatten()(layers.BatchNormalization(trainable=False)(x))))


def without_a_shape() -> Model:
    return Sequential([layers.Flatten(), layers.Dense(2)])


def error(y_true: Any, y_pred: Any) -> Any:
    return (y_true - y_pred).square().mean(-1)


COMPILED: list[dict[str, Any]] = [
    {"optimizer": "adam", "loss": "mse", "metrics": ["mae"]},
    {"optimizer": optimizers.SGD(ExponentialDecay(0.1, 2, 0.5), momentum=0.9), "loss": losses.Huber()},
    {"optimizer": optimizers.AdamW(0.01), "loss": error, "metrics": [metrics.MeanAbsoluteError(name="far")]},
]
COPIED = [copy.deepcopy, copy.copy, lambda model: pickle.loads(pickle.dumps(model))]


@pytest.mark.parametrize("make", [shared, nested, frozen, without_a_shape])
@pytest.mark.parametrize("arguments", COMPILED, ids=["adam", "schedule", "function"])
@pytest.mark.parametrize("copied", COPIED, ids=["deepcopy", "copy", "pickle"])
def test_a_copy_goes_on_as_the_model_does_and_apart_from_it(make: Any, arguments: Any, copied: Any) -> None:
    model = make()
    model.compile(**arguments)
    model.fit(X, Y, epochs=2, batch_size=4, shuffle=False, verbose=0)
    other = copied(model)
    assert type(other) is type(model)
    assert other.name == model.name
    weights = model.get_weights()
    histories = [m.fit(X, Y, epochs=2, batch_size=4, shuffle=False, verbose=0).history for m in (other, model)]
    assert histories[0] == histories[1]
    assert any((a != b).any() for a, b in zip(weights, model.get_weights(), strict=True))
    for a, b in zip(other.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    other.set_weights([np.zeros_like(weight) for weight in weights])
    assert any(weight.any() for weight in model.get_weights())
    assert not any(weight.any() for layer in other.layers for weight in layer.get_weights())


@pytest.mark.parametrize("copied", COPIED, ids=["deepcopy", "copy", "pickle"])
def test_a_copy_keeps_what_a_file_of_an_older_keras_means(copied: Any) -> None:
    """As the order of weights, in which those of a frozen layer then come last."""
    x = Input((4,))
    norm = layers.BatchNormalization()
    document = Model(x, layers.Dense(2)(norm(layers.Dense(4, trainable=False)(x)))).to_json("keras2")
    model = model_from_json(document)
    shapes = [weight.shape for weight in model.get_weights()]
    assert [weight.shape for weight in copied(model).get_weights()] == shapes
    assert copied(model).to_json() == model.to_json()


def test_a_copy_has_the_weights_of_a_model_that_never_ran() -> None:
    model = shared()
    np.testing.assert_array_equal(copy.deepcopy(model).predict(X, verbose=0), model.predict(X, verbose=0))


def test_a_model_without_a_shape_is_copied_without_weights() -> None:
    other = copy.deepcopy(without_a_shape())
    assert not other.built
    assert other.predict(X, verbose=0).shape == (16, 2)


@pytest.mark.parametrize("copied", [COPIED[0], COPIED[2]], ids=["deepcopy", "pickle"])
@pytest.mark.parametrize("make", [lambda: layers.Dense(4), lambda: layers.TimeDistributed(layers.Dense(4))])
def test_a_copied_layer_is_one_without_calls_and_weights(copied: Any, make: Any) -> None:
    layer, x = make(), Input((3, 4))
    model = Model(x, layer(x))
    weights = model.get_weights()
    other = copied(layer)
    assert other.get_config() == layer.get_config()
    assert not other.built
    twin = Model(x, other(x))
    twin.compile("sgd", "mse")
    twin.fit(X, X, verbose=0)
    assert len(other.get_weights()) == len(weights)
    for a, b in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("copied", COPIED, ids=["deepcopy", "copy", "pickle"])
@pytest.mark.parametrize("make", [shared, nested, frozen])
def test_a_copied_spec_is_the_model_without_weights(copied: Any, make: Any) -> None:
    model = make()
    model.predict(X, verbose=0)
    other = Model.from_spec(copied(model.spec))
    assert other.to_json() == model.to_json()
    other.set_weights(model.get_weights())
    np.testing.assert_array_equal(other.predict(X, verbose=0), model.predict(X, verbose=0))
