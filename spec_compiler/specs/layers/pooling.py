"""Pooling: windows of each channel become one number, here the largest."""

from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import model_validator

from spec_compiler.specs.layers.conv import Spatial
from spec_compiler.specs.shapes import Shape, convolved
from spec_compiler.specs.types import Padding, Pair, Single, Triple


class Pooling(Spatial):
    """Windows of a given size and step; the classes of each rank state them."""

    needs_floats: ClassVar[bool] = True

    positional = ("pool_size", "strides", "padding", "data_format")

    if TYPE_CHECKING:
        pool_size: tuple[int, ...]
        strides: tuple[int, ...] | None

    padding: Padding = "valid"
    """`valid`: whole windows alone; `same`: a window for every stride, those at the edges cut short."""

    @model_validator(mode="after")
    def _default_strides(self) -> Self:
        if self.strides is None:
            # Written past the assignment's validation, which would come back here.
            self.__dict__["strides"] = self.pool_size
        return self

    @property
    def steps(self) -> tuple[int, ...]:
        """Step of the window along each axis."""
        return self.strides or self.pool_size

    def infer_shape(self, x: Shape) -> Shape:
        windows = zip(self.spatial_dims(x), self.pool_size, self.steps, strict=True)
        dims = tuple(convolved(n, size, step, 1, self.padding) for n, size, step in windows)
        return self.with_dims(x, dims, x[self.channel_axis])


class MaxPooling(Pooling):
    """The largest number of each window."""


class MaxPooling1D(MaxPooling):
    """The largest of each window of steps: (batch, steps, channels) -> (batch, fewer steps, channels)."""

    rank = 1

    pool_size: Single = (2,)
    """Length of the window."""
    strides: Single | None = None
    """Step of the window; null: its length."""


class MaxPooling2D(MaxPooling):
    """The largest of each window of an image: (batch, height, width, channels) -> (batch, *smaller, channels)."""

    rank = 2

    pool_size: Pair = (2, 2)
    """Height and width of the window."""
    strides: Pair | None = None
    """Step of the window along height and width; null: its size."""


class MaxPooling3D(MaxPooling):
    """The largest of each window of a volume: (batch, *lengths, channels) -> (batch, *smaller, channels)."""

    rank = 3

    pool_size: Triple = (2, 2, 2)
    """Depth, height and width of the window."""
    strides: Triple | None = None
    """Step of the window along depth, height and width; null: its size."""


MaxPool1D = MaxPooling1D
MaxPool2D = MaxPooling2D
MaxPool3D = MaxPooling3D
