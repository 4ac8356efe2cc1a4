"""Keras's losses, under Keras's names: classes, functions of (y_true, y_pred), torch tensors, and `get` and its like."""

from __future__ import annotations

from typing import Any

from spec_compiler.specs import losses as _specs
from spec_compiler.specs.losses import *  # noqa: F403
from spec_compiler.specs.losses import Loss as Loss
from spec_compiler.specs.public import names_of as _names_of
from spec_compiler.specs.registry import snake_case as _snake_case

__all__ = [*_specs.__all__, "Loss"]

_FUNCTIONS = {_snake_case(name) for name in _specs.__all__}
_other = _names_of("loss", __name__)


def __getattr__(name: str) -> Any:
    """`mean_squared_error` and its like, which need torch; `get`, `serialize`, `deserialize`."""
    if name in _FUNCTIONS:
        from spec_compiler.runtime import loss_functions

        return getattr(loss_functions, name)
    return _other(name)
