"""Keras's callbacks, under Keras's names."""

from __future__ import annotations

from spec_compiler.runtime.callbacks import *  # noqa: F403
from spec_compiler.runtime.callbacks import __all__ as __all__
