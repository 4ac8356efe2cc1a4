"""Whose rule for masks a model follows: Keras 2's goes with it into the dialects that have another."""

from __future__ import annotations

from typing import Any

from spec_compiler.specs.model import FunctionalSpec, ModelSpec, Placed

KEY, KERAS2 = "masks", "keras2"
"""What says so at the top of a document; Keras passes over it."""


def stated(spec: ModelSpec) -> dict[str, str]:
    """The key for the document of `spec`; none where Keras 2 and 3 compute the same.

    They differ where masks are merged, in recurrent layers that are given states, in layers run at every step, and in
    Softmax under a mask of its own.
    """
    # Families that reading need not load.
    from spec_compiler.dialects.calls import is_recurrent
    from spec_compiler.specs.layers.core import Masking
    from spec_compiler.specs.layers.embedding import Embedding
    from spec_compiler.specs.layers.merging import Merging
    from spec_compiler.specs.layers.wrappers import TimeDistributed

    layers = list(spec.walk())
    if any(
        isinstance(layer, FunctionalSpec) and any(map(_is_masked_softmax, layer.placed)) for layer in [spec, *layers]
    ):
        return {KEY: KERAS2}
    differing = (Merging, TimeDistributed)
    follow = any(layer.keras2_masks and (isinstance(layer, differing) or is_recurrent(type(layer))) for layer in layers)
    masked = any(isinstance(layer, Masking) or (isinstance(layer, Embedding) and layer.mask_zero) for layer in layers)
    return {KEY: KERAS2} if follow and masked else {}


def _is_masked_softmax(placed: Placed) -> bool:
    masked = any("mask" in call.kwargs or len(call.args) > 1 for call in placed.calls)
    return masked and placed.layer.keras2_masks and type(placed.layer).__name__ == "Softmax"


def follow_keras2(spec: ModelSpec) -> None:
    """Have every layer of `spec` follow Keras 2's rule."""
    for layer in spec.walk():
        layer._keras2_masks = True


def says_keras2(document: dict[str, Any]) -> bool:
    """Whether the document, a mapping at its top, states Keras 2's rule."""
    return document.get(KEY) == KERAS2
