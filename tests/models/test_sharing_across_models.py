"""Layers of models that are built one after the other, alone in one and inside another layer in the next, against Keras."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.models.oracle import randomize
from tests.models.test_sharing import OURS, THEIRS, arrays
from tests.models.test_trainable import listed

Around = Callable[[Any, Any], Any]
"""Makes a model of a layer, with the layers and models of either library."""


def alone(n: Any, layer: Any) -> Any:
    x = n.Input((4,))
    return n.Model(x, layer(x))


def over_steps(n: Any, layer: Any) -> Any:
    x = n.Input((5, 4))
    return n.Model(x, layer(x))


def at_every_step(n: Any, layer: Any) -> Any:
    return over_steps(n, n.L.TimeDistributed(layer))


def at_steps_of_steps(n: Any, layer: Any) -> Any:
    x = n.Input((2, 5, 4))
    return n.Model(x, n.L.TimeDistributed(n.L.TimeDistributed(layer))(x))


def normalized(n: Any, layer: Any) -> Any:
    x = n.Input((4,))
    return n.Model(x, n.L.SpectralNormalization(layer)(x))


def in_a_model(n: Any, layer: Any) -> Any:
    return n.Sequential([n.Input((4,)), n.L.Dense(4), layer])


def in_a_model_at_every_step(n: Any, layer: Any) -> Any:
    return at_every_step(n, n.Sequential([n.Input((4,)), n.L.Dense(4), layer]))


def run_by(n: Any, cell: Any) -> Any:
    return over_steps(n, n.L.RNN(cell))


def run_backwards_by(n: Any, cell: Any) -> Any:
    return over_steps(n, n.L.RNN(cell, go_backwards=True, return_sequences=True))


def run_first_by(n: Any, cell: Any) -> Any:
    return over_steps(n, n.L.RNN([cell, n.L.GRUCell(2)]))


def both_ways(n: Any, layer: Any) -> Any:
    return over_steps(n, n.L.Bidirectional(n.L.RNN(layer, return_sequences=True)))


def dense(n: Any) -> Any:
    return n.L.Dense(3, activation="tanh", kernel_regularizer="l2")


def norm(n: Any) -> Any:
    return n.L.BatchNormalization(trainable=False)


def cell(n: Any) -> Any:
    return n.L.LSTMCell(3)


CASES: list[tuple[Callable[[Any], Any], Around, Around]] = [
    (dense, alone, at_every_step), (dense, at_every_step, alone), (dense, alone, at_steps_of_steps),
    (dense, alone, normalized), (dense, at_every_step, normalized), (dense, in_a_model, at_every_step),
    (dense, in_a_model_at_every_step, alone), (dense, at_every_step, in_a_model_at_every_step),
    (norm, alone, in_a_model_at_every_step), (norm, in_a_model_at_every_step, alone),
    (cell, run_by, run_backwards_by), (cell, run_by, run_first_by), (cell, run_first_by, run_by),
]  # fmt: skip


def named(value: Any) -> str:
    return value.__name__


def in_both(make: Callable[[Any], Any], first: Around, then: Around) -> tuple[list[Any], list[Any]]:
    """The two models that one layer stands in, of Keras and of ours, the second made once the first has its weights."""
    found = []
    values: list[Any] = []
    for n in (THEIRS, OURS):
        layer = make(n)
        before = first(n, layer)
        values = values or randomize(before)
        before.set_weights(values)
        found.append([before, then(n, layer)])
    return found[0], found[1]


def assert_alike(ours: Any, theirs: Any) -> None:
    for weight, a, b in zip(theirs.weights, ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5, err_msg=weight.path)
    x = arrays(theirs)
    expected = theirs(x, training=False).detach().numpy()
    np.testing.assert_allclose(ours.predict(x, verbose=0), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("make", "first", "then"), CASES, ids=named)
def test_a_layer_has_its_weights_wherever_it_stands_next(make: Any, first: Around, then: Around) -> None:
    theirs, ours = in_both(make, first, then)
    for a, b in zip(ours, theirs, strict=True):
        assert listed(a.weights) == listed(b.weights)
    kept = {id(w.value) for w in theirs[0].weights}
    values = zip(theirs[1].weights, theirs[1].get_weights(), ours[1].get_weights(), strict=True)
    shared = [(a, b) for weight, b, a in values if id(weight.value) in kept]
    assert shared
    for a, b in shared:
        np.testing.assert_array_equal(a, b)
    ours[1].set_weights(theirs[1].get_weights())
    for model in (*ours, *theirs):
        model.compile("sgd", "mse")
    for i in (1, 0, 1):
        x = arrays(theirs[i])
        y = np.ones(theirs[i](x).shape)
        np.testing.assert_allclose(ours[i].train_on_batch(x, y), theirs[i].train_on_batch(x, y), rtol=1e-5)
        for a, b in zip(ours, theirs, strict=True):
            assert_alike(a, b)


@pytest.mark.parametrize(("make", "around"), [
    (dense, alone), (dense, at_every_step), (dense, at_steps_of_steps), (dense, normalized), (dense, in_a_model),
    (dense, in_a_model_at_every_step), (norm, at_every_step), (cell, run_by), (cell, run_first_by),
], ids=named)  # fmt: skip
def test_a_layer_inside_another_knows_its_weights(make: Callable[[Any], Any], around: Around) -> None:
    layers = [make(n) for n in (THEIRS, OURS)]
    theirs, ours = (around(n, layer) for n, layer in zip((THEIRS, OURS), layers, strict=True))
    ours.set_weights(randomize(theirs))
    theirs_inner, ours_inner = layers
    assert ours_inner.built
    assert ours_inner.count_params() == theirs_inner.count_params()
    for a, b in zip(ours_inner.get_weights(), theirs_inner.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    for inner in layers:
        inner.set_weights([w + 1 for w in inner.get_weights()])
    assert_alike(ours, theirs)


def test_the_layer_given_to_bidirectional_keeps_its_weights_to_itself() -> None:
    """Keras runs copies of it."""
    theirs, ours = in_both(cell, run_by, both_ways)
    assert [w.shape for w in ours[1].get_weights()] == [w.shape for w in theirs[1].get_weights()]
    for model in (theirs, ours):
        assert not np.array_equal(model[1].get_weights()[0], model[0].get_weights()[0])
    ours[1].set_weights(randomize(theirs[1]))
    for a, b in zip(ours, theirs, strict=True):
        assert_alike(a, b)


def test_both_directions_know_their_weights() -> None:
    theirs, ours = (over_steps(n, n.L.Bidirectional(n.L.LSTM(3), name="both")) for n in (THEIRS, OURS))
    ours.set_weights(randomize(theirs))
    for name in ("forward_layer", "backward_layer"):
        pairs = (getattr(model.get_layer("both"), name).get_weights() for model in (ours, theirs))
        for a, b in zip(*pairs, strict=True):
            np.testing.assert_array_equal(a, b)
