"""Steps down the gradient."""

from spec_compiler.specs.optimizers.base import LearningRate, Optimizer
from spec_compiler.specs.types import Bool, Rate


class SGD(Optimizer):
    """Gradient descent: `w -= learning_rate · g`, with momentum `v = momentum · v - learning_rate · g; w += v`."""

    learning_rate: LearningRate = 0.01
    """The step size."""
    momentum: Rate = 0.0
    """How much of the last step is repeated."""
    nesterov: Bool = False
    """Whether the step is `momentum · v - learning_rate · g` (Nesterov's momentum)."""
