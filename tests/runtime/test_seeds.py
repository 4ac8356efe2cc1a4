"""One seed makes a run: weights, order and dropout come out the same, and otherwise do not."""

from __future__ import annotations

import random

import numpy as np
import pytest
from safetensors.torch import load_file

from spec_compiler import Input, Sequential, layers, load_model, set_random_seed

X, Y = np.random.default_rng(0).normal(size=(64, 6)), np.random.default_rng(1).normal(size=(64, 1))


def trained(seed: int, **fit: object) -> list[np.ndarray]:
    set_random_seed(seed)
    model = Sequential([Input((6,)), layers.Dense(8), layers.GaussianNoise(0.1), layers.Dropout(0.5), layers.Dense(1)])
    model.compile("adam", "mse")
    model.fit(X, Y, epochs=2, verbose=0, **fit)
    return model.get_weights()


def same(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return all(np.array_equal(one, other) for one, other in zip(a, b, strict=True))


@pytest.mark.parametrize("fit", [{}, {"shuffle": False}, {"validation_split": 0.25}, {"batch_size": 7}])
def test_same_seed_same_weights(fit):
    first = trained(3, **fit)
    assert same(first, trained(3, **fit))
    assert not same(first, trained(4, **fit))


def test_equal_trainings_are_saved_as_equal_bytes(tmp_path):
    saved = set()
    for i in range(6):
        set_random_seed(3)
        model = Sequential([Input((6,), name="x"), layers.Dense(3, name="å"), layers.Dense(1, name="b")], name="m")
        model.compile("adam", "mse")
        model.fit(X, Y, verbose=0)
        model.save(tmp_path / f"{i}.safetensors")
        saved.add((tmp_path / f"{i}.safetensors").read_bytes())
    assert len(saved) == 1
    assert same(load_model(tmp_path / "0.safetensors").get_weights(), model.get_weights())
    assert set(load_file(tmp_path / "0.safetensors")) == set(model.module.state_dict())


def test_evaluating_between_draws_nothing():
    set_random_seed(3)
    model = Sequential([Input((6,)), layers.Dropout(0.5), layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)
    expected = model.get_weights()
    set_random_seed(3)
    again = Sequential([Input((6,)), layers.Dropout(0.5), layers.Dense(1)])
    again.compile("sgd", "mse")
    again.predict(X, verbose=0)
    again.evaluate(X, Y, verbose=0)
    again.fit(X, Y, verbose=0, validation_data=(X, Y))
    assert same(expected, again.get_weights())


def test_python_and_numpy_are_seeded_too():
    set_random_seed(5)
    first = random.random(), np.random.random()
    set_random_seed(5)
    assert first == (random.random(), np.random.random())
