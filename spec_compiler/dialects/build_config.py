"""Keras 3's `build_config`: the input shapes that each layer was built on, as far as Keras keeps them."""

from __future__ import annotations

from typing import Any

from spec_compiler.dialects.known import holds_operations, words
from spec_compiler.dialects.typed import Built
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.serialization import plain

_ALWAYS_BUILT = words(
    """
    Activation ActivityRegularization AlphaDropout Dropout ELU GaussianDropout GaussianNoise Identity InputLayer
    LeakyReLU Masking ReLU Reshape Softmax SpatialDropout1D SpatialDropout2D SpatialDropout3D UnitNormalization
    AveragePooling1D AveragePooling2D AveragePooling3D MaxPooling1D MaxPooling2D MaxPooling3D GlobalAveragePooling1D
    GlobalAveragePooling2D GlobalAveragePooling3D GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D
    """
)
"""Layers that Keras counts as built from the start, so that it keeps no shape for them."""

_ATTENTION = ("query", "value", "key")
_STEPS = words("TimeDistributed RNN")
"""Layers that call theirs on one step at a time."""


def build_config(layer: LayerSpec, built: Built | None) -> dict[str, Any] | None:
    """What Keras writes of the shapes `layer` was built on; None where it writes nothing."""
    name = type(layer).__name__
    if built is None or built.first is None or name in _ALWAYS_BUILT or holds_operations(layer.keras_module or ""):
        return None
    if name in ("MultiHeadAttention", "GroupQueryAttention"):
        given = dict(zip(_ATTENTION, built.args, strict=False))
        given |= {key: built.kwargs[key] for key in _ATTENTION if built.kwargs.get(key) is not None}
        return {"shapes_dict": {f"{key}_shape": plain(given[key]) for key in _ATTENTION if given.get(key) is not None}}
    state = built.kwargs.get("initial_state", built.args[1] if len(built.args) > 1 else None)
    if state is not None and (hasattr(layer, "return_state") or name == "Bidirectional"):
        return {"shapes_dict": {"sequences_shape": plain(built.first), "initial_state_shape": plain(state)}}
    return {"input_shape": plain(built.first)}


def inner(layer: LayerSpec, built: Built | None) -> Built | None:
    """What the layers inside a wrapper were built on."""
    if built is None or not isinstance(built.first, tuple):
        return None
    shape = built.first
    return Built(((shape[0], *shape[2:]),) if type(layer).__name__ in _STEPS else (shape,), {})
