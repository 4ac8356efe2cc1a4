"""Metrics: what is watched while training. Names, arguments and defaults are Keras 3's.

How each accumulates is in `runtime/metrics.py` and `runtime/confusion.py`.
"""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, PrivateAttr, model_validator

from spec_compiler.specs.arguments import ArgumentsSpec
from spec_compiler.specs.registry import snake_case
from spec_compiler.specs.types import Bool, DType, Float, Int, NonNegativeInt, PositiveInt, Rate

__all__ = [
    "AUC",
    "Accuracy",
    "BinaryAccuracy",
    "BinaryCrossentropy",
    "CategoricalAccuracy",
    "CategoricalCrossentropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "FalseNegatives",
    "FalsePositives",
    "Hinge",
    "KLDivergence",
    "LogCoshError",
    "Mean",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "Precision",
    "Recall",
    "RootMeanSquaredError",
    "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy",
    "SparseTopKCategoricalAccuracy",
    "SquaredHinge",
    "Sum",
    "TopKCategoricalAccuracy",
    "TrueNegatives",
    "TruePositives",
]

Direction = Literal["up", "down"]


class Metric:
    """Base of your own metrics: define `update_state(y_true, y_pred, sample_weight=None)`, `result()`, `reset_state()`.

    The three are given, and return, torch tensors.
    """

    direction: ClassVar[Direction | None] = None

    def __init__(self, name: str | None = None, dtype: str | None = None) -> None:
        self.name = name
        self.dtype = dtype or "float32"

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch."""
        raise NotImplementedError(f"{type(self).__name__} does not define update_state(y_true, y_pred, sample_weight)")

    def result(self) -> Any:
        """The metric over all batches since the last `reset_state()`."""
        raise NotImplementedError(f"{type(self).__name__} does not define result()")

    def reset_state(self) -> None:
        """Forget all batches."""
        raise NotImplementedError(f"{type(self).__name__} does not define reset_state()")


class MetricSpec(ArgumentsSpec, Metric):
    """What every metric takes. Used on its own, it accumulates; `compile` gives each model a state of its own."""

    kind = "metric"

    direction: ClassVar[Direction | None] = None
    """Whether more of it is better (`up`) or worse (`down`)."""

    name: str | None = None
    """What the metric is called in logs."""
    dtype: DType = "float32"
    """What it accumulates in."""

    _state: Any = PrivateAttr(default=None)

    def update_state(self, y_true: Any, y_pred: Any = None, sample_weight: Any = None) -> None:
        """Add a batch of targets and predictions (of values, for `Mean` and `Sum`)."""
        self._accumulator().update_arrays(y_true, y_pred, sample_weight)

    def result(self) -> Any:
        """The metric over all batches since the last `reset_state()`, a torch tensor."""
        return self._accumulator().result()

    def reset_state(self) -> None:
        """Forget all batches."""
        self._accumulator().reset()

    def get_config(self) -> dict[str, Any]:
        """The arguments as Keras 3 writes them."""
        return {**super().get_config(), "name": self.name or snake_case(type(self).__name__)}

    def _accumulator(self) -> Any:
        if self._state is None:
            from spec_compiler.runtime.metrics import make_metric

            self._state = make_metric(self)
        return self._state


class Mean(MetricSpec):
    """Mean of the values given to `update_state(values, sample_weight)`."""

    name: str | None = "mean"


class Sum(MetricSpec):
    """Sum of the values given to `update_state(values, sample_weight)`."""

    name: str | None = "sum"


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


class KLDivergence(MetricSpec):
    """Mean of `sum(y_true · log(y_true / y_pred))`."""

    direction = "down"
    name: str | None = "kl_divergence"


class Poisson(MetricSpec):
    """Mean of `y_pred - y_true · log(y_pred)`."""

    direction = "down"
    name: str | None = "poisson"


class Hinge(MetricSpec):
    """Mean of `max(1 - y_true·y_pred, 0)`."""

    direction = "down"
    name: str | None = "hinge"


class SquaredHinge(MetricSpec):
    """Mean of `max(1 - y_true·y_pred, 0)²`."""

    direction = "down"
    name: str | None = "squared_hinge"


class CategoricalHinge(MetricSpec):
    """Mean of the hinge loss between the true class and the best wrong one."""

    direction = "down"
    name: str | None = "categorical_hinge"


class Accuracy(MetricSpec):
    """Fraction of predictions that equal their targets."""

    direction = "up"
    name: str | None = "accuracy"


class CategoricalAccuracy(MetricSpec):
    """Fraction of samples whose largest prediction is at the target's largest entry."""

    direction = "up"
    name: str | None = "categorical_accuracy"


class SparseCategoricalAccuracy(MetricSpec):
    """Fraction of samples whose largest prediction is at the target, a class number."""

    direction = "up"
    name: str | None = "sparse_categorical_accuracy"


class BinaryAccuracy(MetricSpec):
    """Fraction of 0/1 targets that predictions, cut at a threshold, equal."""

    direction = "up"
    name: str | None = "binary_accuracy"
    dtype: DType = "float32"
    threshold: Float = 0.5
    """Predictions above it count as 1."""


class TopKCategoricalAccuracy(MetricSpec):
    """Fraction of samples whose class is among the `k` largest predictions; targets one-hot."""

    direction = "up"
    k: PositiveInt = 5
    """How many predictions count."""
    name: str | None = "top_k_categorical_accuracy"


class SparseTopKCategoricalAccuracy(MetricSpec):
    """Fraction of samples whose class is among the `k` largest predictions; targets class numbers."""

    direction = "up"
    unstated = ("from_sorted_ids",)

    k: PositiveInt = 5
    """How many predictions count."""
    name: str | None = "sparse_top_k_categorical_accuracy"
    dtype: DType = "float32"
    from_sorted_ids: Bool = False
    """Whether predictions are class numbers, the likeliest first."""


class CosineSimilarity(MetricSpec):
    """Mean cosine of the angle between target and prediction."""

    direction = "up"
    unstated = ("axis",)

    name: str | None = "cosine_similarity"
    dtype: DType = "float32"
    axis: Int = -1
    """The axis along which the vectors lie."""


class BinaryCrossentropy(MetricSpec):
    """Mean cross-entropy of 0/1 targets and one probability each."""

    direction = "down"
    name: str | None = "binary_crossentropy"
    dtype: DType = "float32"
    from_logits: Bool = False
    """Whether predictions are logits."""
    label_smoothing: Rate = 0.0
    """Moves targets towards 0.5."""


class CategoricalCrossentropy(MetricSpec):
    """Mean of `-sum(y_true · log(y_pred))`; targets one-hot."""

    direction = "down"
    name: str | None = "categorical_crossentropy"
    dtype: DType = "float32"
    from_logits: Bool = False
    """Whether predictions are logits."""
    label_smoothing: Rate = 0.0
    """Moves targets towards `1 / classes`."""
    axis: Int = -1
    """The axis of the classes."""


class SparseCategoricalCrossentropy(MetricSpec):
    """Mean of `-log(y_pred[y_true])`; targets class numbers."""

    direction = "down"
    name: str | None = "sparse_categorical_crossentropy"
    dtype: DType = "float32"
    from_logits: Bool = False
    """Whether predictions are logits."""
    ignore_class: Int | None = None
    """A class whose samples count 0."""
    axis: Int = -1
    """The axis of the classes."""


def _list_of(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


Thresholds = Annotated[Rate | list[Rate] | None, BeforeValidator(_list_of)]


class TruePositives(MetricSpec):
    """Number (or weight) of positives that are predicted."""

    direction = "up"
    thresholds: Thresholds = None
    """Predictions above it count as positive; a list gives one result a threshold. None: 0.5."""


class TrueNegatives(MetricSpec):
    """Number (or weight) of negatives that are predicted."""

    direction = "up"
    thresholds: Thresholds = None
    """Predictions above it count as positive; a list gives one result a threshold. None: 0.5."""


class FalsePositives(MetricSpec):
    """Number (or weight) of negatives predicted as positive."""

    direction = "down"
    thresholds: Thresholds = None
    """Predictions above it count as positive; a list gives one result a threshold. None: 0.5."""


class FalseNegatives(MetricSpec):
    """Number (or weight) of positives predicted as negative."""

    direction = "down"
    thresholds: Thresholds = None
    """Predictions above it count as positive; a list gives one result a threshold. None: 0.5."""


class Precision(MetricSpec):
    """Fraction of what is predicted as positive that is: `tp / (tp + fp)`."""

    direction = "up"
    thresholds: Thresholds = None
    """Predictions above it count as positive; a list gives one result a threshold. None: 0.5, or with `top_k` none."""
    top_k: PositiveInt | None = None
    """Count only a sample's `top_k` largest predictions as positive."""
    class_id: NonNegativeInt | None = None
    """Look at this class alone."""


class Recall(MetricSpec):
    """Fraction of the positives that are predicted: `tp / (tp + fn)`."""

    direction = "up"
    thresholds: Thresholds = None
    """Predictions above it count as positive; a list gives one result a threshold. None: 0.5, or with `top_k` none."""
    top_k: PositiveInt | None = None
    """Count only a sample's `top_k` largest predictions as positive."""
    class_id: NonNegativeInt | None = None
    """Look at this class alone."""


class AUC(MetricSpec):
    """Area under the ROC or precision-recall curve, from counts at `num_thresholds` thresholds."""

    direction = "up"
    unstated = ("thresholds",)

    num_thresholds: Annotated[PositiveInt, Field(ge=2, le=100_000)] = 200
    """How finely the curve is sampled."""
    curve: Literal["ROC", "PR"] = "ROC"
    """Which curve."""
    summation_method: Literal["interpolation", "minoring", "majoring"] = "interpolation"
    """Trapezoids (for PR, Davis and Goadrich's interpolation), or rectangles below or above."""
    name: str | None = None
    dtype: DType = "float32"
    thresholds: list[Rate] | None = None
    """The thresholds themselves."""
    multi_label: Literal[False] = False
    """Areas a label are not computed: give each label an output of its own."""
    num_labels: None = None
    """See `multi_label`."""
    label_weights: None = None
    """See `multi_label`."""
    from_logits: Bool = False
    """Whether predictions are logits."""

    @model_validator(mode="after")
    def _count_thresholds(self) -> Self:
        if self.thresholds is not None:
            # Keras counts the two that it adds below 0 and above 1.
            self.__dict__["num_thresholds"] = len(self.thresholds) + 2
        return self


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
    "acc": Accuracy,
}
