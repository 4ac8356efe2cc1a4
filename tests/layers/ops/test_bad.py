"""Calls of operations that cannot be: we say why before anything runs; Keras refuses them too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import pytest
import yaml

from spec_compiler import ops, validate
from spec_compiler.diagnostics import SpecError
from spec_compiler.specs.functional import Input
from tests.layers.ops import oracle
from tests.layers.ops.oracle import Case


def _cases() -> list[Any]:
    found = []
    for entry in yaml.safe_load((Path(__file__).parent / "bad.yaml").read_text()):
        fault, ours = entry.pop("fault"), entry.pop("ours", False)
        for op in entry.pop("op").split():
            case = Case(id=f"{op}: {fault}", op=op, **entry)
            found.append(pytest.param(case, fault, ours, id=case.id))
            entry = dict(entry)
    return found


@pytest.mark.parametrize(("case", "fault", "ours"), _cases())
def test_what_cannot_be_is_said(case: Case, fault: str, ours: bool) -> None:
    """`ours`: Keras on torch computes something that means nothing, or what other backends refuse."""
    arrays = oracle.arrays_of(case)
    types = oracle.types_of(case, arrays)
    with pytest.raises(SpecError) as caught:
        oracle.called(getattr(ops, case.op), case, [Input(batch_shape=s, dtype=d) for s, d in types])
    assert fault in str(caught.value)
    if not ours:
        with pytest.raises(Exception):  # noqa: B017  Keras's, and torch's, are of every kind.
            inputs = [keras.Input(batch_shape=s, dtype=d) for s, d in types]
            keras.Model(inputs, oracle.called(oracle.keras_function(case.op), case, inputs))(
                oracle.tensors_of(case, arrays)
            )


def test_a_call_on_constants_alone_is_said() -> None:
    document = oracle.make_pair(Case("add", "add", inputs=[[3], [3]])).document
    document["config"]["layers"][-1]["inbound_nodes"][0]["args"] = [1, 2.5]
    report = validate(document)
    assert "it is called on constants alone" in report.diagnostics[0].message
