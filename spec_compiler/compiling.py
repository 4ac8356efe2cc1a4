"""From a spec to source: the lowering, printed."""

from __future__ import annotations

from spec_compiler.codegen import emit as emit_lowered
from spec_compiler.lowering.lower import lower_spec
from spec_compiler.specs.model import ModelSpec


def emit(spec: ModelSpec) -> str:
    """Standalone PyTorch source of `spec`: one class, which needs torch alone and loads the module's `state_dict`.

    A nested model is a class of its own before it. Raises SpecError when the spec has a fault, or no input shape.
    """
    return emit_lowered(lower_spec(spec))
