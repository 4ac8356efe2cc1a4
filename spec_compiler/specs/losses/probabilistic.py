"""How far predicted distributions are from the true ones."""

from typing import Annotated, Any

from pydantic import Field

from spec_compiler.specs.losses.base import LossSpec, Reduction, with_single_axis
from spec_compiler.specs.types import Axes, Bool, Int, NonNegativeFloat, Rate


class KLDivergence(LossSpec):
    """`sum(y_true · log(y_true / y_pred))` over the last axis; both clipped to 1e-7 … 1."""

    name: str | None = "kl_divergence"


class Poisson(LossSpec):
    """`mean(y_pred - y_true · log(y_pred + 1e-7))` over the last axis."""

    name: str | None = "poisson"


class BinaryCrossentropy(LossSpec):
    """Cross-entropy of 0/1 targets and one probability each; mean over `axis`."""

    from_logits: Bool = False
    """Whether predictions are logits; otherwise probabilities, clipped to 1e-7 … 1 - 1e-7."""
    label_smoothing: Rate = 0.0
    """Moves targets towards 0.5: `y·(1 - s) + s/2`."""
    axis: Axes | None = (-1,)
    """The axis, or axes, averaged over."""
    name: str | None = "binary_crossentropy"

    def get_config(self) -> dict[str, Any]:
        """The arguments as Keras 3 writes them: a single axis is a number."""
        return with_single_axis(super().get_config())


class CategoricalCrossentropy(LossSpec):
    """`-sum(y_true · log(y_pred))` over `axis`; targets one-hot or probabilities."""

    from_logits: Bool = False
    """Whether predictions are logits; otherwise they are divided by their sum and clipped to 1e-7 … 1 - 1e-7."""
    label_smoothing: Rate = 0.0
    """Moves targets towards `1 / classes`."""
    axis: Int = -1
    """The axis of the classes."""
    name: str | None = "categorical_crossentropy"


class SparseCategoricalCrossentropy(LossSpec):
    """`-log(y_pred[y_true])`; targets are class numbers, without the class axis or with one of length 1."""

    from_logits: Bool = False
    """Whether predictions are logits; otherwise they are divided by their sum and clipped to 1e-7 … 1 - 1e-7."""
    ignore_class: Int | None = None
    """A class whose samples count nothing: neither in the sum nor in what it is divided by."""
    reduction: Reduction = "sum_over_batch_size"
    axis: Int = -1
    """The axis of the classes."""
    name: str | None = "sparse_categorical_crossentropy"

    unstated = ("dtype", "axis")


class CategoricalGeneralizedCrossEntropy(LossSpec):
    """`(1 - p^q) / q`, p the probability given to the true class; targets are class numbers (arXiv:1805.07836)."""

    q: Annotated[NonNegativeFloat, Field(gt=0, lt=1)] = 0.5
    """Between cross-entropy (towards 0) and mean absolute error (towards 1)."""
    name: str | None = "categorical_generalized_cross_entropy"
