"""Regularizers: their configs, penalties and gradients, against Keras's."""

from __future__ import annotations

import json
from typing import Any

import keras
import numpy as np
import pytest
import torch

from spec_compiler.diagnostics import SpecError
from spec_compiler.lowering.regularizers import penalty
from spec_compiler.specs import objects, registry, regularizers
from spec_compiler.specs.regularizers import L1, L1L2, L2, OrthogonalRegularizer, Regularizer
from spec_compiler.specs.serialization import serialize
from spec_compiler.specs.shapes import ShapeError

ELEMENTWISE: list[Regularizer] = [
    L1(), L1(0.3), L1(0), L2(), L2(0.3), L1L2(), L1L2(l1=0.2), L1L2(l2=0.3), L1L2(0.2, 0.3),
]  # fmt: skip
ORTHOGONAL: list[Regularizer] = [OrthogonalRegularizer(), OrthogonalRegularizer(0.3, "columns")]


def in_keras(regularizer: Regularizer) -> Any:
    return getattr(keras.regularizers, type(regularizer).__name__)(**regularizer.get_config())


def compare(regularizer: Regularizer, values: np.ndarray) -> None:
    """Penalty and gradient equal Keras's."""
    ours, theirs = (torch.tensor(values, requires_grad=True) for _ in range(2))
    a, b = penalty(regularizer, ours), in_keras(regularizer)(theirs)
    assert (a.shape, a.dtype) == ((), ours.dtype)
    torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-7)
    if b.requires_grad:
        a.backward()
        b.backward()
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("regularizer", ELEMENTWISE + ORTHOGONAL, ids=repr)
def test_config_is_that_of_keras(regularizer: Regularizer) -> None:
    config = regularizer.get_config()
    theirs = in_keras(regularizer).get_config()
    assert config.keys() == theirs.keys()
    # Keras keeps two of the factors as float32, and writes 0.01 as 0.009999999776482582.
    assert {k: np.float32(v) if k != "mode" else v for k, v in config.items()} == theirs | {
        k: np.float32(v) for k, v in theirs.items() if k != "mode"
    }
    written = json.loads(json.dumps(serialize(regularizer)))
    assert objects.resolve("regularizer", written) == regularizer
    assert keras.regularizers.deserialize(written).get_config() == theirs


@pytest.mark.parametrize(
    "name", ["L1", "l1", "L2", "l2", "L1L2", "l1l2", "OrthogonalRegularizer", "orthogonal_regularizer"]
)
def test_names_stand_for_what_keras_means(name: str) -> None:
    ours = objects.resolve("regularizer", name)
    theirs = keras.regularizers.get(name)
    assert type(ours).__name__ == type(theirs).__name__
    assert ours == type(ours).from_config(
        {k: round(v, 6) if k != "mode" else v for k, v in theirs.get_config().items()}
    )


def test_l1_l2_means_what_keras_2_says() -> None:
    # tf_keras: "In this case, the default values used are l1=0.01 and l2=0.01"; Keras 3 does not know the name.
    assert objects.resolve("regularizer", "l1_l2") == L1L2(0.01, 0.01)
    assert objects.resolve("regularizer", {"l1_l2": {"l1": 0.5}}) == L1L2(0.5, 0.0)


@pytest.mark.parametrize("name", ["Regularizer", "SHORT_NAMES", "show", "WeightRegularizer"])
def test_nothing_else_is_found_by_name(name: str) -> None:
    assert registry.find("regularizer", name) is None


@pytest.mark.parametrize("shape", [(), (1,), (5,), (4, 7), (3, 3, 2, 5)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("regularizer", ELEMENTWISE, ids=repr)
def test_penalties_match_keras(regularizer: Regularizer, dtype: str, shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).normal(size=shape).astype(dtype)
    compare(regularizer, np.where(np.abs(values) < 0.1, 0.0, values).astype(dtype))


@pytest.mark.parametrize("shape", [(2, 2), (4, 7), (7, 4), (2, 9), (30, 20)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("regularizer", ORTHOGONAL, ids=repr)
def test_orthogonal_penalties_match_keras(regularizer: Regularizer, dtype: str, shape: tuple[int, int]) -> None:
    compare(regularizer, np.random.default_rng(1).normal(size=shape).astype(dtype))


@pytest.mark.parametrize("regularizer", ORTHOGONAL, ids=repr)
def test_orthogonal_penalty_of_short_vectors_matches_keras(regularizer: Regularizer) -> None:
    values = np.random.default_rng(2).normal(size=(4, 4)).astype("float32")
    values[1] *= 1e-9
    values[:, 2] = 0
    ours = penalty(regularizer, torch.tensor(values))
    torch.testing.assert_close(ours, in_keras(regularizer)(torch.tensor(values)), rtol=1e-6, atol=1e-7)


def test_penalty_of_orthogonal_vectors_is_zero() -> None:
    assert penalty(OrthogonalRegularizer(1.0), torch.eye(5) * 3).item() == 0.0


@pytest.mark.parametrize(
    ("mode", "shape"), [("rows", (3,)), ("rows", (2, 3, 4)), ("rows", (1, 4)), ("columns", (4, 1))]
)
def test_weights_without_pairs_of_vectors_are_refused(mode: Any, shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="OrthogonalRegularizer"):
        OrthogonalRegularizer(mode=mode).check_shape(shape)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("L1", {"l1": -0.1}), ("L2", {"l2": "0.1"}), ("L1L2", {"l1": float("nan")}), ("L1L2", {"l3": 1.0}),
     ("OrthogonalRegularizer", {"mode": "diagonals"})],
)  # fmt: skip
def test_faults_name_the_argument(name: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match=next(iter(arguments))):
        getattr(regularizers, name)(**arguments)
