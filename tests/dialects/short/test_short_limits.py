"""Short-form documents made to cost time or memory: refused within a bound, or read."""

from __future__ import annotations

import time

import pytest

from spec_compiler.diagnostics import BAD_REPEAT, BLOCK_RECURSION, LIMIT_EXCEEDED, Reporter
from spec_compiler.dialects import short
from spec_compiler.dialects.short.build import MAX_NESTING
from spec_compiler.specs.model import SequentialSpec

SECONDS = 20
"""Far above what these take (under 3 s), far below what their sizes would."""


def read(data):
    reporter = Reporter()
    start = time.perf_counter()
    spec = short.read(data, reporter)
    assert time.perf_counter() - start < SECONDS
    return spec, [diagnostic.code for diagnostic in reporter.diagnostics]


COUNTED = {"params": {"n": 1}, "layers": [{"Identity": {}, "repeat": "${n}"}]}


def doubling(levels: int, last: list) -> dict:
    blocks = {f"b{i}": {"layers": [f"b{i + 1}", f"b{i + 1}"]} for i in range(levels)}
    return {"layers": ["b0"], "blocks": {**blocks, f"b{levels}": {"layers": last}}}


@pytest.mark.parametrize(
    "data",
    [
        {"layers": [{"Identity": {}, "repeat": 10**12}]},
        doubling(30, ["Identity"]),
        {"layers": [{"b": {}, "repeat": 10**9}], "blocks": {"b": {"layers": [{"call": "x"}]}}},
        {
            "layers": [{"b": {"n": 10**9}}],
            "blocks": {"b": {"params": {"n": 1}, "layers": [{"Identity": {}, "repeat": "${n}"}]}},
        },
        {"layers": [{"m": {}, "repeat": 10**9}], "models": {"m": {"layers": ["Identity"]}}},
    ],
    ids=["repeat", "doubling", "broken-call", "parameter", "models"],
)
def test_what_unfolds_too_far_is_refused(data):
    spec, codes = read(data)
    assert spec is None
    assert BAD_REPEAT in codes


@pytest.mark.parametrize(
    "around",
    [
        {"layers": [{"Bidirectional": {"layer": "m"}}]},
        {"layers": ["m"]},
        {"inputs": {"x": [3]}, "layers": [{"b": {}, "from": "x"}]},
    ],
)
def test_recursion_is_found_through_models_blocks_and_wrappers(around):
    data = {"layers": ["m"], "models": {"m": around}, "blocks": {"b": {"layers": ["m"]}}}
    assert read(data) == (None, [BLOCK_RECURSION])


def test_a_long_chain_of_definitions_is_refused_without_recursion_error():
    blocks = {f"b{i}": {"layers": [f"b{i + 1}"]} for i in range(100_000)}
    assert read({"layers": ["b0"], "blocks": {**blocks, "b100000": {"layers": ["Identity"]}}}) == (
        None,
        [LIMIT_EXCEEDED],
    )


def test_wrappers_count_as_nesting():
    layer = "Identity"
    for _ in range(MAX_NESTING + 5):
        layer = {"Bidirectional": {"layer": layer}}
    spec, codes = read({"layers": [layer]})
    assert spec is None
    assert LIMIT_EXCEEDED in codes


def test_ten_thousand_layers_read():
    spec, codes = read({"inputs": {"x": [4]}, "layers": [{"Dense": {"units": 4}}] * 10_000})
    assert codes == []
    assert isinstance(spec, SequentialSpec)
    assert spec.layers[-1].name == "dense_9999"


def test_many_faulty_references_are_reported_in_bounded_time():
    layers = [{"Dense": {"units": 4}, "name": f"layer_{i}", "from": f"lajer_{i}"} for i in range(1_500)]
    spec, codes = read({"inputs": {"x": [4]}, "layers": layers})
    assert spec is None
    assert len(codes) == 1_000
