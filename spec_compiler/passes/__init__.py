"""Passes: each takes a graph and returns it with more known. `check` runs them all; what it passes can be lowered."""

from __future__ import annotations

from spec_compiler.diagnostics import Reporter
from spec_compiler.ir import Graph, build_graph
from spec_compiler.passes.assign_layout import assign_layout
from spec_compiler.passes.check_budget import Budget, check_budget
from spec_compiler.passes.check_masks import check_masks
from spec_compiler.passes.infer_shapes import infer_shapes
from spec_compiler.passes.propagate_masks import propagate_masks
from spec_compiler.passes.verify import verify
from spec_compiler.specs.model import ModelSpec

BUDGET = Budget()


def check(spec: ModelSpec, reporter: Reporter, budget: Budget = BUDGET) -> Graph | None:
    """The typed graph of `spec`; None when a fault was reported."""
    faults = reporter.error_count
    graph = build_graph(spec, reporter)
    if graph is None:
        return None
    infer_shapes(graph, reporter)
    check_budget(graph, reporter, budget)
    if reporter.error_count > faults:
        return None
    check_masks(propagate_masks(graph), reporter)
    return None if reporter.error_count > faults else verify(assign_layout(graph))
