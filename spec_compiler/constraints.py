"""Keras's constraints, under Keras's names."""

from __future__ import annotations

from spec_compiler.specs.constraints import *  # noqa: F403
from spec_compiler.specs.constraints import __all__ as __all__
