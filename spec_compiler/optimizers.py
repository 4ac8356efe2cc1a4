"""Keras's optimizers and learning-rate schedules, under Keras's names; `get`, `serialize`, `deserialize`."""

from __future__ import annotations

from spec_compiler.specs import optimizers as _specs
from spec_compiler.specs import schedules as schedules
from spec_compiler.specs.optimizers import *  # noqa: F403
from spec_compiler.specs.optimizers import Optimizer as Optimizer
from spec_compiler.specs.public import names_of as _names_of

__all__ = [*_specs.__all__, "Optimizer", "schedules"]

__getattr__ = _names_of("optimizer", __name__)
