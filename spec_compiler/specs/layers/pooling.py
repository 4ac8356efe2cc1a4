"""Pooling: windows of each channel become one number, its largest or its mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import model_validator

from spec_compiler.specs.base import MaskRule
from spec_compiler.specs.layers.conv import Spatial
from spec_compiler.specs.shapes import Shape, convolved
from spec_compiler.specs.types import Bool, Layout, Padding, Pair, Single, Triple


class Pooling(Spatial):
    """Windows of a given size and step; the classes of each rank state them."""

    positional = ("pool_size", "strides", "padding", "data_format")

    if TYPE_CHECKING:
        pool_size: tuple[int, ...]
        strides: tuple[int, ...] | None

    padding: Padding = "valid"
    """`valid`: whole windows alone; `same`: a window for every stride, those at the edges cut short."""

    @model_validator(mode="after")
    def _default_strides(self) -> Pooling:
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


class AveragePooling(Pooling):
    """The mean of each window, of what lies inside the input: padding does not count."""


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


class AveragePooling1D(AveragePooling):
    """The mean of each window of steps: (batch, steps, channels) -> (batch, fewer steps, channels)."""

    rank = 1

    pool_size: Single
    """Length of the window."""
    strides: Single | None = None
    """Step of the window; null: its length."""


class AveragePooling2D(AveragePooling):
    """The mean of each window of an image: (batch, height, width, channels) -> (batch, *smaller, channels)."""

    rank = 2

    pool_size: Pair
    """Height and width of the window."""
    strides: Pair | None = None
    """Step of the window along height and width; null: its size."""


class AveragePooling3D(AveragePooling):
    """The mean of each window of a volume: (batch, *lengths, channels) -> (batch, *smaller, channels)."""

    rank = 3

    pool_size: Triple
    """Depth, height and width of the window."""
    strides: Triple | None = None
    """Step of the window along depth, height and width; null: its size."""


class GlobalPooling(Spatial):
    """Each channel's spatial axes become one number."""

    keepdims: Bool = False
    """Whether the spatial axes stay, with length 1."""

    def layout(self, rank: int) -> Layout:
        return "any"

    @property
    def spatial_axes(self) -> tuple[int, ...]:
        """The axes that are pooled, in Keras's order."""
        first = 2 if self.channels_first else 1
        return tuple(range(first, first + self.rank))

    def infer_shape(self, x: Shape) -> Shape:
        self.spatial_dims(x)
        channels = x[self.channel_axis]
        return self.with_dims(x, (1,) * self.rank, channels) if self.keepdims else (x[0], channels)


class GlobalAveragePooling(GlobalPooling):
    """The mean over the spatial axes."""


class GlobalMaxPooling(GlobalPooling):
    """The largest over the spatial axes."""


class GlobalAveragePooling1D(GlobalAveragePooling):
    """The mean over time, of the steps that are not masked: (batch, steps, channels) -> (batch, channels)."""

    rank = 1
    supports_masking: ClassVar[bool] = True

    def output_mask(self, masked: tuple[bool, ...]) -> MaskRule:
        return "none"


class GlobalAveragePooling2D(GlobalAveragePooling):
    """The mean over an image: (batch, height, width, channels) -> (batch, channels)."""

    rank = 2


class GlobalAveragePooling3D(GlobalAveragePooling):
    """The mean over a volume: (batch, depth, height, width, channels) -> (batch, channels)."""

    rank = 3


class GlobalMaxPooling1D(GlobalMaxPooling):
    """The largest over time: (batch, steps, channels) -> (batch, channels)."""

    rank = 1


class GlobalMaxPooling2D(GlobalMaxPooling):
    """The largest over an image: (batch, height, width, channels) -> (batch, channels)."""

    rank = 2


class GlobalMaxPooling3D(GlobalMaxPooling):
    """The largest over a volume: (batch, depth, height, width, channels) -> (batch, channels)."""

    rank = 3


class AdaptivePooling(Spatial):
    """Windows that are as large as it takes to get an output of a given size."""

    positional = ("output_size", "data_format")

    if TYPE_CHECKING:
        output_size: tuple[int, ...]

    def infer_shape(self, x: Shape) -> Shape:
        self.spatial_dims(x)
        return self.with_dims(x, self.output_size, x[self.channel_axis])


class AdaptiveAveragePooling(AdaptivePooling):
    """The mean of each window."""


class AdaptiveMaxPooling(AdaptivePooling):
    """The largest number of each window."""


class AdaptiveAveragePooling1D(AdaptiveAveragePooling):
    """The means of as many windows as asked for: (batch, steps, channels) -> (batch, output_size, channels)."""

    rank = 1

    output_size: Single
    """Length of the output."""


class AdaptiveAveragePooling2D(AdaptiveAveragePooling):
    """The means of as many windows as asked for: (batch, height, width, channels) -> (batch, *size, channels)."""

    rank = 2

    output_size: Pair
    """Height and width of the output."""


class AdaptiveAveragePooling3D(AdaptiveAveragePooling):
    """The means of as many windows as asked for: (batch, *lengths, channels) -> (batch, *output_size, channels)."""

    rank = 3

    output_size: Triple
    """Depth, height and width of the output."""


class AdaptiveMaxPooling1D(AdaptiveMaxPooling):
    """The largest of as many windows as asked for: (batch, steps, channels) -> (batch, output_size, channels)."""

    rank = 1

    output_size: Single
    """Length of the output."""


class AdaptiveMaxPooling2D(AdaptiveMaxPooling):
    """The largest of as many windows as asked for: (batch, height, width, channels) -> (batch, *size, channels)."""

    rank = 2

    output_size: Pair
    """Height and width of the output."""


class AdaptiveMaxPooling3D(AdaptiveMaxPooling):
    """The largest of as many windows as asked for: (batch, *lengths, channels) -> (batch, *output_size, channels)."""

    rank = 3

    output_size: Triple
    """Depth, height and width of the output."""


MaxPool1D = MaxPooling1D
MaxPool2D = MaxPooling2D
MaxPool3D = MaxPooling3D
AvgPool1D = AveragePooling1D
AvgPool2D = AveragePooling2D
AvgPool3D = AveragePooling3D
GlobalAvgPool1D = GlobalAveragePooling1D
GlobalAvgPool2D = GlobalAveragePooling2D
GlobalAvgPool3D = GlobalAveragePooling3D
GlobalMaxPool1D = GlobalMaxPooling1D
GlobalMaxPool2D = GlobalMaxPooling2D
GlobalMaxPool3D = GlobalMaxPooling3D
