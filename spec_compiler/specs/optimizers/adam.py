"""Adam and its kin: steps along a mean gradient, scaled by a mean square."""

from spec_compiler.specs.optimizers.base import LearningRate, Momentum, Optimizer
from spec_compiler.specs.types import Bool, NonNegativeFloat


class Adam(Optimizer):
    """Steps scaled by running means of the gradients and their squares (arXiv:1412.6980, "epsilon hat")."""

    learning_rate: LearningRate = 0.001
    """The step size."""
    beta_1: Momentum = 0.9
    """Decay of the mean of the gradients."""
    beta_2: Momentum = 0.999
    """Decay of the mean of their squares."""
    epsilon: NonNegativeFloat = 1e-7
    """Added to the root, which is not yet bias-corrected: torch's is added after the correction."""
    amsgrad: Bool = False
    """Whether the largest mean of squares so far is used (Reddi et al., 2018)."""


class AdamW(Adam):
    """Adam with decoupled weight decay (arXiv:1711.05101)."""

    learning_rate: LearningRate = 0.001
    """The step size."""
    weight_decay: NonNegativeFloat = 0.004
    """Each step first shrinks the weights by `weight_decay · learning_rate` of themselves."""


class Adamax(Optimizer):
    """Adam with a decayed maximum of the gradients in the place of their mean square (arXiv:1412.6980)."""

    learning_rate: LearningRate = 0.001
    """The step size."""
    beta_1: Momentum = 0.9
    """Decay of the mean of the gradients."""
    beta_2: Momentum = 0.999
    """Decay of the maximum."""
    epsilon: NonNegativeFloat = 1e-7
    """Added to the maximum."""


class Nadam(Optimizer):
    """Adam with Nesterov's momentum (Dozat, 2016)."""

    learning_rate: LearningRate = 0.001
    """The step size."""
    beta_1: Momentum = 0.9
    """Decay of the mean of the gradients."""
    beta_2: Momentum = 0.999
    """Decay of the mean of their squares."""
    epsilon: NonNegativeFloat = 1e-7
    """Added to the root."""
