"""Steps of one size in the direction of a mean gradient."""

from spec_compiler.specs.optimizers.base import LearningRate, Momentum, Optimizer


class Lion(Optimizer):
    """Steps of equal size by the sign of a momentum (arXiv:2302.06675)."""

    learning_rate: LearningRate = 0.001
    """The step size."""
    beta_1: Momentum = 0.9
    """Weight of the momentum against the gradient in the sign."""
    beta_2: Momentum = 0.99
    """Decay of the momentum."""
