"""Dialects: every way a model was ever written down, to the one way it is stated here, and back."""

from __future__ import annotations

from spec_compiler.dialects.detect import Detected, detect
from spec_compiler.dialects.read import read, read_data

__all__ = ["Detected", "detect", "read", "read_data"]
