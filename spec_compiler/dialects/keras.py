"""A Keras document of any generation to a model spec."""

from __future__ import annotations

from spec_compiler.diagnostics import Reporter
from spec_compiler.dialects import keras0, keras1, keras2, keras2_versions, keras3, masks, tfjs
from spec_compiler.dialects.detect import Detected
from spec_compiler.dialects.frozen import freeze_within
from spec_compiler.dialects.keras1_several import is_early
from spec_compiler.dialects.layers import LayerReader
from spec_compiler.dialects.models import read_model
from spec_compiler.dialects.training import read_training
from spec_compiler.specs.model import ModelSpec

_SINCE_2 = (keras2.RULES, keras3.RULES)
RULES = {
    "keras0": (keras0.RULES, keras1.RULES, *_SINCE_2),
    "keras1": (keras1.RULES, *_SINCE_2),
    "keras2": _SINCE_2,
    "keras3": (keras3.RULES,),
    "tfjs": (tfjs.RULES, *_SINCE_2),
}
"""The rules of each dialect, oldest first: they lead to Keras 3's words."""


def read(found: Detected, reporter: Reporter) -> ModelSpec | None:
    """The model that was detected; None when a fault was reported."""
    spec = read_untrained(found, reporter)
    if spec is not None:
        spec.training = read_training(found, reporter)
        spec._origin = found.origin
    return spec


def read_untrained(found: Detected, reporter: Reporter) -> ModelSpec | None:
    """The model alone, without how it is trained and what wrote it; None when a fault was reported."""
    if found.dialect == "keras2":
        from spec_compiler.dialects.json_types import opened

        found = opened(found)
    before = reporter.error_count
    rules = RULES[found.dialect]
    if found.dialect in ("keras0", "keras1"):
        rules = (keras1.of_file(found.data, found.origin.keras_version), *rules)
    elif found.dialect == "keras2":
        rules = (keras2_versions.rules(found.origin, found.data), *rules)
    rule = masks.of(found)
    inline = found.dialect == "keras0"
    reader = LayerReader(rules, reporter, inline, masks=rule, early=inline and is_early(found.data))
    item = reader.item(found.data, found.path)
    if item is None:
        return None
    if found.bare:
        item = item._replace(config_path=found.path)
    spec = read_model(reader, item)
    if spec is not None and rule in masks.OF_KERAS2:
        freeze_within(spec)
    if spec is not None and found.dialect == "keras2":
        keras2_versions.follow(spec, found.origin)
    return None if reporter.error_count > before else spec
