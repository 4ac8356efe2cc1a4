"""Layers that regularize: noise in training, nothing in inference; a penalty on what passes."""

from typing import TYPE_CHECKING, Any, ClassVar

from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.layers.reshaping import ImageFormat
from spec_compiler.specs.shapes import Shape, ShapeError, require_rank, show
from spec_compiler.specs.types import Layout, NonNegativeFloat, OpenRate, Rate, Seed, ShapeField

if TYPE_CHECKING:
    from spec_compiler.specs.regularizers import Regularizer


class Noise(LayerSpec):
    """A layer that changes its input at random in training, and lets it through in inference."""

    supports_masking: ClassVar[bool] = True

    def infer_shape(self, x: Shape) -> Shape:
        return x

    def layout(self, rank: int) -> Layout:
        return "any"


def _require_noise_shape(noise_shape: Shape | None, x: Shape, layer: str) -> None:
    if noise_shape is None:
        return
    lengths = zip(noise_shape, x, strict=False)
    if len(noise_shape) != len(x) or any(m not in (None, 1, n) and n is not None for m, n in lengths):
        raise ShapeError(
            f"{layer}'s noise_shape {show(noise_shape)} does not fit its input {show(x)}",
            help="state every axis, batch axis first: null as the input, 1 for one draw along the axis",
        )


class Dropout(Noise):
    """Set elements to zero at random, and divide the others by `1 - rate`, so that the mean stays."""

    rate: Rate
    """Fraction that is set to zero."""
    noise_shape: ShapeField | None = None
    """Shape of what is drawn, batch axis first, broadcast to the input; null: each element on its own."""
    seed: Seed = None
    """Taken for Keras's sake: all draws come from the one generator that `set_random_seed` sets."""

    def infer_shape(self, x: Shape) -> Shape:
        _require_noise_shape(self.noise_shape, x, "Dropout")
        return x


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


class GaussianNoise(Noise):
    """Add draws from a normal distribution around 0."""

    stddev: NonNegativeFloat
    """Standard deviation of the noise."""
    seed: Seed = None
    """Taken for Keras's sake: all draws come from the one generator that `set_random_seed` sets."""


class GaussianDropout(Noise):
    """Multiply with draws from a normal distribution around 1, of variance `rate / (1 - rate)` (Srivastava 2014)."""

    rate: OpenRate
    """The dropout rate whose variance the noise has."""
    seed: Seed = None
    """Taken for Keras's sake: all draws come from the one generator that `set_random_seed` sets."""


class AlphaDropout(Noise):
    """Dropout that keeps mean and variance of what selu gives out (Klambauer et al. 2017, arXiv:1706.02515)."""

    rate: OpenRate
    """Fraction that is set to selu's lowest value."""
    noise_shape: ShapeField | None = None
    """Shape of what is drawn, batch axis first, broadcast to the input; null: each element on its own."""
    seed: Seed = None
    """Taken for Keras's sake: all draws come from the one generator that `set_random_seed` sets."""

    def infer_shape(self, x: Shape) -> Shape:
        _require_noise_shape(self.noise_shape, x, "AlphaDropout")
        return x


class ActivityRegularization(LayerSpec):
    """Return the input, and add a penalty on it to the loss, divided by the batch size."""

    l1: NonNegativeFloat = 0.0
    """Factor of the sum of absolute values."""
    l2: NonNegativeFloat = 0.0
    """Factor of the sum of squares."""

    supports_masking: ClassVar[bool] = True

    @property
    def activity_regularizer(self) -> "Regularizer":
        """The penalty."""
        from spec_compiler.specs.regularizers import L1L2

        return L1L2(l1=self.l1, l2=self.l2)

    def layout(self, rank: int) -> Layout:
        return "any"
