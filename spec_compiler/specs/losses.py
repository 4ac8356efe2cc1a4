"""Losses: how far predictions are from their targets. Names, arguments and defaults are Keras 3's.

What each computes is in `runtime/losses.py`.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from spec_compiler.specs.arguments import ArgumentsSpec
from spec_compiler.specs.types import Axes, Bool, DType, Float, Int, NonNegativeFloat, Rate

__all__ = [
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalGeneralizedCrossEntropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "Dice",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "Tversky",
]

Reduction = Literal["sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none"] | None


class Loss:
    """Base of your own losses: subclass it and define `call(y_true, y_pred)`, one value a sample or element.

    Arguments: `name` (None: the class's name), `reduction` (how the values become one number; see `LossSpec`) and
    `dtype`, which targets and predictions are cast to before `call`.
    """

    def __init__(
        self, name: str | None = None, reduction: Reduction = "sum_over_batch_size", dtype: str | None = None
    ) -> None:
        allowed = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None)
        if reduction not in allowed:
            raise ValueError(f"reduction={reduction!r} is none of {', '.join(map(repr, allowed))}")
        self.name = name
        self.reduction = reduction
        self.dtype = dtype or "float32"

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each sample or element, not reduced."""
        raise NotImplementedError(f"{type(self).__name__} does not define call(y_true, y_pred)")

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The reduced loss, a torch tensor; each value is multiplied by its `sample_weight` first."""
        from spec_compiler.runtime.losses import compute

        return compute(self, y_true, y_pred, sample_weight)


class LossSpec(ArgumentsSpec, Loss):
    """What every loss takes."""

    kind = "loss"
    unstated: ClassVar[tuple[str, ...]] = ("dtype",)

    reduction: Reduction = "sum_over_batch_size"
    """How the values become one number: their sum (`sum`), divided by their count (`sum_over_batch_size`, `mean`) or by
    the sum of the sample weights (`mean_with_sample_weight`); `none` keeps them."""
    name: str | None = None
    """The loss's name."""
    dtype: DType = "float32"
    """What targets and predictions are cast to."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each sample or element, not reduced."""
        from spec_compiler.runtime.losses import loss_function

        return loss_function(self)(y_true, y_pred)


class MeanSquaredError(LossSpec):
    """`mean((y_true - y_pred)²)` over the last axis."""

    name: str | None = "mean_squared_error"


class MeanAbsoluteError(LossSpec):
    """`mean(|y_true - y_pred|)` over the last axis."""

    name: str | None = "mean_absolute_error"


class MeanAbsolutePercentageError(LossSpec):
    """`100 · mean(|y_true - y_pred| / max(|y_true|, 1e-7))` over the last axis."""

    name: str | None = "mean_absolute_percentage_error"


class MeanSquaredLogarithmicError(LossSpec):
    """`mean((log(y_true + 1) - log(y_pred + 1))²)` over the last axis, both at least 1e-7."""

    name: str | None = "mean_squared_logarithmic_error"


class CosineSimilarity(LossSpec):
    """Minus the cosine of the angle between target and prediction: -1 for the same direction, 1 for the opposite."""

    axis: Int = -1
    """The axis along which the vectors lie."""
    name: str | None = "cosine_similarity"

    unstated = ("dtype", "axis")


class Huber(LossSpec):
    """`error²/2` where `|error| <= delta`, else `delta·|error| - delta²/2`; mean over the last axis."""

    delta: Float = 1.0
    """Where the parabola becomes a line."""
    name: str | None = "huber_loss"

    unstated = ("dtype", "delta")


class LogCosh(LossSpec):
    """`mean(log(cosh(y_pred - y_true)))` over the last axis."""

    name: str | None = "log_cosh"


class Hinge(LossSpec):
    """`mean(max(1 - y_true·y_pred, 0))` over the last axis; targets -1 or 1 (0 and 1 are converted)."""

    name: str | None = "hinge"


class SquaredHinge(LossSpec):
    """`mean(max(1 - y_true·y_pred, 0)²)` over the last axis; targets -1 or 1 (0 and 1 are converted)."""

    name: str | None = "squared_hinge"


class CategoricalHinge(LossSpec):
    """`max(max((1 - y_true)·y_pred) - sum(y_true·y_pred) + 1, 0)` over the last axis; targets one-hot."""

    name: str | None = "categorical_hinge"


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
        return _single_axis(super().get_config())


class BinaryFocalCrossentropy(LossSpec):
    """Binary cross-entropy times `(1 - p)^gamma`, p the probability given to the true class (arXiv:1708.02002)."""

    apply_class_balancing: Bool = False
    """Whether class 1 is weighted by `alpha` and class 0 by `1 - alpha`."""
    alpha: Float = 0.25
    """Weight of class 1."""
    gamma: Float = 2.0
    """How much well classified samples are discounted."""
    from_logits: Bool = False
    """Whether predictions are logits."""
    label_smoothing: Rate = 0.0
    """Moves targets towards 0.5."""
    axis: Axes | None = (-1,)
    """The axis, or axes, averaged over."""
    name: str | None = "binary_focal_crossentropy"

    def get_config(self) -> dict[str, Any]:
        """The arguments as Keras 3 writes them: a single axis is a number."""
        return _single_axis(super().get_config())


class CategoricalCrossentropy(LossSpec):
    """`-sum(y_true · log(y_pred))` over `axis`; targets one-hot or probabilities."""

    from_logits: Bool = False
    """Whether predictions are logits; otherwise they are divided by their sum and clipped to 1e-7 … 1 - 1e-7."""
    label_smoothing: Rate = 0.0
    """Moves targets towards `1 / classes`."""
    axis: Int = -1
    """The axis of the classes."""
    name: str | None = "categorical_crossentropy"


class CategoricalFocalCrossentropy(LossSpec):
    """Cross-entropy with each term times `alpha · (1 - p)^gamma` (arXiv:1708.02002)."""

    alpha: Float = 0.25
    """Weight of every class."""
    gamma: Float = 2.0
    """How much well classified samples are discounted."""
    from_logits: Bool = False
    """Whether predictions are logits."""
    label_smoothing: Rate = 0.0
    """Moves targets towards `1 / classes`."""
    axis: Int = -1
    """The axis of the classes."""
    name: str | None = "categorical_focal_crossentropy"


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


def _single_axis(config: dict[str, Any]) -> dict[str, Any]:
    axis = config["axis"]
    return {**config, "axis": axis[0]} if axis and len(axis) == 1 else config


SHORT_NAMES = {
    "mse": MeanSquaredError,
    "MSE": MeanSquaredError,
    "mae": MeanAbsoluteError,
    "MAE": MeanAbsoluteError,
    "mape": MeanAbsolutePercentageError,
    "MAPE": MeanAbsolutePercentageError,
    "msle": MeanSquaredLogarithmicError,
    "MSLE": MeanSquaredLogarithmicError,
    "bce": BinaryCrossentropy,
    "BCE": BinaryCrossentropy,
    "kld": KLDivergence,
    "KLD": KLDivergence,
    # compile() takes the cross-entropy that fits the shapes; these say that the name is known.
    "crossentropy": CategoricalCrossentropy,
    "ce": CategoricalCrossentropy,
    # Keras 2's names.
    "kullback_leibler_divergence": KLDivergence,
    "logcosh": LogCosh,
    "cosine_proximity": CosineSimilarity,
}
