"""Steps scaled by a mean square of the gradient."""

from spec_compiler.specs.optimizers.base import LearningRate, Momentum, Optimizer
from spec_compiler.specs.types import Bool, NonNegativeFloat, Rate


class RMSprop(Optimizer):
    """Steps divided by the root of a running mean of squared gradients (Hinton, 2012)."""

    learning_rate: LearningRate = 0.001
    """The step size."""
    rho: Momentum = 0.9
    """Decay of the mean."""
    momentum: Rate = 0.0
    """How much of the last step is repeated."""
    epsilon: NonNegativeFloat = 1e-7
    """Added under the root: torch's is added to it."""
    centered: Bool = False
    """Whether the variance is used and not the mean square."""
