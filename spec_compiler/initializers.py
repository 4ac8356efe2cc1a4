"""Keras's initializers, under Keras's names."""

from __future__ import annotations

from spec_compiler.specs.initializers import *  # noqa: F403
from spec_compiler.specs.initializers import __all__ as __all__
