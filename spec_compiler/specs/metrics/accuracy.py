"""How many predictions are right."""

from spec_compiler.specs.metrics.base import MetricSpec
from spec_compiler.specs.types import Bool, DType, Float, PositiveInt


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
