"""Keras's optimizers and learning-rate schedules, under Keras's names."""

from __future__ import annotations

from spec_compiler.specs import optimizers as _specs
from spec_compiler.specs import schedules as schedules
from spec_compiler.specs.optimizers import *  # noqa: F403
from spec_compiler.specs.optimizers import Optimizer as Optimizer

__all__ = [*_specs.__all__, "Optimizer", "schedules"]
