"""Losses: how far predictions are from their targets. Names, arguments and defaults are Keras 3's.

What each computes is in `runtime/losses.py`.
"""

from __future__ import annotations

from spec_compiler.specs.families import ERRORS, families

__all__, __getattr__ = families(
    __name__,
    {
        "regression": "MeanSquaredError MeanAbsoluteError MeanAbsolutePercentageError MeanSquaredLogarithmicError "
        "CosineSimilarity Huber LogCosh",
        "hinge": "Hinge SquaredHinge CategoricalHinge",
        "probabilistic": "KLDivergence Poisson BinaryCrossentropy CategoricalCrossentropy SparseCategoricalCrossentropy "
        "CategoricalGeneralizedCrossEntropy",
        "focal": "BinaryFocalCrossentropy CategoricalFocalCrossentropy",
        "overlap": "Dice Tversky",
    },
    bases={"base": "Loss LossSpec Reduction"},
)

SHORT_NAMES = {
    **ERRORS,
    "kld": "KLDivergence",
    "KLD": "KLDivergence",
    # compile() takes the cross-entropy that fits the shapes; these say that the name is known.
    "crossentropy": "CategoricalCrossentropy",
    "ce": "CategoricalCrossentropy",
    # Keras 2's names.
    "kullback_leibler_divergence": "KLDivergence",
    "logcosh": "LogCosh",
    "cosine_proximity": "CosineSimilarity",
}
