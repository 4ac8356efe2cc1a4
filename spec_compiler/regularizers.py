"""Keras's regularizers, under Keras's names: classes, `get`, `serialize`, `deserialize`."""

from __future__ import annotations

from spec_compiler.specs.public import names_of as _names_of
from spec_compiler.specs.regularizers import *  # noqa: F403
from spec_compiler.specs.regularizers import __all__ as __all__

__getattr__ = _names_of("regularizer", __name__)
