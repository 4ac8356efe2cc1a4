"""What a model would take of memory, held against a budget before anything is allocated."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from spec_compiler.diagnostics import BUDGET_EXCEEDED, Reporter, show
from spec_compiler.ir import Graph, Node, Value, build_graph, map_values
from spec_compiler.passes.infer_shapes import infer_shapes
from spec_compiler.specs.authoring import shape_arguments
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.model import ModelSpec
from spec_compiler.specs.shapes import Shape, TensorType


@dataclass(frozen=True, slots=True)
class Budget:
    """Numbers of elements that a model may have; the defaults are beyond any model that one machine runs."""

    params: int = 10**11
    """Weights, those of layers called twice counted once."""
    activations: int = 10**11
    """Outputs of all layers for one sample, and what is made on the way to them; unknown sizes counted as 1."""


def check_budget(graph: Graph, reporter: Reporter, budget: Budget) -> None:
    """Report the layer that takes the most, when all of them together take more than the budget."""
    if any(_says_its_types(node.layer) for _, node, _ in _nodes(graph)):
        graph = _of_one_sample(graph, reporter)
    batches = {value.shape[0] for value in graph.inputs if value.shape}
    params: dict[int, tuple[LayerSpec, int]] = {}
    activations: dict[int, tuple[LayerSpec, int]] = {}
    for owner, node, times in _nodes(graph):
        layer = node.layer
        params[id(layer)] = layer, sum(variable.size for variable in owner.variables.get(id(layer), ()))
        before = activations.get(id(layer), (layer, 0))[1]
        shapes = [*(value.shape for value in node.outputs), *_intermediates(node)]
        activations[id(layer)] = layer, before + times * sum(_elements(shape, batches) for shape in shapes)
    _check("parameters", params, budget.params, "--max-params", reporter)
    _check("activations a sample", activations, budget.activations, "--max-activations", reporter)


def _nodes(graph: Graph, times: int = 1) -> Iterator[tuple[Graph, Node, int]]:
    """The nodes of the graph and of those in it, each with its graph, and for how many steps of a sample it runs."""
    for node in graph.nodes:
        if node.body is None:
            yield graph, node, times
        else:
            yield from _nodes(node.body, times * _steps(node, node.body))


def _steps(node: Node, body: Graph) -> int:
    """How many steps of a sample the body runs for, where its batch, which they are folded into, does not tell."""
    if isinstance(node.layer, ModelSpec) or not node.inputs or not body.inputs:
        return 1
    given, taken = node.inputs[0].shape, body.inputs[0].shape
    return given[1] or 1 if given and taken and taken[0] is None else 1


def _says_its_types(layer: LayerSpec) -> bool:
    """Whether the layer is an operation, which may turn a batch of unknown size into axes of unknown lengths."""
    return type(layer).output_types is not LayerSpec.output_types


def _of_one_sample(graph: Graph, reporter: Reporter) -> Graph:
    """The graph with every size that hangs on the batch's known; as it is, where it cannot take one sample.

    What one sample makes too large is reported.
    """
    faults = Reporter(reporter.source)
    single = build_graph(graph.spec, faults)
    if single is None:
        return graph
    for value in single.inputs:
        value.shape = value.shape and (value.shape[0] or 1, *value.shape[1:])
    infer_shapes(single, faults)
    for diagnostic in faults.diagnostics:
        if diagnostic.code is BUDGET_EXCEEDED:
            reporter.add(diagnostic)
    return graph if faults.error_count else single


def _intermediates(node: Node) -> list[Shape]:
    """Shapes of what the layer makes on the way to its outputs; [] where these are unknown."""
    layer = node.layer
    if type(layer).intermediates is LayerSpec.intermediates or any(value.shape is None for value in node.outputs):
        return []
    if _says_its_types(layer):
        return layer.intermediates(*map_values(_type, node.args), **map_values(_type, node.kwargs))
    kwargs = shape_arguments(layer, node.kwargs)
    return layer.intermediates(*map_values(_shape, node.args), **map_values(_shape, kwargs))


def _shape(value: Value) -> Shape | None:
    return value.shape


def _type(value: Value) -> TensorType:
    return TensorType(value.shape or (), value.dtype)


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
