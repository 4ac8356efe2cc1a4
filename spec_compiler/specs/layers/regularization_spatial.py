"""Dropout of whole channels."""

from typing import Any, ClassVar

from spec_compiler.specs.layers.regularization import Noise
from spec_compiler.specs.shapes import Shape, require_rank
from spec_compiler.specs.types import ImageFormat, Layout, Rate, Seed


class SpatialDropout(Noise):
    """Set whole channels to zero at random, and divide the others by `1 - rate`."""

    rank: ClassVar[int]
    """Number of spatial axes."""

    rate: Rate
    """Fraction of the channels that is set to zero."""

    def infer_shape(self, x: Shape) -> Shape:
        require_rank(x, self.rank + 2, type(self).__name__)
        return x

    def layout(self, rank: int) -> Layout:
        return "keras" if getattr(self, "data_format", "") == "channels_first" else "channels_first"

    def get_config(self) -> dict[str, Any]:
        # Keras states neither `trainable` nor the dtype policy as an object.
        config = super().get_config()
        del config["trainable"]
        return {**config, "dtype": self.dtype}


class SpatialDropout1D(SpatialDropout):
    """Set whole channels of a sequence to zero at random: (batch, steps, channels)."""

    rank = 1

    seed: Seed = None
    """Taken for Keras's sake: all draws come from the one generator that `set_random_seed` sets."""


class SpatialDropout2D(SpatialDropout):
    """Set whole channels of an image to zero at random: (batch, height, width, channels)."""

    rank = 2

    data_format: ImageFormat = "channels_last"
    """Whether the channels are the last axis or stand behind the batch axis."""
    seed: Seed = None
    """Taken for Keras's sake: all draws come from the one generator that `set_random_seed` sets."""


class SpatialDropout3D(SpatialDropout):
    """Set whole channels of a volume to zero at random: (batch, depth, height, width, channels)."""

    rank = 3

    data_format: ImageFormat = "channels_last"
    """Whether the channels are the last axis or stand behind the batch axis."""
    seed: Seed = None
    """Taken for Keras's sake: all draws come from the one generator that `set_random_seed` sets."""
