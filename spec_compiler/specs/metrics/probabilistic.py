"""How far predicted distributions are from the true ones."""

from spec_compiler.specs.metrics.base import MetricSpec
from spec_compiler.specs.types import Bool, DType, Int, Rate


class KLDivergence(MetricSpec):
    """Mean of `sum(y_true · log(y_true / y_pred))`."""

    direction = "down"
    name: str | None = "kl_divergence"


class Poisson(MetricSpec):
    """Mean of `y_pred - y_true · log(y_pred)`."""

    direction = "down"
    name: str | None = "poisson"


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
