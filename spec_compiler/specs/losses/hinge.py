"""Losses of margins."""

from spec_compiler.specs.losses.base import LossSpec


class Hinge(LossSpec):
    """`mean(max(1 - y_true·y_pred, 0))` over the last axis; targets -1 or 1 (0 and 1 are converted)."""

    name: str | None = "hinge"


class SquaredHinge(LossSpec):
    """`mean(max(1 - y_true·y_pred, 0)²)` over the last axis; targets -1 or 1 (0 and 1 are converted)."""

    name: str | None = "squared_hinge"


class CategoricalHinge(LossSpec):
    """`max(max((1 - y_true)·y_pred) - sum(y_true·y_pred) + 1, 0)` over the last axis; targets one-hot."""

    name: str | None = "categorical_hinge"
