"""Keras's regularizers, under Keras's names."""

from __future__ import annotations

from spec_compiler.specs.regularizers import *  # noqa: F403
from spec_compiler.specs.regularizers import __all__ as __all__
