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
    chosen: dict[int, Layout] = {}
    for node in graph.nodes:
        if node.body is not None:
            assign_layout(node.body)
        elif node.inputs and node.inputs[0].shape is not None:
            _assign(node, chosen)
    return graph


def _assign(node: Node, chosen: dict[int, Layout]) -> None:
    ranks = {len(value.shape or ()) for value in node.inputs}
    rank = len(node.inputs[0].shape or ())
    node.layout = "keras"
    if len(ranks) == 1 and rank > 2:
        # A layer's one module serves all its calls: where any order would do, the first call's is that of the others.
        node.layout = chosen.setdefault(id(node.layer), _wanted(node, rank))
    for value in node.outputs:
        kept = value.shape is not None and len(value.shape) == rank
        value.layout = node.layout if kept else "keras"


def _wanted(node: Node, rank: int) -> Layout:
    wanted = node.layer.layout(rank)
    if wanted != "any":
        return wanted
    layouts = {value.layout for value in node.inputs}
    return layouts.pop() if len(layouts) == 1 else "channels_first"
