"""Counts of hits and misses at thresholds, and what follows from them."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from spec_compiler.specs.metrics.base import MetricSpec
from spec_compiler.specs.types import Before, Bool, DType, NonNegativeInt, PositiveInt, Rate


def _list_of(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


Thresholds = Annotated[Rate | list[Rate] | None, Before(_list_of)]


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
