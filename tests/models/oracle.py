"""One check of a whole model against Keras: its JSON read here, its weights taken over, everything compared."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from spec_compiler.models import Model, model_from_json

RTOL, ATOL = 1e-5, 1e-6


def randomize(keras_model: Any, seed: int = 0) -> list[np.ndarray]:
    """Give every weight of a Keras model a random value, variances a positive one; the values."""
    rng = np.random.default_rng(seed)
    values = []
    for weight in keras_model.weights:
        value = rng.normal(scale=0.5, size=weight.shape)
        values.append((np.abs(value) + 0.5 if "variance" in weight.path else value).astype("float32"))
    keras_model.set_weights(values)
    return values


def check_model(keras_model: Any, inputs: list[np.ndarray], seed: int = 0) -> Model:
    """Hold the model read from `keras_model.to_json()` to the Keras model: shapes, weights, outputs, gradients."""
    values = randomize(keras_model, seed)
    model = model_from_json(keras_model.to_json())
    assert model.count_params() == keras_model.count_params()
    assert [tuple(t.shape) for t in model.outputs] == [tuple(t.shape) for t in keras_model.outputs]
    assert [w.variable.shape for w in model.weights] == [tuple(w.shape) for w in keras_model.weights]
    model.set_weights(values)
    for ours, theirs in zip(model.get_weights(), values, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    expected = keras_model(inputs if len(inputs) > 1 else inputs[0], training=False)
    found = model(*inputs) if len(inputs) == 1 else model(list(inputs))
    theirs, ours = _flat(expected), _flat(found)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=RTOL, atol=ATOL)
    _check_gradients(keras_model, model, theirs, ours)
    return model


def _check_gradients(keras_model: Any, model: Model, theirs: list[torch.Tensor], ours: list[torch.Tensor]) -> None:
    generator = torch.Generator().manual_seed(7)
    seeds = [torch.randn(t.shape, generator=generator) for t in theirs]
    keras_weights = [w.value for w in keras_model.trainable_weights]
    expected = torch.autograd.grad(theirs, keras_weights, seeds, allow_unused=True)
    from spec_compiler.runtime.step import mark_trainable

    trained = mark_trainable(model._ensure_built())
    torch.autograd.backward(ours, seeds)
    assert len(trained) == len(expected)
    for weight, gradient in zip(trained, expected, strict=True):
        if gradient is None:
            continue
        rows = []
        for rule, parameter in zip(weight.rules, weight.parameters, strict=True):
            shape = weight.variable.shape if rule.row is None else weight.variable.shape[1:]
            rows.append(rule.to_keras(parameter.grad, shape))
        found = rows[0] if len(rows) == 1 else torch.stack(rows)
        scale = max(1.0, float(gradient.abs().max()))
        np.testing.assert_allclose(
            found.numpy() / scale, gradient.numpy() / scale, rtol=RTOL, atol=ATOL, err_msg=weight.path
        )


def _flat(structure: Any) -> list[torch.Tensor]:
    if isinstance(structure, torch.Tensor):
        return [structure]
    values = structure.values() if isinstance(structure, dict) else structure
    return [leaf for value in values for leaf in _flat(value)]
