"""Pooling by averages: windows of each channel become their mean."""

from spec_compiler.specs.layers.pooling import Pooling
from spec_compiler.specs.types import Pair, Single, Triple


class AveragePooling(Pooling):
    """The mean of each window, of what lies inside the input: padding does not count."""


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


AvgPool1D = AveragePooling1D
AvgPool2D = AveragePooling2D
AvgPool3D = AveragePooling3D
