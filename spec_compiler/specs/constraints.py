"""What a weight must satisfy; after each training step it is projected back."""

from typing import Annotated, Any

from pydantic import WithJsonSchema
from pydantic_core import PydanticCustomError

from spec_compiler.specs.base import FrozenSpec
from spec_compiler.specs.shapes import ShapeError, show
from spec_compiler.specs.types import MAX_SIZE, Before, Float, NonNegativeFloat


def _axis(value: Any) -> Any:
    """One axis or a list of them, kept in the form it came in: Keras writes it back so."""
    axes = value if isinstance(value, (list, tuple)) else [value]
    if all(isinstance(a, int) and not isinstance(a, bool) and abs(a) <= MAX_SIZE for a in axes):
        return value
    raise PydanticCustomError("axis_type", "expected an axis or a list of axes")


_AXIS_SCHEMA = {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer"}}]}
Axis = Annotated[Any, Before(_axis), WithJsonSchema(_AXIS_SCHEMA)]


class Constraint(FrozenSpec):
    """Gives the weight that satisfies it, for one in Keras's layout that may not."""

    kind = "constraint"

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Raise ShapeError when a weight of this shape cannot be so constrained."""
        axis = getattr(self, "axis", ())
        for a in axis if isinstance(axis, (list, tuple)) else (axis,):
            if not -len(shape) <= a < len(shape):
                raise ShapeError(f"{type(self).__name__} has axis {a}, but the weight has shape {show(shape)}")


class MaxNorm(Constraint):
    """L2 norms at most `max_value`: longer vectors are shortened to it."""

    max_value: NonNegativeFloat = 2.0
    """The largest norm."""
    axis: Axis = 0
    """Axes that a norm is taken over: 0 for each unit of a Dense kernel, [0, 1, 2] for each filter of a Conv2D's."""


class MinMaxNorm(Constraint):
    """L2 norms between `min_value` and `max_value`: vectors are scaled towards the range."""

    min_value: NonNegativeFloat = 0.0
    """The smallest norm."""
    max_value: NonNegativeFloat = 1.0
    """The largest norm."""
    rate: Float = 1.0
    """How far a step goes: 1 into the range at once, 0 not at all."""
    axis: Axis = 0
    """Axes that a norm is taken over: 0 for each unit of a Dense kernel, [0, 1, 2] for each filter of a Conv2D's."""


class NonNeg(Constraint):
    """No negative values: they become 0."""


class UnitNorm(Constraint):
    """L2 norms of 1."""

    axis: Axis = 0
    """Axes that a norm is taken over: 0 for each unit of a Dense kernel, [0, 1, 2] for each filter of a Conv2D's."""


SHORT_NAMES = {"maxnorm": "MaxNorm", "nonneg": "NonNeg", "unitnorm": "UnitNorm"}

__all__ = ["MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm"]
