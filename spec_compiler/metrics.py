"""Keras's metrics, under Keras's names."""

from __future__ import annotations

from spec_compiler.specs import metrics as _specs
from spec_compiler.specs.metrics import *  # noqa: F403
from spec_compiler.specs.metrics import Metric as Metric

__all__ = [*_specs.__all__, "Metric"]
