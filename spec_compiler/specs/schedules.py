"""Learning rates that change with the step. Names, arguments and defaults are Keras 3's.

A schedule is called with the number of steps done and returns a plain number: nothing of it lives on a device.
"""

import math
from typing import Self

from pydantic import model_validator

from spec_compiler.specs.arguments import ArgumentsSpec
from spec_compiler.specs.types import Bool, Float, NonNegativeInt, PositiveFloat, PositiveInt

__all__ = [
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "InverseTimeDecay",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
]


class LearningRateSchedule(ArgumentsSpec):
    """What every schedule is: a function of the step."""

    kind = "schedule"

    def __call__(self, step: int) -> float:
        """The learning rate of the step after `step` steps."""
        raise NotImplementedError


class ExponentialDecay(LearningRateSchedule):
    """`initial · decay_rate^(step / decay_steps)`."""

    initial_learning_rate: Float
    """The rate at step 0."""
    decay_steps: PositiveInt
    """Steps in which the rate falls to `decay_rate` of itself."""
    decay_rate: PositiveFloat
    """The factor."""
    staircase: Bool = False
    """Whether the rate changes only every `decay_steps` steps."""
    name: str = "ExponentialDecay"

    def __call__(self, step: int) -> float:
        p = step / self.decay_steps
        return self.initial_learning_rate * self.decay_rate ** (math.floor(p) if self.staircase else p)


class InverseTimeDecay(LearningRateSchedule):
    """`initial / (1 + decay_rate · step / decay_steps)`."""

    initial_learning_rate: Float
    """The rate at step 0."""
    decay_steps: PositiveInt
    """How often the decay is applied."""
    decay_rate: Float
    """How strong it is."""
    staircase: Bool = False
    """Whether the rate changes only every `decay_steps` steps."""
    name: str = "InverseTimeDecay"

    def __call__(self, step: int) -> float:
        p = step / self.decay_steps
        return self.initial_learning_rate / (1 + self.decay_rate * (math.floor(p) if self.staircase else p))


class PiecewiseConstantDecay(LearningRateSchedule):
    """`values[i]`, i the number of boundaries below the step."""

    boundaries: list[NonNegativeInt]
    """Last step of each value but the last, ascending."""
    values: list[Float]
    """One more than there are boundaries."""
    name: str = "PiecewiseConstant"

    @model_validator(mode="after")
    def _one_value_more(self) -> Self:
        if len(self.values) != len(self.boundaries) + 1:
            wanted = len(self.boundaries) + 1
            raise ValueError(f"{len(self.boundaries)} boundaries need {wanted} values, got {len(self.values)}")
        if not self.boundaries or self.boundaries != sorted(self.boundaries):
            raise ValueError("boundaries must be given, in ascending order")
        return self

    def __call__(self, step: int) -> float:
        return self.values[sum(step > boundary for boundary in self.boundaries)]


class PolynomialDecay(LearningRateSchedule):
    """From `initial` to `end` in `decay_steps` steps: `(initial - end) · (1 - step / decay_steps)^power + end`."""

    initial_learning_rate: Float
    """The rate at step 0."""
    decay_steps: PositiveInt
    """Steps to the end."""
    end_learning_rate: Float = 0.0001
    """The rate afterwards."""
    power: Float = 1.0
    """1: a straight line."""
    cycle: Bool = False
    """Whether the decay starts anew, from the end of a longer one, whenever it is over."""
    name: str = "PolynomialDecay"

    def __call__(self, step: int) -> float:
        steps: float = self.decay_steps
        if self.cycle:
            steps *= math.ceil(step / self.decay_steps) if step else 1
        left = math.pow(1 - min(step, steps) / steps, self.power)
        return (self.initial_learning_rate - self.end_learning_rate) * left + self.end_learning_rate


class CosineDecay(LearningRateSchedule):
    """Half a cosine from `initial` to `alpha · initial`, after a linear warm-up if asked for (arXiv:1608.03983)."""

    initial_learning_rate: Float
    """The rate at step 0."""
    decay_steps: PositiveInt
    """Steps of the decay, the warm-up not counted."""
    alpha: Float = 0.0
    """What is left at the end, as a fraction."""
    name: str = "CosineDecay"
    warmup_target: Float | None = None
    """The rate that the warm-up ends at and the decay starts from; None: no warm-up."""
    warmup_steps: NonNegativeInt = 0
    """Steps of the warm-up."""

    def __call__(self, step: int) -> float:
        start = self.initial_learning_rate
        if self.warmup_target is not None:
            if step < self.warmup_steps:
                return start + (self.warmup_target - start) * step / self.warmup_steps
            start, step = self.warmup_target, step - self.warmup_steps
        cosine = 0.5 * (1 + math.cos(math.pi * min(step / self.decay_steps, 1.0)))
        return start * ((1 - self.alpha) * cosine + self.alpha)


class CosineDecayRestarts(LearningRateSchedule):
    """Half cosines, one after the other, each `t_mul` times as long and `m_mul` times as high (arXiv:1608.03983)."""

    initial_learning_rate: Float
    """The rate at step 0."""
    first_decay_steps: PositiveInt
    """Steps of the first decay."""
    t_mul: PositiveFloat = 2.0
    """How much longer each decay is than the one before."""
    m_mul: Float = 1.0
    """How much higher each starts."""
    alpha: Float = 0.0
    """What is left at the end of each, as a fraction."""
    name: str = "SGDRDecay"

    def __call__(self, step: int) -> float:
        done = step / self.first_decay_steps
        restarts = math.floor(done)
        if self.t_mul == 1.0:
            done -= restarts
        else:
            # Restart i comes after 1 + t + … + t^(i-1) = (1 - t^i) / (1 - t) first lengths; the small addition keeps a
            # step that is exactly a restart from falling before it by rounding.
            restarts = math.floor(math.log(1 - done * (1 - self.t_mul)) / math.log(self.t_mul) + 1e-9)
            length = self.t_mul**restarts
            done = (done - (1 - length) / (1 - self.t_mul)) / length
        cosine = 0.5 * self.m_mul**restarts * (1 + math.cos(math.pi * done))
        return self.initial_learning_rate * ((1 - self.alpha) * cosine + self.alpha)
