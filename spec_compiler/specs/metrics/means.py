"""Metrics of values as they come."""

from spec_compiler.specs.metrics.base import MetricSpec


class Mean(MetricSpec):
    """Mean of the values given to `update_state(values, sample_weight)`."""

    name: str | None = "mean"


class Sum(MetricSpec):
    """Sum of the values given to `update_state(values, sample_weight)`."""

    name: str | None = "sum"
