"""Keras's initializers, under Keras's names: classes, `get`, `serialize`, `deserialize`."""

from __future__ import annotations

from spec_compiler.specs.initializers import *  # noqa: F403
from spec_compiler.specs.initializers import __all__ as __all__
from spec_compiler.specs.public import names_of as _names_of

__getattr__ = _names_of("initializer", __name__)
