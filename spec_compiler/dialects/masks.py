"""Whose rule for masks a model follows: an older Keras's goes with it into the dialects that have another."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.model import FunctionalSpec, ModelSpec, Placed

if TYPE_CHECKING:
    from spec_compiler.dialects.detect import Detected

KEY, KERAS2, KERAS2_9, KERAS3_3, KERAS3_9 = "masks", "keras2", "keras2.9", "keras3.3", "keras3.9"
"""What says so at the top of a document; Keras passes over it. `keras2.9` is how it was until then."""
OF_KERAS2 = (KERAS2, KERAS2_9)
RULES = (*OF_KERAS2, KERAS3_3, KERAS3_9)

_KERAS3 = re.compile(r"3\.(\d+)")
_MERGING = ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate")
_KEPT = {KERAS3_3: (*_MERGING, "Softmax"), KERAS3_9: ("Softmax",)}
"""The layers of Keras 3 that computed as Keras 2's under masks until that version."""


def of(found: Detected) -> str | None:
    """The rule that a document follows; None: Keras 3's."""
    if found.dialect == "keras3":
        return said(found.data) or _of_keras3(found.origin.keras_version)
    from spec_compiler.dialects.keras2_versions import Written  # no other dialect needs it

    written = Written.of(found.origin)
    return KERAS2_9 if written is not None and written.attends_unmasked else KERAS2


def _of_keras3(version: str | None) -> str | None:
    stated = _KERAS3.match(version or "")
    if stated is None:
        return None
    minor = int(stated[1])
    return KERAS3_3 if minor < 4 else KERAS3_9 if minor < 10 else None


def said(document: dict[str, Any]) -> str | None:
    """The rule that a document, a mapping at its top, states."""
    rule = document.get(KEY)
    return rule if rule in RULES else None


def follow(layer: LayerSpec, rule: str | None) -> None:
    """Have a layer follow the rule."""
    name = type(layer).__name__
    layer._keras2_masks = rule in OF_KERAS2 or name in _KEPT.get(rule or "", ())
    # Until 3.3, Keras 3 looked for a mask at a layer's first argument, where a list of tensors bears none.
    layer._drops_masks = rule == KERAS3_3 and layer.takes_list
    if name == "MultiHeadAttention":
        layer._attends_unmasked = rule == KERAS2_9


def stated(spec: ModelSpec) -> dict[str, str]:
    """The key for the document of `spec`; none where its Keras and today's compute the same.

    Keras 2's and 3's differ where masks are merged, in recurrent layers that are given states, in layers run at every
    step, and in Softmax under a mask of its own; and before 2.10 where attention bears a mask.
    """
    # Families that reading need not load.
    from spec_compiler.dialects.calls import is_recurrent
    from spec_compiler.specs.layers.core import Masking
    from spec_compiler.specs.layers.embedding import Embedding
    from spec_compiler.specs.layers.merging import Merging
    from spec_compiler.specs.layers.wrappers import TimeDistributed

    layers = list(spec.walk())
    attends = any(getattr(layer, "attends_unmasked", False) for layer in layers)
    drops = any(layer.drops_masks for layer in layers)
    whole = any(layer.keras2_masks and type(layer).__name__ not in _KEPT[KERAS3_3] for layer in layers)
    rule = KERAS2_9 if attends else KERAS2 if whole else KERAS3_3 if drops else KERAS3_9
    if any(
        isinstance(layer, FunctionalSpec) and any(map(_is_masked_softmax, layer.placed)) for layer in [spec, *layers]
    ):
        return {KEY: rule}
    differing = (Merging, TimeDistributed)
    follows = drops or any(
        layer.keras2_masks and (isinstance(layer, differing) or is_recurrent(type(layer))) for layer in layers
    )
    masked = any(isinstance(layer, Masking) or (isinstance(layer, Embedding) and layer.mask_zero) for layer in layers)
    return {KEY: rule} if (follows or attends) and masked else {}


def _is_masked_softmax(placed: Placed) -> bool:
    masked = any("mask" in call.kwargs or len(call.args) > 1 for call in placed.calls)
    return masked and placed.layer.keras2_masks and type(placed.layer).__name__ == "Softmax"
