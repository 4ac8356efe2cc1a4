"""Operations in the short form: each of `keras.ops`, read from what Keras writes, keeps its graph."""

from __future__ import annotations

import json
import re

import keras
import pytest

from spec_compiler.diagnostics import Reporter, SpecError
from spec_compiler.dialects.write import to_yaml
from spec_compiler.ir import build_graph
from spec_compiler.loading import load_spec, parse_spec, validate_text
from spec_compiler.specs.layers import InputLayer
from spec_compiler.specs.model import ModelSpec
from tests.layers.ops.oracle import all_cases, make_pair

FIRST = {case.op: case for case in reversed(all_cases())}
"""The first case of each operation."""


def assert_same_in_short_form(spec: ModelSpec) -> None:
    text = to_yaml(spec, "short")
    assert str(validate_text(text)) == ""
    assert graph(parse_spec(text)) == graph(spec)


def graph(spec: ModelSpec) -> str:
    """The graph as text, without arguments that are null; a tuple among arguments is a list in a document."""
    text = re.sub(r", \w+=None|(, None)+(?=\))", "", str(build_graph(spec, Reporter())))
    return text.replace("(", "[").replace(")", "]").replace(",]", "]")


@pytest.mark.parametrize("case", FIRST.values(), ids=FIRST)
def test_every_operation_keeps_its_graph(case) -> None:
    spec = load_spec(make_pair(case).document)
    if any(layer.batch_shape == () for layer in spec.members() if isinstance(layer, InputLayer)):
        with pytest.raises(SpecError, match="has no batch axis"):
            to_yaml(spec, "short")
        return
    assert_same_in_short_form(spec)


def test_constants_slices_and_lists_keep_their_graph() -> None:
    x, y = keras.Input((4, 6), name="x"), keras.Input((4, 6), name="y")
    z = (keras.ops.concatenate([x, y], axis=-1) + 1)[:, 1:4, ..., ::2]
    outputs = [2 - z, x[..., None], x[:, -1], keras.ops.where(x > 0, x, 0.5), keras.ops.split(y, 3, axis=2)[1] * 2.0]
    assert_same_in_short_form(load_spec(json.loads(keras.Model([x, y], outputs).to_json())))
