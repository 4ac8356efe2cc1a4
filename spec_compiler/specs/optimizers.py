"""Optimizers: how gradients change the weights. Names, arguments and defaults are Keras 3's.

The arithmetic is in `runtime/optimizers.py`.
"""

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, PrivateAttr, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from spec_compiler.specs.arguments import ArgumentsSpec
from spec_compiler.specs.registry import snake_case
from spec_compiler.specs.schedules import LearningRateSchedule
from spec_compiler.specs.types import Bool, Float, NonNegativeFloat, PositiveFloat, PositiveInt, Rate

__all__ = ["SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "Ftrl", "Lion", "Nadam", "RMSprop"]


def _learning_rate(value: Any) -> float | LearningRateSchedule:
    from spec_compiler.specs.objects import resolve

    if isinstance(value, LearningRateSchedule):
        return value
    if isinstance(value, dict):
        return resolve("schedule", value)  # type: ignore[return-value]
    if isinstance(value, (bool, str)) or not hasattr(value, "__float__"):
        raise PydanticCustomError("learning_rate", "expected a number or a learning-rate schedule")
    rate = float(value)
    if not 0 <= rate < float("inf"):
        raise PydanticCustomError("learning_rate", "expected a finite number, 0 or more")
    return rate


LearningRate = Annotated[
    Any,
    BeforeValidator(_learning_rate),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0}, {"$ref": "#/$defs/schedule"}]}),
]
"""A number, or a schedule: `CosineDecay(0.1, 1000)`, `{"CosineDecay": {...}}`, Keras's `{class_name, config}`."""

Momentum = Annotated[float, Field(ge=0, lt=1)]


class Optimizer(ArgumentsSpec):
    """What every optimizer takes."""

    kind = "optimizer"

    weight_decay: NonNegativeFloat | None = None
    """Each step first shrinks the weights by `weight_decay · learning_rate` of themselves."""
    clipnorm: PositiveFloat | None = None
    """Largest Euclidean norm of each variable's gradient."""
    clipvalue: PositiveFloat | None = None
    """Largest absolute value of a gradient's elements."""
    global_clipnorm: PositiveFloat | None = None
    """Largest Euclidean norm of all gradients together."""
    use_ema: Bool = False
    """Whether to keep a moving average of the weights, which replaces them when training ends."""
    ema_momentum: Rate = 0.99
    """Weight of the old average in the new."""
    ema_overwrite_frequency: PositiveInt | None = None
    """Steps after which the average replaces the weights; None: only at the end."""
    loss_scale_factor: PositiveFloat | None = None
    """Factor of the loss before the gradients are taken, and their divisor afterwards."""
    gradient_accumulation_steps: Annotated[PositiveInt, Field(ge=2)] | None = None
    """Steps whose gradients are averaged before the weights change."""
    name: str | None = None
    """The optimizer's name."""

    _undecayed: tuple[tuple[Any, ...], tuple[str, ...]] = PrivateAttr(default=((), ()))

    @model_validator(mode="after")
    def _one_clipping(self) -> Self:
        given = [name for name in ("clipnorm", "clipvalue", "global_clipnorm") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"only one of clipnorm, clipvalue, global_clipnorm can be set, got {' and '.join(given)}")
        return self

    def exclude_from_weight_decay(self, var_list: Any = None, var_names: Any = None) -> None:
        """Leave variables out of `weight_decay`: those in `var_list`, and those whose names hold one of `var_names`.

        `var_names` are regular expressions, as in Keras. Call it before the model is compiled.
        """
        self._undecayed = (tuple(var_list or ()), tuple(var_names or ()))

    def get_config(self) -> dict[str, Any]:
        """The arguments as Keras 3 writes them."""
        return {**super().get_config(), "name": self.name or snake_case(type(self).__name__)}


class SGD(Optimizer):
    """Gradient descent: `w -= learning_rate · g`, with momentum `v = momentum · v - learning_rate · g; w += v`."""

    learning_rate: LearningRate = 0.01
    """The step size."""
    momentum: Rate = 0.0
    """How much of the last step is repeated."""
    nesterov: Bool = False
    """Whether the step is `momentum · v - learning_rate · g` (Nesterov's momentum)."""


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


class Lion(Optimizer):
    """Steps of equal size by the sign of a momentum (arXiv:2302.06675)."""

    learning_rate: LearningRate = 0.001
    """The step size."""
    beta_1: Momentum = 0.9
    """Weight of the momentum against the gradient in the sign."""
    beta_2: Momentum = 0.99
    """Decay of the momentum."""


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


# Keras takes the class's name in any case; its files hold either.
SHORT_NAMES = {
    cls.__name__.lower(): cls for cls in (SGD, Adadelta, Adagrad, Adam, AdamW, Adamax, Ftrl, Lion, Nadam, RMSprop)
}
