"""Check that a graph is sound: a failure is a bug of a pass, never of a user's file."""

from __future__ import annotations

from spec_compiler.ir import Graph, Value, values_in


def verify(graph: Graph) -> Graph:
    """`graph` itself; AssertionError naming the node where an edge leads to nothing before it."""
    known: set[int] = {id(value) for value in graph.inputs}
    for node in graph.nodes:
        for value in node.values:
            assert id(value) in known, f"{graph.name}: {node.name} needs %{value.name}, which nothing before it makes"
        for index, value in enumerate(node.outputs):
            assert value.node is node and value.index == index, f"{graph.name}: output {index} of {node.name} is astray"
            _verify_mask(graph, value, known)
            known.add(id(value))
        if node.body is not None:
            verify(node.body)
    for value in values_in(graph.outputs):
        assert id(value) in known, f"{graph.name}: nothing makes the output %{value.name}"
    return graph


def _verify_mask(graph: Graph, value: Value, known: set[int]) -> None:
    made = value.mask is None or value.mask is value or id(value.mask) in known
    assert made, f"{graph.name}: nothing makes the mask of %{value.name}"
