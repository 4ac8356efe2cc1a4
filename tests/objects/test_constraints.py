"""Constraints: their configs, projections and gradients, against Keras's."""

from __future__ import annotations

import json
from typing import Any

import keras
import numpy as np
import pytest
import torch

from spec_compiler.diagnostics import SpecError
from spec_compiler.lowering.constraints import project
from spec_compiler.specs import constraints, objects, registry
from spec_compiler.specs.constraints import Constraint, MaxNorm, MinMaxNorm, NonNeg, UnitNorm
from spec_compiler.specs.serialization import serialize
from spec_compiler.specs.shapes import ShapeError

AXES: list[Any] = [0, -1, [0], [0, 1], (0, 1), [0, 1, 2]]
OF_NORM: list[dict[str, Any]] = [
    {"class_name": "MaxNorm", "config": {}},
    {"class_name": "MaxNorm", "config": {"max_value": 0.7}},
    {"class_name": "MaxNorm", "config": {"max_value": 0}},
    {"class_name": "UnitNorm", "config": {}},
    {"class_name": "MinMaxNorm", "config": {}},
    {"class_name": "MinMaxNorm", "config": {"min_value": 1.5, "max_value": 2.5}},
    {"class_name": "MinMaxNorm", "config": {"min_value": 1.5, "max_value": 2.5, "rate": 0.3}},
]


def both(stated: dict[str, Any], **config: Any) -> tuple[Any, Any]:
    arguments = stated["config"] | config
    name = stated["class_name"]
    return getattr(constraints, name)(**arguments), getattr(keras.constraints, name)(**arguments)


def compare(ours: Constraint, theirs: Any, values: np.ndarray, gradients: bool = True) -> None:
    a, b = (torch.tensor(values, requires_grad=True) for _ in range(2))
    projected, expected = project(ours, a), theirs(b)
    assert projected.dtype == a.dtype
    assert torch.equal(a, torch.tensor(values))
    torch.testing.assert_close(projected, expected, rtol=1e-6, atol=1e-7)
    if gradients:
        cotangent = torch.tensor(np.random.default_rng(1).normal(size=values.shape).astype(values.dtype))
        projected.backward(cotangent)
        expected.backward(cotangent)
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("stated", OF_NORM, ids=str)
def test_config_is_that_of_keras(stated: dict[str, Any], axis: Any) -> None:
    ours, theirs = both(stated, axis=axis)
    config = ours.get_config()
    assert config | {"axis": axis} == theirs.get_config()
    assert config["axis"] == (list(axis) if isinstance(axis, tuple) else axis)  # as JSON holds it
    written = json.loads(json.dumps(serialize(ours)))
    assert objects.resolve("constraint", written).get_config() == config
    assert keras.constraints.deserialize(written).get_config() == config


@pytest.mark.parametrize("name", constraints.__all__)
def test_defaults_are_those_of_keras(name: str) -> None:
    assert getattr(constraints, name)().get_config() == getattr(keras.constraints, name)().get_config()


@pytest.mark.parametrize(
    "name", ["MaxNorm", "max_norm", "MinMaxNorm", "min_max_norm", "NonNeg", "non_neg", "unit_norm"]
)
def test_names_stand_for_what_keras_means(name: str) -> None:
    assert type(objects.resolve("constraint", name)).__name__ == type(keras.constraints.get(name)).__name__


@pytest.mark.parametrize(("name", "cls"), [("maxnorm", MaxNorm), ("nonneg", NonNeg), ("unitnorm", UnitNorm)])
def test_names_of_keras_1_are_known(name: str, cls: type[Constraint]) -> None:
    assert registry.find("constraint", name) is cls


@pytest.mark.parametrize("name", ["Constraint", "Clip", "SHORT_NAMES", "Axis"])
def test_nothing_else_is_found_by_name(name: str) -> None:
    assert registry.find("constraint", name) is None


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("stated", OF_NORM, ids=str)
def test_projections_match_keras(stated: dict[str, Any], axis: Any, dtype: str) -> None:
    values = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(dtype)
    compare(*both(stated, axis=axis), values)


@pytest.mark.parametrize("stated", OF_NORM, ids=str)
def test_projections_of_zero_and_tiny_vectors_match_keras(stated: dict[str, Any]) -> None:
    values = np.random.default_rng(0).normal(size=(4, 5)).astype("float32")
    values[:, 1] = 0
    values[:, 2] *= 1e-8
    compare(*both(stated), values, gradients=False)


@pytest.mark.parametrize("shape", [(), (5,), (4, 5)])
def test_non_neg_matches_keras(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).normal(size=shape).astype("float32")
    compare(NonNeg(), keras.constraints.NonNeg(), np.where(np.abs(values) < 0.3, 0, values).astype("float32"))


@pytest.mark.parametrize("axis", [2, -3, [0, 2]])
def test_axes_that_the_weight_lacks_are_refused(axis: Any) -> None:
    with pytest.raises(ShapeError, match="axis"):
        UnitNorm(axis).check_shape((3, 4))
    NonNeg().check_shape((3, 4))
    UnitNorm([0, -1]).check_shape((3, 4))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("MaxNorm", {"max_value": -1}), ("MaxNorm", {"axis": "rows"}), ("MaxNorm", {"axis": [0.5]}),
     ("UnitNorm", {"axis": True}), ("UnitNorm", {"axis": [10**30]}), ("MinMaxNorm", {"rate": None}),
     ("NonNeg", {"axis": 0})],
)  # fmt: skip
def test_faults_name_the_argument(name: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match=next(iter(arguments))):
        getattr(constraints, name)(**arguments)


def test_min_max_norm_keeps_within_its_bounds() -> None:
    weight = torch.randn(6, 50, generator=torch.Generator().manual_seed(0))
    norms = project(MinMaxNorm(1.5, 2.5), weight).norm(dim=0)
    assert norms.min().item() == pytest.approx(1.5, rel=1e-6)
    assert norms.max().item() == pytest.approx(2.5, rel=1e-6)
