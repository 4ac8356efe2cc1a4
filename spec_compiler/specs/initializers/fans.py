"""Random draws of a variance that the weight's fans settle, and Glorot's, with which most kernels start."""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from spec_compiler.specs.initializers.base import Initializer
from spec_compiler.specs.shapes import ShapeError, product, show
from spec_compiler.specs.types import Int, Seed

if TYPE_CHECKING:
    from spec_compiler.specs.initializers.scaling import VarianceScaling

Mode = Literal["fan_in", "fan_out", "fan_avg"]
Distribution = Literal["truncated_normal", "untruncated_normal", "uniform"]
AxisList = tuple[Int, ...] | None


class FanScaling(Initializer):
    """VarianceScaling with scale, mode and distribution settled."""

    scale: ClassVar[float]
    mode: ClassVar[Mode]
    distribution: ClassVar[Distribution]

    seed: Seed = None
    """An integer makes the draw the same every time."""
    input_axes: AxisList = None
    """The weight's axes whose product is the fan in; counts only together with `output_axes`."""
    output_axes: AxisList = None
    """The weight's axes whose product is the fan out; counts only together with `input_axes`."""

    def check_shape(self, shape: tuple[int, ...]) -> None:
        check_axes(self, shape)


class GlorotUniform(FanScaling):
    """Uniform draws within `±sqrt(6 / (fan_in + fan_out))` (Glorot and Bengio, 2010; also called Xavier's)."""

    scale, mode, distribution = 1.0, "fan_avg", "uniform"


class GlorotNormal(FanScaling):
    """Truncated normal draws of variance `2 / (fan_in + fan_out)` (Glorot and Bengio, 2010; also called Xavier's)."""

    scale, mode, distribution = 1.0, "fan_avg", "truncated_normal"


def fans(initializer: "VarianceScaling | FanScaling", shape: tuple[int, ...]) -> tuple[int, int]:
    """`(fan_in, fan_out)` of a weight in Keras's layout: its last two axes, times the kernel's size for the rest.

    Both of a vector are its length, both of a scalar 1. `input_axes` and `output_axes`, given together, say otherwise.
    """
    if initializer.input_axes is not None and initializer.output_axes is not None:
        return _length(shape, initializer.input_axes), _length(shape, initializer.output_axes)
    if len(shape) < 2:
        return (shape[0], shape[0]) if shape else (1, 1)
    size = _length(shape[:-2], range(len(shape) - 2))
    return shape[-2] * size, shape[-1] * size


def _length(shape: tuple[int, ...], axes: Any) -> int:
    return product(shape[axis] for axis in axes) or 0


def check_axes(initializer: "VarianceScaling | FanScaling", shape: tuple[int, ...]) -> None:
    for axis in (*(initializer.input_axes or ()), *(initializer.output_axes or ())):
        if not -len(shape) <= axis < len(shape):
            raise ShapeError(f"{type(initializer).__name__} has axis {axis}, but the weight has shape {show(shape)}")
