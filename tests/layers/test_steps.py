"""A step of training through `train_on_batch` against Keras: losses, weights, moving statistics, states."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest import mock

import keras
import numpy as np
import pytest

from spec_compiler.models import Model
from spec_compiler.optimizers import SGD
from spec_compiler.specs import registry
from tests.layers import check, keras_oracle
from tests.layers.cases import Case, all_cases, one_a_class

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]

VALUES = {
    "regularizer": [{"L1L2": {"l1": 0.01, "l2": 0.02}}, {"L2": {"l2": 0.05}}, {"L1": {"l1": 0.03}}],
    "constraint": [{"MaxNorm": {"max_value": 0.7}}, {"NonNeg": {}}, {"UnitNorm": {}}],
}
INNER = ("layer", "backward_layer", "cell", "cells")
SAID = ("regularizer", "constraint", "stateful", "momentum", "trainable", "synchronized")


def restrained(case: Case) -> Case | None:
    """The case with a regularizer and a constraint wherever the layer, or one inside, takes one; None: nowhere."""
    arguments = _restrained(case.class_name, case.arguments)
    if arguments == case.arguments:
        return None
    return replace(case, layer={case.class_name: arguments}, id=f"{case.id}-restrained")


def _restrained(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    cls = registry.find("layer", name)
    assert cls is not None
    found: dict[str, Any] = {}
    for kind, values in VALUES.items():
        fields = [field for field in cls.model_fields if field.endswith(kind)]
        found |= {field: values[i % 3] for i, field in enumerate(fields)}
    for key, value in arguments.items():
        found[key] = value
        if key in INNER and isinstance(value, dict):
            found[key] = {inner: _restrained(inner, more or {}) for inner, more in value.items()}
        elif key in INNER and isinstance(value, list):
            found[key] = [{n: _restrained(n, more or {}) for n, more in one.items()} for one in value]
    return found


def cases() -> list[Case]:
    """One case a class, the same under regularizers and constraints, and every case that says something of training."""
    chosen = one_a_class(all_cases())
    more = [case for case in map(restrained, chosen) if case is not None]
    said = [case for case in all_cases() if any(word in str(case.layer) for word in SAID)]
    return list({case.id: case for case in (*chosen, *more, *said) if not case.random}.values())


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.id)
def test_a_step_matches_keras(case: Case) -> None:
    check_step(case, steps=2)


@pytest.mark.slow
@pytest.mark.parametrize("case", [c for c in all_cases() if not c.random], ids=lambda case: case.id)
def test_a_step_of_every_case_matches_keras(case: Case) -> None:
    check_step(case, steps=1)


def check_step(case: Case, steps: int) -> None:
    """Assert that training both models on the same batch gives the same losses and leaves the same weights."""
    theirs, _, arrays = keras_oracle.build(case)
    if len(theirs.outputs) > 1 and any(isinstance(one, list) for one in theirs._outputs_struct):
        pytest.skip("losses of nested outputs: a cell's, whose output stands among its states too")
    if not all("float" in output.dtype for output in theirs.outputs):
        pytest.skip("outputs that are no floats have no loss")
    if len(theirs.outputs) > 1 and (case.mask or case.front):
        pytest.skip("Keras leaves masks on further outputs by accident, and where their axes happen to fit, uses them")
    ours = Model.from_spec(check.read_model(theirs))
    values = keras_oracle.randomize(theirs, keras_oracle.generator_of(case))
    ours.set_weights(values)
    rng = keras_oracle.generator_of(case)
    x = arrays if len(arrays) > 1 else arrays[0]
    with mock.patch.object(keras.src.backend.nn, "average_pool", keras_oracle.average_pool):
        found = theirs.predict_on_batch(x)
        if any(len(y) != case.batch for y in _flat(found)):
            pytest.skip("outputs that have not a sample each have no loss")
        targets = [rng.standard_normal(y.shape).astype("float32") for y in _flat(found)]
        y = targets if len(targets) > 1 else targets[0]
        if not _takes_losses(theirs, x, y):
            pytest.skip("Keras cannot apply the output's mask to a loss")
        for model in (ours, theirs):
            sgd = SGD(0.1) if model is ours else keras.optimizers.SGD(0.1)
            model.compile(sgd, ["mse"] * len(targets) if len(targets) > 1 else "mse")
        for _ in range(steps):
            # The whole loss: of a layer's several outputs, which share a name, Keras gives the last one's for each.
            losses = [np.ravel(model.train_on_batch(x, y))[0] for model in (ours, theirs)]
            np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5, atol=1e-6)
    for weight, a, b in zip(theirs.weights, ours.get_weights(), theirs.get_weights(), strict=True):
        scale = max(1.0, float(np.abs(b).max(initial=0)))
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=2e-6 * scale, err_msg=weight.path)


def _takes_losses(theirs: keras.Model, x: Any, y: Any) -> bool:
    """Whether Keras can compute the losses: a mask may have another rank than the loss of its output."""
    theirs.compile(keras.optimizers.SGD(0.1), ["mse"] * len(y) if isinstance(y, list) else "mse")
    states = theirs.get_weights()
    try:
        theirs.test_on_batch(x, y)
    except (RuntimeError, ValueError):
        return False
    theirs.set_weights(states)
    return True


def _flat(outputs: Any) -> list[Any]:
    if isinstance(outputs, dict):
        outputs = list(outputs.values())
    return [leaf for one in outputs for leaf in _flat(one)] if isinstance(outputs, (list, tuple)) else [outputs]
