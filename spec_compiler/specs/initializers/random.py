"""Weights that start as random draws, whatever their shape."""

from spec_compiler.specs.initializers.base import Initializer
from spec_compiler.specs.types import Float, NonNegativeFloat, Seed


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
