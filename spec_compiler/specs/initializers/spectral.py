"""Weights that compute a Fourier transform."""

from typing import Annotated, Any, Literal

from pydantic import WithJsonSchema
from pydantic_core import PydanticCustomError

from spec_compiler.specs.initializers.base import Initializer
from spec_compiler.specs.initializers.constant import array_shape
from spec_compiler.specs.shapes import ShapeError, show
from spec_compiler.specs.types import Before, Bool

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
    window: Annotated[Any, Before(_window), WithJsonSchema({"type": ["string", "array", "null"]})] = "hann"
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
