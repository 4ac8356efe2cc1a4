"""Weights that start as matrices of a kind."""

from typing import Any

from spec_compiler.specs.initializers.base import Initializer
from spec_compiler.specs.shapes import ShapeError, show
from spec_compiler.specs.types import Float, Seed


class Identity(Initializer):
    """`gain` on the diagonal of a matrix, 0 elsewhere."""

    gain: Float = 1.0
    """The value on the diagonal."""

    def get_config(self) -> dict[str, Any]:
        # Keras 3 leaves the gain out, and so loses it. Here that is done only where nothing is lost.
        return {} if self.gain == 1.0 else super().get_config()

    def check_shape(self, shape: tuple[int, ...]) -> None:
        if len(shape) != 2:
            raise ShapeError(f"Identity makes matrices, but the weight has shape {show(shape)}")


class Orthogonal(Initializer):
    """A random matrix with orthonormal rows or columns, whichever are fewer (Saxe et al., 2014).

    A weight of more than two axes is seen as a matrix whose columns are its last axis.
    """

    gain: Float = 1.0
    """The matrix is multiplied by it."""
    seed: Seed = None
    """An integer makes the draw the same every time."""

    def check_shape(self, shape: tuple[int, ...]) -> None:
        if len(shape) < 2:
            raise ShapeError(f"Orthogonal makes matrices, but the weight has shape {show(shape)}")
