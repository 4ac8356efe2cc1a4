"""How far predictions are from targets."""

from spec_compiler.specs.metrics.base import MetricSpec
from spec_compiler.specs.types import DType, Int


class MeanSquaredError(MetricSpec):
    """Mean of the squared errors."""

    direction = "down"
    name: str | None = "mean_squared_error"


class MeanAbsoluteError(MetricSpec):
    """Mean of the absolute errors."""

    direction = "down"
    name: str | None = "mean_absolute_error"


class MeanAbsolutePercentageError(MetricSpec):
    """Mean of the absolute errors, in percent of the targets."""

    direction = "down"
    name: str | None = "mean_absolute_percentage_error"


class MeanSquaredLogarithmicError(MetricSpec):
    """Mean of the squared differences of `log(1 + y)`."""

    direction = "down"
    name: str | None = "mean_squared_logarithmic_error"


class RootMeanSquaredError(MetricSpec):
    """Root of the mean of the squared errors."""

    direction = "down"
    name: str | None = "root_mean_squared_error"


class LogCoshError(MetricSpec):
    """Mean of `log(cosh(error))`."""

    direction = "down"
    name: str | None = "logcosh"


class CosineSimilarity(MetricSpec):
    """Mean cosine of the angle between target and prediction."""

    direction = "up"
    unstated = ("axis",)

    name: str | None = "cosine_similarity"
    dtype: DType = "float32"
    axis: Int = -1
    """The axis along which the vectors lie."""
