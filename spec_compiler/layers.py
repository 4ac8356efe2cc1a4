"""Every layer, under Keras's name: `layers.Dense(32, activation="relu")`. No torch is needed to state one."""

from __future__ import annotations

from typing import Any

from spec_compiler.specs import layers as _layers
from spec_compiler.specs.functional import Input as Input
from spec_compiler.specs.registry import registered_layers

__all__ = [*_layers.__all__, "Input"]


def __getattr__(name: str) -> Any:
    own = registered_layers()
    return own[name] if name in own else getattr(_layers, name)


def __dir__() -> list[str]:
    return [*__all__, *registered_layers()]
