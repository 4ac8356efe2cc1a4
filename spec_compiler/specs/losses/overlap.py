"""How little two sets overlap."""

from spec_compiler.specs.losses.base import LossSpec, Reduction
from spec_compiler.specs.types import Axes, Float


class Dice(LossSpec):
    """`1 - 2·sum(y_true·y_pred) / (sum(y_true) + sum(y_pred) + 1e-7)`."""

    reduction: Reduction = "sum_over_batch_size"
    name: str | None = "dice"
    axis: Axes | None = None
    """The axes summed over; None: all, the batch's too."""


class Tversky(LossSpec):
    """`1 - tp / (tp + alpha·fp + beta·fn + 1e-7)`, as Keras counts fp and fn (arXiv:1706.05721)."""

    alpha: Float = 0.5
    """Weight of the first kind of error."""
    beta: Float = 0.5
    """Weight of the second."""
    reduction: Reduction = "sum_over_batch_size"
    name: str | None = "tversky"
    axis: Axes | None = None
    """The axes summed over; None: all, the batch's too."""
