"""Lowerings of `specs.layers.recurrent_cells`: those of `lowering.recurrent`, whose functions take any cells."""

from __future__ import annotations

from spec_compiler.lowering import recurrent as recurrent
