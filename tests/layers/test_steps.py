"""A step of training through `train_on_batch` against Keras: what a layer's penalties, constraints and moving statistics do.

Gradients are compared case by case in `check_layer`; here the whole loop runs, once for each way to ask something of the
weights, and for the first case of each class.
"""

from __future__ import annotations

import keras
import numpy as np
import pytest

from spec_compiler.models import Model
from tests.layers import keras_oracle
from tests.layers.cases import Case, all_cases, one_a_class
from tests.layers.check import read_model

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

ASKING = ("regularizer", "constraint", "momentum", "trainable", "synchronized")
"""Words in the names of arguments that show in a step of training alone."""


def asks(case: Case) -> bool:
    """Whether the layer, or one inside it, has an argument that shows in a step of training."""
    return any(word in str(case.layer) for word in ASKING)


def cases() -> list[Case]:
    chosen = {case.id: case for case in one_a_class(all_cases())}
    chosen |= {case.id: case for case in all_cases() if asks(case)}
    # A cell on its own has outputs inside outputs, which no loss takes; the layers that run it are here.
    return [case for case in chosen.values() if not case.random and not case.class_name.endswith("Cell")]


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.id)
def test_step_matches_keras(case: Case) -> None:
    theirs, _, arrays = keras_oracle.build(case)
    if not theirs.trainable_weights or any("float" not in y.dtype for y in theirs.outputs):
        pytest.skip("nothing is trained")
    values = keras_oracle.randomize(theirs, keras_oracle.generator_of(case))
    ours = Model.from_spec(read_model(theirs))
    ours.set_weights(values)
    rng = np.random.default_rng(2)
    shapes = [tuple(y.shape) for y in keras.tree.flatten(theirs(arrays))]
    targets = [rng.standard_normal(shape).astype("float32") for shape in shapes]
    x, y = (sole if len(sole) > 1 else sole[0] for sole in (arrays, targets))
    losses = []
    for model in (ours, theirs):
        model.compile("sgd", ["mse"] * len(targets) if len(targets) > 1 else "mse")
        model.optimizer.learning_rate = 0.1
        losses.append([model.train_on_batch(x, y, return_dict=True)["loss"] for _ in range(2)])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)
    for weight, a, b in zip(theirs.weights, ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5, err_msg=weight.path)
