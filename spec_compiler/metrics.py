"""Keras's metrics, under Keras's names: classes, functions of (y_true, y_pred), torch tensors, and `get` and its like."""

from __future__ import annotations

from typing import Any

from spec_compiler.specs import metrics as _specs
from spec_compiler.specs.metrics import *  # noqa: F403
from spec_compiler.specs.metrics import Metric as Metric
from spec_compiler.specs.public import names_of as _names_of

__all__ = [*_specs.__all__, "Metric"]

_FUNCTIONS = {
    "metric_functions": "binary_accuracy categorical_accuracy sparse_categorical_accuracy top_k_categorical_accuracy "
    "sparse_top_k_categorical_accuracy",
    "loss_functions": "binary_crossentropy binary_focal_crossentropy categorical_crossentropy "
    "categorical_focal_crossentropy categorical_hinge hinge huber kl_divergence log_cosh mean_absolute_error "
    "mean_absolute_percentage_error mean_squared_error mean_squared_logarithmic_error poisson "
    "sparse_categorical_crossentropy squared_hinge",
}
_homes = {name: home for home, names in _FUNCTIONS.items() for name in names.split()}
_other = _names_of("metric", __name__)


def __getattr__(name: str) -> Any:
    """`binary_accuracy` and its like, which need torch; `get`, `serialize`, `deserialize`."""
    if name in _homes:
        from importlib import import_module

        return getattr(import_module(f"spec_compiler.runtime.{_homes[name]}"), name)
    return _other(name)
