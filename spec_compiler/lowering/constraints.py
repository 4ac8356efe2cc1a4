"""Bringing a weight back to where its constraint holds."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import torch
from torch import Tensor

from spec_compiler.specs.constraints import Constraint, MaxNorm, MinMaxNorm, NonNeg, UnitNorm

# Keras's `epsilon()`, added to every norm that is divided by.
_EPSILON = 1e-7


@singledispatch
def project(constraint: Constraint, weight: Tensor) -> Tensor:
    """`weight`, which has Keras's layout, changed so that `constraint` holds; the argument itself stays as it is.

    The formulas are those of https://keras.io/api/layers/constraints/; `check_shape` of the constraint says which
    weights it can hold for.
    """
    raise NotImplementedError(f"no projection for {type(constraint).__name__}")


@project.register
def _max_norm(constraint: MaxNorm, weight: Tensor) -> Tensor:
    norms = _norms(weight, constraint.axis)
    return weight * (norms.clamp(0, constraint.max_value) / (_EPSILON + norms))


@project.register
def _min_max_norm(constraint: MinMaxNorm, weight: Tensor) -> Tensor:
    norms = _norms(weight, constraint.axis)
    within = norms.clamp(constraint.min_value, constraint.max_value)
    wanted = constraint.rate * within + (1 - constraint.rate) * norms
    return weight * (wanted / (_EPSILON + norms))


@project.register
def _non_neg(constraint: NonNeg, weight: Tensor) -> Tensor:
    return torch.maximum(weight, weight.new_zeros(()))


@project.register
def _unit_norm(constraint: UnitNorm, weight: Tensor) -> Tensor:
    return weight / (_EPSILON + _norms(weight, constraint.axis))


def _norms(weight: Tensor, axis: Any) -> Tensor:
    return weight.square().sum(dim=axis, keepdim=True).sqrt()
