"""Keras's losses, under Keras's names: classes, and functions of (y_true, y_pred), torch tensors."""

from __future__ import annotations

from typing import Any

from spec_compiler.specs import losses as _specs
from spec_compiler.specs.losses import *  # noqa: F403
from spec_compiler.specs.losses import Loss as Loss
from spec_compiler.specs.registry import snake_case as _snake_case

__all__ = [*_specs.__all__, "Loss"]

_FUNCTIONS = {_snake_case(name) for name in _specs.__all__}


def __getattr__(name: str) -> Any:
    """`mean_squared_error` and its like, which need torch."""
    if name in _FUNCTIONS:
        from spec_compiler.runtime import loss_functions

        return getattr(loss_functions, name)
    raise AttributeError(f"module 'spec_compiler.losses' has no attribute '{name}'")
