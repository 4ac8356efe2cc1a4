"""Penalties of weights and outputs, as they are added to the loss."""

from __future__ import annotations

from functools import singledispatch

from torch import Tensor

from spec_compiler.specs.regularizers import L1, L1L2, L2, OrthogonalRegularizer, Regularizer

# Keras's `epsilon()`: no vector is taken to be shorter when it is brought to length 1.
_SHORTEST = 1e-7


@singledispatch
def penalty(regularizer: Regularizer, weight: Tensor) -> Tensor:
    """The scalar that `regularizer` adds to the loss for `weight`, which has Keras's layout.

    The formulas are those of https://keras.io/api/layers/regularizers/; `check_shape` of the regularizer says which
    weights have one.
    """
    raise NotImplementedError(f"no penalty for {type(regularizer).__name__}")


@penalty.register
def _l1(regularizer: L1, weight: Tensor) -> Tensor:
    return regularizer.l1 * weight.abs().sum()


@penalty.register
def _l2(regularizer: L2, weight: Tensor) -> Tensor:
    return regularizer.l2 * weight.square().sum()


@penalty.register
def _l1_l2(regularizer: L1L2, weight: Tensor) -> Tensor:
    # A factor of 0 skips its term: 0 times an infinite sum would not be 0.
    total = weight.new_zeros(())
    if regularizer.l1:
        total = total + regularizer.l1 * weight.abs().sum()
    if regularizer.l2:
        total = total + regularizer.l2 * weight.square().sum()
    return total


@penalty.register
def _orthogonal(regularizer: OrthogonalRegularizer, weight: Tensor) -> Tensor:
    vectors = weight if regularizer.mode == "rows" else weight.T
    # A vector of zeros stays one, though its gradient is NaN, as in Keras.
    inverse_norms = vectors.square().sum(dim=1, keepdim=True).rsqrt().clamp(max=1 / _SHORTEST)
    unit = vectors * inverse_norms
    cosines = unit @ unit.T
    n = len(vectors)
    pairs = n * (n - 1) / 2
    return regularizer.factor * cosines.triu(diagonal=1).abs().sum() / pairs
