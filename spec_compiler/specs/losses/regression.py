"""How far numbers are from numbers."""

from spec_compiler.specs.losses.base import LossSpec
from spec_compiler.specs.types import Float, Int


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
