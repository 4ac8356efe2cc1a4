"""How a weight starts: constants, random draws, and draws scaled to the weight's fans."""

import sys
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from spec_compiler.specs.base import FrozenSpec
from spec_compiler.specs.shapes import ShapeError, product, show
from spec_compiler.specs.types import Bool, Float, Int, NonNegativeFloat, PositiveFloat, Seed

Mode = Literal["fan_in", "fan_out", "fan_avg"]
Distribution = Literal["truncated_normal", "untruncated_normal", "uniform"]

_MAX_RANK = 8


def array_shape(value: Any, rank: int = 0) -> tuple[int, ...]:
    """Shape of nested lists of numbers; () for a number."""
    if not isinstance(value, (list, tuple)):
        # Comparing, unlike `isfinite`, takes integers of any size; NaN compares false.
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= sys.float_info.max:
            raise PydanticCustomError("array_type", "expected a finite number, or nested lists of them")
        return ()
    if rank == _MAX_RANK:
        raise PydanticCustomError("array_type", "expected at most {rank} levels of lists", {"rank": _MAX_RANK})
    shapes = {array_shape(item, rank + 1) for item in value}
    if len(shapes) > 1:
        raise PydanticCustomError("array_type", "expected nested lists of equal lengths")
    return (len(value), *(shapes.pop() if shapes else ()))


def array_value(value: Any) -> Any:
    """A number, nested lists of numbers, a numpy array, or Keras's `{"class_name": "__numpy__", ...}` of one.

    Arrays of numpy become the dict that Keras 3 writes for them; what a file says is kept as it is.
    """
    if getattr(value, "ndim", 0) > 0 and hasattr(value, "tolist"):
        value = {"class_name": "__numpy__", "config": {"value": value.tolist(), "dtype": str(value.dtype)}}
    if isinstance(value, dict):
        config = value.get("config")
        if value.get("class_name") not in ("__numpy__", "__tensor__") or not isinstance(config, dict):
            raise PydanticCustomError("array_type", "expected a finite number, or nested lists of them")
        array_shape(config.get("value"))
        return value
    value = value.item() if hasattr(value, "item") else value
    array_shape(value)
    return value


def _distribution(value: Any) -> Any:
    value = value.lower() if isinstance(value, str) else value
    return "truncated_normal" if value == "normal" else value


Array = Annotated[Any, BeforeValidator(array_value), WithJsonSchema({"type": ["number", "array", "object"]})]
AxisList = tuple[Int, ...] | None


class Initializer(FrozenSpec):
    """Gives a weight its first values, from its shape in Keras's layout."""

    kind = "initializer"
    trusts_defaults = True

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Raise ShapeError when a weight of this shape cannot start so."""


class Zeros(Initializer):
    """All 0."""


class Ones(Initializer):
    """All 1."""


class Constant(Initializer):
    """All one value, or the values of an array that broadcasts to the weight's shape."""

    value: Array = 0.0
    """A number; or an array, as nested lists."""

    @property
    def array(self) -> Any:
        """The value as a number or nested lists, whatever form it was stated in."""
        return self.value["config"]["value"] if isinstance(self.value, dict) else self.value

    def check_shape(self, shape: tuple[int, ...]) -> None:
        own = array_shape(self.array)
        lengths = zip(reversed(own), reversed(shape), strict=False)
        if len(own) > len(shape) or any(n not in (1, m) for n, m in lengths):
            raise ShapeError(f"Constant's array of shape {show(own)} does not fit a weight of shape {show(shape)}")


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


class RandomNormal(Initializer):
    """Draws from a normal distribution."""

    mean: Float = 0.0
    """Mean of the distribution."""
    stddev: NonNegativeFloat = 0.05
    """Standard deviation of the distribution."""
    seed: Seed = None
    """An integer makes the draw the same every time."""


class TruncatedNormal(Initializer):
    """Draws from a normal distribution cut off at two standard deviations from its mean."""

    mean: Float = 0.0
    """Mean of the distribution."""
    stddev: NonNegativeFloat = 0.05
    """Standard deviation before the tails are cut; the draws' own is 0.88 times this."""
    seed: Seed = None
    """An integer makes the draw the same every time."""


class RandomUniform(Initializer):
    """Draws from `[minval, maxval)`, each value as likely as any other."""

    minval: Float = -0.05
    """Lower end of the range."""
    maxval: Float = 0.05
    """Upper end of the range."""
    seed: Seed = None
    """An integer makes the draw the same every time."""


class VarianceScaling(Initializer):
    """Draws of variance `scale / n`, `n` being the fan that `mode` names."""

    scale: PositiveFloat = 1.0
    """Variance times fan."""
    mode: Mode = "fan_in"
    """Which fan counts: the inputs of a unit, its outputs, or the average of the two."""
    distribution: Annotated[Distribution, BeforeValidator(_distribution)] = "truncated_normal"
    """What is drawn from. The truncated normal is cut at two standard deviations and scaled up to keep the variance."""
    seed: Seed = None
    """An integer makes the draw the same every time."""
    input_axes: AxisList = None
    """The weight's axes whose product is the fan in; counts only together with `output_axes`."""
    output_axes: AxisList = None
    """The weight's axes whose product is the fan out; counts only together with `input_axes`."""

    def check_shape(self, shape: tuple[int, ...]) -> None:
        _check_axes(self, shape)


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
        _check_axes(self, shape)


class GlorotUniform(FanScaling):
    """Uniform draws within `±sqrt(6 / (fan_in + fan_out))` (Glorot and Bengio, 2010; also called Xavier's)."""

    scale, mode, distribution = 1.0, "fan_avg", "uniform"


class GlorotNormal(FanScaling):
    """Truncated normal draws of variance `2 / (fan_in + fan_out)` (Glorot and Bengio, 2010; also called Xavier's)."""

    scale, mode, distribution = 1.0, "fan_avg", "truncated_normal"


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


WINDOWS = (
    "barthann", "bartlett", "blackman", "blackmanharris", "bohman", "boxcar", "cosine", "exponential", "flattop",
    "hamming", "hann", "lanczos", "nuttall", "parzen", "taylor", "triang", "tukey",
)  # fmt: skip
"""The windows of `scipy.signal.get_window` that need no argument."""


def _window(value: Any) -> Any:
    if value is None or (isinstance(value, str) and value in WINDOWS):
        return value
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, (list, tuple)) and len(array_shape(value)) == 1:
        return value
    raise PydanticCustomError(
        "window_type", "expected null, a list of numbers, or one of {windows}", {"windows": ", ".join(WINDOWS)}
    )


class STFT(Initializer):
    """One part of the short-time Fourier transform, as a Conv1D kernel: (frame length, 1, frequencies)."""

    side: Literal["real", "imag"] = "real"
    """Which part of the complex transform."""
    window: Annotated[Any, BeforeValidator(_window), WithJsonSchema({"type": ["string", "array", "null"]})] = "hann"
    """Window over the frame: its name, its values, or null for none."""
    scaling: Literal["density", "spectrum"] | None = "density"
    """What the window is divided by: its L2 norm, its sum, or nothing."""
    periodic: Bool = False
    """Whether the window is periodic, as for spectra, or symmetric, as for filters."""

    def check_shape(self, shape: tuple[int, ...]) -> None:
        if len(shape) != 3 or shape[1] != 1 or shape[2] < 2:
            raise ShapeError(f"STFT fills weights of (frame length, 1, 2 or more), not of {show(shape)}")
        if isinstance(self.window, (list, tuple)) and len(self.window) != shape[0]:
            raise ShapeError(f"STFT has a window of {len(self.window)} values, but the frame's length is {shape[0]}")


def fans(initializer: VarianceScaling | FanScaling, shape: tuple[int, ...]) -> tuple[int, int]:
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


def _check_axes(initializer: VarianceScaling | FanScaling, shape: tuple[int, ...]) -> None:
    for axis in (*(initializer.input_axes or ()), *(initializer.output_axes or ())):
        if not -len(shape) <= axis < len(shape):
            raise ShapeError(f"{type(initializer).__name__} has axis {axis}, but the weight has shape {show(shape)}")


SHORT_NAMES = {
    "IdentityInitializer": "Identity",
    "OrthogonalInitializer": "Orthogonal",
    "STFTInitializer": "STFT",
    "normal": "RandomNormal",
    "one": "Ones",
    "uniform": "RandomUniform",
    "zero": "Zeros",
}

__all__ = [
    "STFT",
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
]
