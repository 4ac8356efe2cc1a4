"""Keras's metrics, under Keras's names."""

from __future__ import annotations

from spec_compiler.specs.metrics import *  # noqa: F403
from spec_compiler.specs.metrics import __all__ as __all__
