"""What freezes what: in Keras 2 and the short form a frozen model or wrapper freezes all within, in Keras 3 each its own.

Specs mean it as Keras 3 does: of the layers inside others it is each one's own `trainable` that counts, and the whole model's.
"""

from __future__ import annotations

from itertools import chain

from spec_compiler.specs.layers.core import InputLayer
from spec_compiler.specs.model import ModelSpec, inside


def freeze_within(spec: ModelSpec, unless_stated: bool = False) -> None:
    """Freeze the layers within `spec` and its layers, where these are frozen; `unless_stated`: but those that say they train."""
    for layer in chain([spec], spec.walk()):
        if layer.trainable:
            continue
        layer._parts_frozen = True
        for inner in layer.members() if isinstance(layer, ModelSpec) else inside(layer):
            free = unless_stated and "trainable" in inner.model_fields_set
            if not (free or isinstance(inner, InputLayer) or hasattr(inner, "operation")):
                # Past the assignment, which would reach further down: those there are asked in their turn.
                inner.__dict__["trainable"] = False
