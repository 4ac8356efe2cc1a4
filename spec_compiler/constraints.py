"""Keras's constraints, under Keras's names: classes, `get`, `serialize`, `deserialize`."""

from __future__ import annotations

from spec_compiler.specs.constraints import *  # noqa: F403
from spec_compiler.specs.constraints import __all__ as __all__
from spec_compiler.specs.public import names_of as _names_of

__getattr__ = _names_of("constraint", __name__)
