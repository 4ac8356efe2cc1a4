"""Pooling over all of an image or a sequence: each channel becomes one number."""

from typing import ClassVar

from spec_compiler.specs.base import MaskRule
from spec_compiler.specs.layers.conv import Spatial
from spec_compiler.specs.shapes import Shape
from spec_compiler.specs.types import Bool, Layout


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

    needs_floats: ClassVar[bool] = True


class GlobalMaxPooling(GlobalPooling):
    """The largest over the spatial axes."""


class GlobalAveragePooling1D(GlobalAveragePooling):
    """The mean over time, of the steps that are not masked: (batch, steps, channels) -> (batch, channels)."""

    rank = 1
    supports_masking: ClassVar[bool] = True

    def mask_axes(self, x: Shape, index: int, rank: int) -> Shape | None:
        return (x[0], x[self.spatial_axes[0]])

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


GlobalAvgPool1D = GlobalAveragePooling1D
GlobalAvgPool2D = GlobalAveragePooling2D
GlobalAvgPool3D = GlobalAveragePooling3D
GlobalMaxPool1D = GlobalMaxPooling1D
GlobalMaxPool2D = GlobalMaxPooling2D
GlobalMaxPool3D = GlobalMaxPooling3D
