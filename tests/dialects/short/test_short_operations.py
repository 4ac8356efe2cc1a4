"""Every operation written in the short form and read again computes the same."""

from __future__ import annotations

import pytest
import torch

from spec_compiler.diagnostics import Reporter
from spec_compiler.dialects import read_data
from spec_compiler.dialects.write import to_json
from spec_compiler.loading import parse_spec
from spec_compiler.lowering.lower import build
from spec_compiler.lowering.to_fx import lower_graph
from spec_compiler.passes import check
from tests.layers.ops import oracle

ONE_EACH = {case.op: case for case in oracle.all_cases() if not case.whole}
pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:keras"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:keras"),
]


@pytest.mark.parametrize("op", sorted(ONE_EACH))
def test_operation_is_read_as_it_was_written(op: str) -> None:
    pair = oracle.make_pair(ONE_EACH[op])
    reporter = Reporter()
    spec = read_data(pair.document, reporter)
    assert spec is not None
    again = parse_spec(to_json(spec, "short"))
    graph = check(again, reporter)
    assert graph is not None, str(reporter.result())
    inputs = oracle.tensors_of(pair.case, pair.arrays)
    named = dict(zip((value.name for value in pair.graph.inputs), inputs, strict=True))
    expected = oracle.flat(build(lower_graph(pair.graph))(*inputs))
    found = oracle.flat(build(lower_graph(graph))(*(named[value.name] for value in graph.inputs)))
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0, equal_nan=True)
