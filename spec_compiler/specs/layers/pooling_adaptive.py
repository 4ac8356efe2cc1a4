"""Pooling to a size of the output that is given."""

from typing import TYPE_CHECKING, ClassVar

from spec_compiler.specs.layers.conv import Spatial
from spec_compiler.specs.shapes import Shape
from spec_compiler.specs.types import Pair, Single, Triple


class AdaptivePooling(Spatial):
    """Windows that are as large as it takes to get an output of a given size."""

    needs_floats: ClassVar[bool] = True

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
