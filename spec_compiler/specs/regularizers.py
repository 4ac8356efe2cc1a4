"""Penalties on a weight or an output, added to the loss."""

from typing import ClassVar, Literal

from spec_compiler.specs.base import FrozenSpec
from spec_compiler.specs.shapes import ShapeError, show
from spec_compiler.specs.types import NonNegativeFloat


class Regularizer(FrozenSpec):
    """Gives a scalar for a weight in Keras's layout; the loss grows by it."""

    kind = "regularizer"

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Raise ShapeError when a weight of this shape has no such penalty."""


class L1(Regularizer):
    """`l1 * sum(|w|)`."""

    l1: NonNegativeFloat = 0.01
    """Factor of the penalty."""


class L2(Regularizer):
    """`l2 * sum(w²)`."""

    l2: NonNegativeFloat = 0.01
    """Factor of the penalty."""


class L1L2(Regularizer):
    """`l1 * sum(|w|) + l2 * sum(w²)`."""

    l1: NonNegativeFloat = 0.0
    """Factor of the sum of absolute values."""
    l2: NonNegativeFloat = 0.0
    """Factor of the sum of squares."""

    # Keras 2's name, which Keras 3 dropped, does not stand for the class's defaults.
    named_arguments: ClassVar[dict[str, dict[str, float]]] = {"l1_l2": {"l1": 0.01, "l2": 0.01}}


class OrthogonalRegularizer(Regularizer):
    """`factor` times the mean of |cos| of the angles between the rows (or columns) of a matrix, over all pairs."""

    factor: NonNegativeFloat = 0.01
    """Factor of the penalty."""
    mode: Literal["rows", "columns"] = "rows"
    """Which vectors should be orthogonal to each other."""

    def check_shape(self, shape: tuple[int, ...]) -> None:
        if len(shape) != 2:
            raise ShapeError(f"OrthogonalRegularizer takes a matrix, but the weight has shape {show(shape)}")
        if shape[0 if self.mode == "rows" else 1] < 2:
            raise ShapeError(f"OrthogonalRegularizer compares {self.mode}, and a weight of {show(shape)} has but one")


SHORT_NAMES = {"l1_l2": "L1L2"}

__all__ = ["L1", "L1L2", "L2", "OrthogonalRegularizer"]
