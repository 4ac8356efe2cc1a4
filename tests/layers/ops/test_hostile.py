"""Documents whose operations hold anything at all: they are read, or refused with diagnostics, and nothing is raised."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest

from spec_compiler.diagnostics import Reporter
from spec_compiler.dialects.read import read_data
from spec_compiler.passes import check
from tests.layers.ops import oracle

FIRST = {case.op: case for case in reversed(oracle.all_cases())}
ANYTHING: list[Any] = [
    None, True, 0, 1, -1, 3, 10**9, 10**30, 2.5, 1e300, float("nan"), float("inf"), "", "x", "same", "int32", "complex64",
    [], [0], [1, 2], [-1], [0, 0], [3, 3, 3], [[1, 2], [3, 4]], [[1], [2, 3]], [None], ["x"], [1.5], [[]], [True],
    [10**9, 10**9], {}, {"a": 1}, {"config": {"name": None}}, {"class_name": "__numpy__", "config": {"value": [1, 2]}},
]  # fmt: skip


@pytest.mark.parametrize("op", FIRST)
def test_anything_in_an_operation_is_read_or_refused(op: str) -> None:
    rng = random.Random(op)
    document = oracle.make_pair(FIRST[op]).document
    for _ in range(12):
        changed = copy.deepcopy(document)
        item = oracle.operations_in(changed)[-1]
        holders: list[Any] = [item["config"], *(n[key] for n in item["inbound_nodes"] for key in ("args", "kwargs"))]
        places = [(h, key) for h in holders for key in (h if isinstance(h, dict) else range(len(h)))]
        for holder, key in rng.sample(places, min(len(places), rng.choice([1, 2]))):
            holder[key] = rng.choice(ANYTHING)
        reporter = Reporter()
        spec = read_data(changed, reporter)
        if spec is None or check(spec, reporter) is None:
            assert reporter.diagnostics, item
