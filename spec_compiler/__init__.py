"""A compiler for neural-network specs: Keras JSON and YAML of any age, or short YAML, to plain PyTorch.

Importing it costs next to nothing: each name is loaded when it is first used, and torch only by what computes.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "load_spec": "loading",
    "parse_spec": "loading",
    "validate": "loading",
    "validate_text": "loading",
    "SpecError": "diagnostics",
    "Input": "specs.functional",
    "register_layer": "specs.registry",
    "LayerSpec": "specs.base",
    "Variable": "specs.variable",
    "ShapeError": "specs.shapes",
    "lower": "lowering.lower",
    "lowers": "lowering.table",
    "lowers_mask": "lowering.table",
    "ModuleExpr": "lowering.expressions",
    "Rule": "lowering.weights",
    "emit": "compiling",
    "Model": "runtime.model",
    "Sequential": "runtime.sequential",
    "load_model": "runtime.saving",
    "set_random_seed": "runtime.seeds",
}
"""Where each public function stands."""

_MODULES = [
    "callbacks",
    "constraints",
    "fields",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "ops",
    "optimizers",
    "regularizers",
]

__all__ = ["__version__", *_HOMES, *_MODULES]

if TYPE_CHECKING:
    from spec_compiler import layers as layers
    from spec_compiler import models as models
    from spec_compiler.compiling import emit as emit
    from spec_compiler.diagnostics import SpecError as SpecError
    from spec_compiler.loading import load_spec as load_spec
    from spec_compiler.loading import parse_spec as parse_spec
    from spec_compiler.loading import validate as validate
    from spec_compiler.loading import validate_text as validate_text
    from spec_compiler.lowering.expressions import ModuleExpr as ModuleExpr
    from spec_compiler.lowering.lower import lower as lower
    from spec_compiler.lowering.table import lowers as lowers
    from spec_compiler.lowering.table import lowers_mask as lowers_mask
    from spec_compiler.lowering.weights import Rule as Rule
    from spec_compiler.runtime.model import Model as Model
    from spec_compiler.runtime.saving import load_model as load_model
    from spec_compiler.runtime.seeds import set_random_seed as set_random_seed
    from spec_compiler.runtime.sequential import Sequential as Sequential
    from spec_compiler.specs.base import LayerSpec as LayerSpec
    from spec_compiler.specs.functional import Input as Input
    from spec_compiler.specs.registry import register_layer as register_layer
    from spec_compiler.specs.shapes import ShapeError as ShapeError
    from spec_compiler.specs.variable import Variable as Variable


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"spec_compiler.{_HOMES[name]}"), name)
    if name in _MODULES:
        return import_module(f"spec_compiler.{name}")
    raise AttributeError(f"module 'spec_compiler' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
