"""Random draws scaled to the weight's fans: Keras's general form, He's and LeCun's."""

from typing import Annotated, Any

from spec_compiler.specs.initializers.base import Initializer
from spec_compiler.specs.initializers.fans import AxisList, Distribution, FanScaling, Mode, check_axes
from spec_compiler.specs.types import Before, PositiveFloat, Seed


def _distribution(value: Any) -> Any:
    value = value.lower() if isinstance(value, str) else value
    return "truncated_normal" if value == "normal" else value


class VarianceScaling(Initializer):
    """Draws of variance `scale / n`, `n` being the fan that `mode` names."""

    scale: PositiveFloat = 1.0
    """Variance times fan."""
    mode: Mode = "fan_in"
    """Which fan counts: the inputs of a unit, its outputs, or the average of the two."""
    distribution: Annotated[Distribution, Before(_distribution)] = "truncated_normal"
    """What is drawn from. The truncated normal is cut at two standard deviations and scaled up to keep the variance."""
    seed: Seed = None
    """An integer makes the draw the same every time."""
    input_axes: AxisList = None
    """The weight's axes whose product is the fan in; counts only together with `output_axes`."""
    output_axes: AxisList = None
    """The weight's axes whose product is the fan out; counts only together with `input_axes`."""

    def check_shape(self, shape: tuple[int, ...]) -> None:
        check_axes(self, shape)


class HeUniform(FanScaling):
    """Uniform draws within `±sqrt(6 / fan_in)` (He et al., 2015)."""

    scale, mode, distribution = 2.0, "fan_in", "uniform"


class HeNormal(FanScaling):
    """Truncated normal draws of variance `2 / fan_in` (He et al., 2015)."""

    scale, mode, distribution = 2.0, "fan_in", "truncated_normal"


class LecunUniform(FanScaling):
    """Uniform draws within `±sqrt(3 / fan_in)` (LeCun et al., 1998)."""

    scale, mode, distribution = 1.0, "fan_in", "uniform"


class LecunNormal(FanScaling):
    """Truncated normal draws of variance `1 / fan_in` (Klambauer et al., 2017)."""

    scale, mode, distribution = 1.0, "fan_in", "truncated_normal"
