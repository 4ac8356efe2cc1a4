"""Keras's losses, under Keras's names."""

from __future__ import annotations

from spec_compiler.specs.losses import *  # noqa: F403
from spec_compiler.specs.losses import __all__ as __all__
