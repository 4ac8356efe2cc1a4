"""A layer that stands in several places has one set of moving statistics, wherever the modules are moved."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from spec_compiler import Input, Model, layers

X = np.random.default_rng(0).standard_normal((8, 3, 4)).astype("float32")


def in_two_wrappers() -> list[Model]:
    layer, x = layers.BatchNormalization(), Input((3, 4))
    return [Model(x, layers.TimeDistributed(layer)(layers.TimeDistributed(layer)(x)))]


def in_a_wrapper_and_beside() -> list[Model]:
    layer, x = layers.BatchNormalization(), Input((3, 4))
    return [Model(x, layers.TimeDistributed(layer)(layer(x)))]


def in_two_models() -> list[Model]:
    """In one of them under a mask, so that it is another module over the same statistics."""
    layer, x, y = layers.BatchNormalization(), Input((3, 4)), Input((3, 4))
    return [Model(x, layer(x)), Model(y, layer(layers.Masking()(y)))]


@pytest.mark.parametrize("make", [in_two_wrappers, in_a_wrapper_and_beside, in_two_models])
def test_statistics_stay_shared_when_a_module_is_moved(make) -> None:
    found = []
    for moved in (False, True):
        models = make()
        for model in models:
            model.build()
        for model in models if moved else ():
            model.module.double().float()  # it has other buffers then, as on another device
        models[0].compile("sgd", "mse")
        models[0].fit(X, X, epochs=2, shuffle=False, verbose=0)
        found.append([*models[0].get_weights(), *(model.predict(X) for model in models)])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))])
def test_statistics_stay_shared_in_a_copy(copied) -> None:
    (model,) = in_two_wrappers()
    module = copied(model.module).double()
    first, second = (t for name, t in module.named_buffers(remove_duplicate=False) if name.endswith("running_mean"))
    assert first is second
