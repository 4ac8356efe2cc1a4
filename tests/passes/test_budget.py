"""A model that takes more than the budget is refused before anything is allocated, naming the layer that takes most."""

from __future__ import annotations

import pytest

from spec_compiler import parse_spec
from spec_compiler.diagnostics import Reporter
from spec_compiler.passes import check
from spec_compiler.passes.check_budget import Budget

MODEL = "inputs: {{x: {{shape: [4], dtype: int32}}}}\nlayers:\n  - {item}\n"


def faults(item: str, budget: Budget) -> list[str]:
    reporter = Reporter()
    check(parse_spec(MODEL.format(item=item)), reporter, budget)
    return [d.message for d in reporter.diagnostics]


@pytest.mark.parametrize(
    ("item", "count"),
    [
        ("RepeatVector: {n: 1000}", 4_000),
        ("Embedding: {input_dim: 10, output_dim: 7}", 28),
        # These have a first axis that is no batch.
        ("{ops.linspace: {num: 300, axis: 0}, with: {start: 0.0, stop: {from: x}}}", 1_200),
        ("ops.reshape: {newshape: [50, 2]}", 100),
    ],
)
def test_activations_are_those_of_a_sample(item: str, count: int) -> None:
    assert faults(item, Budget()) == []
    assert faults(item, Budget(activations=count)) == []
    (message,) = faults(item, Budget(activations=count - 1))
    assert f"{count:,} activations" in message


def test_weights_are_counted_once() -> None:
    assert faults("Dense: {units: 3}", Budget(params=15)) == []
    (message,) = faults("Dense: {units: 3}", Budget(params=14))
    assert "15 parameters" in message
