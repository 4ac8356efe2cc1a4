"""Noise other than zeros, in training alone."""

from spec_compiler.specs.layers.regularization import Noise, require_noise_shape
from spec_compiler.specs.shapes import Shape
from spec_compiler.specs.types import NonNegativeFloat, OpenRate, Seed, ShapeField


class GaussianNoise(Noise):
    """Add draws from a normal distribution around 0."""

    stddev: NonNegativeFloat
    """Standard deviation of the noise. (Keras 3 takes none above 1, Keras 2 any.)"""
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
        require_noise_shape(self.noise_shape, x, "AlphaDropout")
        return x
