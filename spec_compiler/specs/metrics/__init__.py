"""Metrics: what is watched while training. Names, arguments and defaults are Keras 3's.

How each accumulates is in `runtime/means.py` and `runtime/confusion.py`.
"""

from __future__ import annotations

from spec_compiler.specs.families import ERRORS, families

__all__, __getattr__ = families(
    __name__,
    {
        "means": "Mean Sum",
        "regression": "MeanSquaredError MeanAbsoluteError MeanAbsolutePercentageError MeanSquaredLogarithmicError "
        "RootMeanSquaredError LogCoshError CosineSimilarity",
        "hinge": "Hinge SquaredHinge CategoricalHinge",
        "accuracy": "Accuracy CategoricalAccuracy SparseCategoricalAccuracy BinaryAccuracy TopKCategoricalAccuracy "
        "SparseTopKCategoricalAccuracy",
        "probabilistic": "KLDivergence Poisson BinaryCrossentropy CategoricalCrossentropy SparseCategoricalCrossentropy",
        "confusion": "TruePositives TrueNegatives FalsePositives FalseNegatives Precision Recall AUC",
    },
    bases={"base": "Metric MetricSpec"},
)

SHORT_NAMES = {**ERRORS, "acc": "Accuracy"}
