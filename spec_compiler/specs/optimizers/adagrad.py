"""Steps scaled by all gradients so far."""

from typing import Annotated

from pydantic import Field

from spec_compiler.specs.optimizers.base import LearningRate, Momentum, Optimizer
from spec_compiler.specs.types import Float, NonNegativeFloat


class Adagrad(Optimizer):
    """Steps divided by the root of the sum of all squared gradients (Duchi et al., 2011)."""

    learning_rate: LearningRate = 0.001
    """The step size."""
    initial_accumulator_value: NonNegativeFloat = 0.1
    """What the sum starts at."""
    epsilon: NonNegativeFloat = 1e-7
    """Added under the root."""


class Adadelta(Optimizer):
    """Steps whose size follows from the steps before (arXiv:1212.5701)."""

    learning_rate: LearningRate = 0.001
    """The step size; 1.0 is the paper's."""
    rho: Momentum = 0.95
    """Decay of the running means."""
    epsilon: NonNegativeFloat = 1e-7
    """Added under the roots."""


class Ftrl(Optimizer):
    """ "Follow the regularized leader", for sparse linear models (McMahan et al., 2013)."""

    learning_rate: LearningRate = 0.001
    """The step size."""
    learning_rate_power: Annotated[Float, Field(le=0)] = -0.5
    """How the step falls with the accumulated squares; 0: not at all."""
    initial_accumulator_value: NonNegativeFloat = 0.1
    """What the sum of squares starts at."""
    l1_regularization_strength: NonNegativeFloat = 0.0
    """L1 penalty."""
    l2_regularization_strength: NonNegativeFloat = 0.0
    """L2 penalty."""
    l2_shrinkage_regularization_strength: NonNegativeFloat = 0.0
    """L2 penalty on the magnitude, applied by the gradient."""
    beta: Float = 0.0
    """The paper's beta."""
