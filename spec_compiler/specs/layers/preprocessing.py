"""Layers that bring data to the form a network takes."""

from typing import Annotated, Any, ClassVar, Self

from pydantic import WithJsonSchema, model_validator

from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.initializers.constant import Array, Ones, Zeros, array_shape, array_value
from spec_compiler.specs.shapes import Shape, ShapeError, normalize_axis, require_dim, show
from spec_compiler.specs.types import Axes, Before, Bool, Layout
from spec_compiler.specs.variable import Variable


def _values(array: Any) -> Any:
    return array["config"]["value"] if isinstance(array, dict) else array


def _numbers(value: Any) -> Any:
    return None if value is None else _values(array_value(value))


Numbers = Annotated[Any, Before(_numbers), WithJsonSchema({"type": ["number", "array", "null"]})]
"""A number or nested lists of them, whatever form they were stated in; null stays null."""

AxesOrNone = Annotated[
    Axes,
    Before(lambda value: () if value is None else value),
    WithJsonSchema({"anyOf": [{"type": ["integer", "null"]}, {"type": "array", "items": {"type": "integer"}}]}),
]
"""One axis, several, or none at all."""


def _flat(value: Any) -> list[float]:
    return [number for item in value for number in _flat(item)] if isinstance(value, (list, tuple)) else [value]


class Rescaling(LayerSpec):
    """`x * scale + offset`: 1/255 brings bytes to 0 … 1."""

    scale: Array
    """The factor: a number, or a list of one a channel."""
    offset: Array = 0.0
    """What is added after: a number, or a list of one a channel."""

    supports_masking: ClassVar[bool] = True

    @property
    def factors(self) -> Any:
        """The factor as a number or nested lists."""
        return _values(self.scale)

    @property
    def offsets(self) -> Any:
        """The offset as a number or nested lists."""
        return _values(self.offset)

    def infer_shape(self, x: Shape) -> Shape:
        for name, value in (("scale", self.factors), ("offset", self.offsets)):
            own = array_shape(value)
            # Of the input's own axes, the last ones: an array may not stretch the input.
            lengths = zip(reversed(own), reversed(x[1:]), strict=False)
            if len(own) >= len(x) or any(m not in (1, n) for m, n in lengths if n is not None):
                raise ShapeError(f"Rescaling's {name} of shape {show(own)} does not fit its input {show(x)}")
        return x

    def layout(self, rank: int) -> Layout:
        scalars = not array_shape(self.factors) and not array_shape(self.offsets)
        return "any" if scalars else "keras"


class Normalization(LayerSpec):
    """`(x - mean) / sqrt(variance)`, by the mean and variance of data seen before: given, or among the weights.

    Keras learns them in `adapt()`, so the weights of a layer that was given none are those of its file.
    """

    axis: AxesOrNone = (-1,)
    """The axes whose every place has a mean and variance of its own; null: one mean and variance for all."""
    mean: Numbers = None
    """The mean: a number, or a list of one a place along `axis`; null: a weight, 0 until it is set."""
    variance: Numbers = None
    """The variance, in the same form; null: a weight, 1 until it is set."""
    invert: Bool = False
    """Whether the opposite is computed, `x * sqrt(variance) + mean`."""

    supports_masking: ClassVar[bool] = True

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.mean is None) != (self.variance is None):
            raise ValueError("mean and variance go together: state both or neither")
        if self.mean is not None:
            shapes = [array_shape(value) for value in (self.mean, self.variance)]
            if shapes[0] != shapes[1]:
                raise ValueError(f"mean of shape {show(shapes[0])} and variance of shape {show(shapes[1])} must agree")
            if len(shapes[0]) > len(self.axis):
                raise ValueError(f"mean of shape {show(shapes[0])} has more axes than the {len(self.axis)} of `axis`")
            if any(value < 0 for value in _flat(self.variance)):
                raise ValueError("a variance is at least 0")
        return self

    def infer_shape(self, x: Shape) -> Shape:
        dims = [require_dim(x, axis, "Normalization") for axis in self.places(x)]
        own = array_shape(self.mean) if self.mean is not None else ()
        if any(n not in (1, m) for n, m in zip(reversed(own), reversed(dims), strict=False)):
            raise ShapeError(
                f"Normalization's mean of shape {show(own)} does not fit the lengths {show(dims)} of `axis`"
            )
        return x

    def places(self, x: Shape) -> tuple[int, ...]:
        """The axes counted from the front, in order."""
        places = sorted(normalize_axis(axis, len(x), "Normalization") for axis in self.axis)
        if len(set(places)) < len(places):
            raise ShapeError(f"Normalization names an axis twice: {list(self.axis)}")
        return tuple(places)

    def variables(self, x: Shape) -> list[Variable]:
        if self.mean is not None:
            return []
        shape = tuple(require_dim(x, axis, "Normalization") for axis in self.places(x))
        return [
            Variable("mean", shape, Zeros(), trainable=False),
            Variable("variance", shape, Ones(), trainable=False),
            Variable("count", (), Zeros(), trainable=False, dtype="int32"),
        ]

    def layout(self, rank: int) -> Layout:
        a_number = self.mean is not None and array_shape(self.mean) == ()
        return "any" if a_number or not self.axis else "keras"
