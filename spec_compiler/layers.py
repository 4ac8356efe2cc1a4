"""Every layer, under Keras's name: `layers.Dense(32, activation="relu")`. No torch is needed to state one."""

from __future__ import annotations

from typing import Any

from spec_compiler.diagnostics import did_you_mean
from spec_compiler.specs import layers as _layers
from spec_compiler.specs.functional import Input as Input
from spec_compiler.specs.registry import registered_layers

__all__ = [*_layers.__all__, "Input"]


def __getattr__(name: str) -> Any:
    own = registered_layers()
    if name not in own and name not in _layers.__all__ and not hasattr(_layers, name):
        hint = did_you_mean(name, [*_layers.__all__, *own])
        raise AttributeError(f"spec_compiler.layers has no layer '{name}'" + (f": {hint}" if hint else ""))
    return own[name] if name in own else getattr(_layers, name)


def __dir__() -> list[str]:
    return [*__all__, *registered_layers()]
