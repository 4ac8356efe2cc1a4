"""Optimizers: how gradients change the weights. Names, arguments and defaults are Keras 3's.

The arithmetic is in `runtime/optimizers.py`.
"""

from __future__ import annotations

from spec_compiler.specs.families import families

__all__, __getattr__ = families(
    __name__,
    {
        "sgd": "SGD",
        "adam": "Adam AdamW Adamax Nadam",
        "rmsprop": "RMSprop",
        "adagrad": "Adagrad Adadelta Ftrl",
        "lion": "Lion",
    },
    bases={"base": "LearningRate Optimizer"},
)

# Keras takes the class's name in any case; its files hold either.
SHORT_NAMES = {name.lower(): name for name in __all__}
