"""Keras's optimizers, under Keras's names."""

from __future__ import annotations

from spec_compiler.specs.optimizers import *  # noqa: F403
from spec_compiler.specs.optimizers import __all__ as __all__
