"""Give every value a physical order of axes, so that neighbouring layers agree and nothing is permuted twice.

Keras's order is channels last; torch's kernels want the channels behind the batch axis. A layer says which it wants
(`LayerSpec.layout`), or that any will do. A permuted channels-last tensor is torch's `channels_last` memory format, so
a change of layout is a view.
"""

from __future__ import annotations

from spec_compiler.ir import Graph, Node
from spec_compiler.specs.types import Layout


def assign_layout(graph: Graph) -> Graph:
    """`graph` with the layout of each node's inputs and of each value; the model's inputs and outputs keep Keras's."""
    _assign_all(graph, {})
    return graph


def _assign_all(graph: Graph, chosen: dict[int, Layout]) -> None:
    for node in graph.nodes:
        if node.body is not None:
            _assign_all(node.body, chosen)
        elif node.inputs and node.inputs[0].shape is not None:
            _assign(node, chosen, bool(graph.variables.get(id(node.layer))))


def _assign(node: Node, chosen: dict[int, Layout], has_weights: bool) -> None:
    ranks = {len(value.shape or ()) for value in node.inputs}
    rank = len(node.inputs[0].shape or ())
    node.layout = "keras"
    if len(ranks) == 1 and rank > 2:
        # A layer's one module serves all its calls, in models inside too: where any order would do, the first call's is that
        # of the others.
        node.layout = chosen.setdefault(id(node.layer), _wanted(node, rank, has_weights))
    for value in node.outputs:
        kept = value.shape is not None and len(value.shape) == rank
        value.layout = node.layout if kept else "keras"


def _wanted(node: Node, rank: int, has_weights: bool) -> Layout:
    wanted = node.layer.layout(rank)
    if wanted != "any":
        return wanted
    if has_weights:
        return "channels_first"  # whatever is around it, so that its weights are alike in all models that it stands in
    layouts = {value.layout for value in node.inputs}
    return layouts.pop() if len(layouts) == 1 else "channels_first"
