"""What a model would take of memory, held against a budget before anything is allocated."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from spec_compiler.diagnostics import BUDGET_EXCEEDED, Reporter, show
from spec_compiler.ir import Graph, Node
from spec_compiler.specs.base import LayerSpec


@dataclass(frozen=True, slots=True)
class Budget:
    """Numbers of elements that a model may have; the defaults are beyond any model that one machine runs."""

    params: int = 10**11
    """Weights, those of layers called twice counted once."""
    activations: int = 10**11
    """Outputs of all layers for one sample, unknown sizes counted as 1."""


def check_budget(graph: Graph, reporter: Reporter, budget: Budget) -> None:
    """Report the layer that takes the most, when all of them together take more than the budget."""
    batches = {value.shape[0] for value in graph.inputs if value.shape}
    params: dict[int, tuple[LayerSpec, int]] = {}
    activations: dict[int, tuple[LayerSpec, int]] = {}
    for owner, node in _nodes(graph):
        layer = node.layer
        params[id(layer)] = layer, sum(variable.size for variable in owner.variables.get(id(layer), ()))
        before = activations.get(id(layer), (layer, 0))[1]
        activations[id(layer)] = layer, before + sum(_elements(value.shape, batches) for value in node.outputs)
    _check("parameters", params, budget.params, "--max-params", reporter)
    _check("activations a sample", activations, budget.activations, "--max-activations", reporter)


def _nodes(graph: Graph) -> Iterator[tuple[Graph, Node]]:
    for node in graph.nodes:
        if node.body is None:
            yield graph, node
        else:
            yield from _nodes(node.body)


def _elements(shape: tuple[int | None, ...] | None, batches: set[int | None]) -> int:
    """Elements of a sample; a first axis that is none of the inputs' batches counts like the others."""
    if not shape:
        return 0
    sizes = shape[1:] if shape[0] in batches else shape
    return math.prod(size for size in sizes if size is not None)


def _check(what: str, found: dict[int, tuple[LayerSpec, int]], limit: int, option: str, reporter: Reporter) -> None:
    total = sum(count for _, count in found.values())
    if total <= limit:
        return
    layer, most = max(found.values(), key=lambda item: item[1])
    message = f"the model has {_count(total)} {what}, and the budget is {_count(limit)}; layer '{layer.name}' has "
    reporter.report(
        BUDGET_EXCEEDED,
        message + ("all of them" if most == total else _count(most)),
        layer.path,
        help=f"if it is meant, raise {option}",
    )


def _count(number: int) -> str:
    return f"{number:,}" if number < 10**60 else show(number)
