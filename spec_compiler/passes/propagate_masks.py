"""Give every value the mask it bears: made by a layer, passed on by one that supports masking, or none.

A value has one mask for all who read it. Keras 3.15.1 differs where attention reads one: it takes the mask off, so that what
is computed later from the same tensor, in an order that the graph does not say, sees none. And where a nested model's
output is concatenated with a masked tensor, Keras, which learns of the output's mask only once it computes, has every step
count when a functional model is stated, and the masks when it runs eagerly, as here; its JSON says which, and is followed.
"""

from __future__ import annotations

import inspect
from typing import Any

from spec_compiler.ir import Graph, Node, values_in
from spec_compiler.specs.model import ModelSpec


def propagate_masks(graph: Graph) -> Graph:
    """`graph` with masks as edges. Inputs keep the masks they came with, from the call of a nested model."""
    _propagate(graph)
    return graph


def _propagate(graph: Graph) -> None:
    while True:
        for node in graph.nodes:
            if node.body is not None and isinstance(node.layer, ModelSpec):
                _nested(node, node.body)
                continue
            if node.body is not None:
                _propagate(node.body)  # run at every step, it sees no mask of the steps
            if node.outputs:
                _layer(node)
        if not _level(graph):
            return


def _level(graph: Graph) -> bool:
    """Have each nested model take the masks in every call that it takes in one; whether one takes more than before."""
    taken: dict[int, set[int]] = {}
    nested = [
        (taken.setdefault(id(node.layer), set()), node.body.inputs) for node in graph.nodes if node.body is not None
    ]
    for places, inputs in nested:
        places.update(i for i, value in enumerate(inputs) if value.mask is not None)
    more = [inputs[i] for places, inputs in nested for i in places if inputs[i].mask is None]
    for value in more:
        value.mask = value
    return bool(more)


def _layer(node: Node) -> None:
    first = node.outputs[0]
    # The inputs are the positional arguments; where there are none, the named ones.
    masks = node.masks[: len(list(values_in(node.args))) or None]
    rule = node.layer.output_mask(tuple(mask is not None for mask in masks), **_named(node))
    if rule == "computed":
        first.mask = first
    elif rule == "first":
        mask = next(mask for mask in masks if mask is not None)
        for value in node.outputs[: node.layer.masked_outputs]:
            value.mask = mask


def _named(node: Node) -> dict[str, Any]:
    """The call arguments that the layer's mask depends on: those its `output_mask` names."""
    names = inspect.signature(type(node.layer).output_mask).parameters if node.kwargs else {}
    return {key: arg for key, arg in node.kwargs.items() if key in names}


def _nested(node: Node, body: Graph) -> None:
    """A nested model called with masks has them as further inputs, and its outputs' masks as further outputs."""
    for mask, inner in zip(node.masks, body.inputs, strict=True):
        if mask is not None:
            inner.mask = inner
    _propagate(body)
    for value, inner in zip(node.outputs, values_in(body.outputs), strict=True):
        if inner.mask is not None:
            value.mask = value
