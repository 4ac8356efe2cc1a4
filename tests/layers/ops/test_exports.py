"""torch.export and torch.compile take every operation, but for those of the table, whose reason is torch's own.

Of the layers they take all (`tests/layers/test_layers.py`); nothing there hangs on the data.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from spec_compiler.lowering.lower import build
from spec_compiler.lowering.to_fx import lower_graph
from tests.layers.ops import oracle
from tests.layers.ops.oracle import Case, flat

CASES = oracle.all_cases()


def named(case: Case) -> str:
    """The operation, and which of its algorithms."""
    strategy = case.kwargs.get("strategy")
    return f"{case.op}({strategy})" if strategy else case.op


FIRST = {named(case): case for case in reversed(CASES)}
"""The first case of each operation."""

NOT_EXPORTED = {
    "bincount": "the length of what comes out is the largest number that goes in",
    "ctc_decode(beam_search)": "the search runs in Python, on numbers and lists of beams",
    "ctc_loss": "torch takes its lengths as data, on which its intermediate results' shapes hang",
    "lstsq": "whether torch gives residuals beside the solution hangs on the matrix's rank",
}
"""Operations that torch.export refuses, and what hangs on the data."""

if torch.__version__ < "2.12":
    NOT_EXPORTED |= dict.fromkeys(
        ("median", "percentile", "quantile"), "torch compares the fraction, as data, with 0 and 1"
    )

NOT_COMPILED = ("ctc_decode(beam_search)", "ctc_loss", "lstsq")
"""Those of them that torch.compile refuses too, where it may not break the graph."""

TAKEN = [case for case in CASES if named(case) not in NOT_EXPORTED]


def one_call(case: Case) -> bool:
    """Whether the operation is one call of torch's, which export takes: with the slow ones."""
    return case.id.startswith(("elementwise:", "activations:", "reductions:", "arranging:"))


def exported(module: torch.nn.Module, inputs: tuple[Any, ...]) -> Callable[..., Any]:
    return torch.export.export(module, inputs).module()


def compiled(module: torch.nn.Module, inputs: tuple[Any, ...]) -> Callable[..., Any]:
    torch.compiler.reset()
    return torch.compile(module, fullgraph=True, backend="eager")


def check(case: Case, *ways: Callable[..., Any]) -> None:
    """Assert that what each of the `ways` makes of the module computes what the module does."""
    pair = oracle.make_pair(case)
    module = build(lower_graph(pair.graph)).eval()
    inputs = tuple(tensor.detach() for tensor in oracle.tensors_of(case, pair.arrays))
    with torch.no_grad():
        expected = flat(module(*inputs))
        for way in ways:
            found = flat(way(module, inputs)(*inputs))
            for a, b in zip(found, expected, strict=True):
                torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6, equal_nan=True)


@pytest.mark.parametrize(
    "op", sorted(op for op, case in FIRST.items() if op not in NOT_EXPORTED and not one_call(case))
)
def test_operation_exports(op: str) -> None:
    check(FIRST[op], exported)


@pytest.mark.slow
@pytest.mark.parametrize("case", TAKEN, ids=[case.id for case in TAKEN])
def test_every_case_exports(case: Case) -> None:
    check(case, exported)


@pytest.mark.slow
@pytest.mark.parametrize("op", sorted(FIRST.keys() - set(NOT_COMPILED)))
def test_operation_compiles(op: str) -> None:
    check(FIRST[op], compiled)


@pytest.mark.parametrize("op", NOT_EXPORTED)
def test_an_operation_of_the_table_is_not_exported(op: str) -> None:
    with pytest.raises(Exception, match=r"data-dependent|^aten\."):
        check(FIRST[op], exported)


@pytest.mark.parametrize("op", NOT_COMPILED)
def test_an_operation_of_the_table_is_not_compiled(op: str) -> None:
    with pytest.raises(Exception, match=r"Dynamic shape operator|tolist\(\)"):
        check(FIRST[op], compiled)
