"""Metrics of margins."""

from spec_compiler.specs.metrics.base import MetricSpec


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
