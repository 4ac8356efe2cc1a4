"""Give every value the mask it bears: made by a layer, passed on by one that supports masking, or none.

A value has one mask for all who read it. Keras 3.15.1 differs where attention reads one: it takes the mask off, so that what
is computed later from the same tensor, in an order that the graph does not say, sees none. And where a nested model's
output is concatenated with a masked tensor, Keras, which learns of the output's mask only once it computes, has every step
count when a functional model is stated, and the masks when it runs eagerly, as here; its JSON says which, and is followed.
"""

from __future__ import annotations

import inspect
from typing import Any

from spec_compiler.ir import Graph, Node, Value, values_in
from spec_compiler.specs.model import ModelSpec
from spec_compiler.specs.shapes import Shape, ShapeError


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
            if node.body is not None and _at_every_step(node, node.body):
                continue
            if node.outputs:
                _layer(node)
        if not _level(graph):
            return


def _level(graph: Graph) -> bool:
    """Have each nested model take the masks in every call that it takes in one; whether one takes more than before."""
    taken: dict[int, dict[int, int]] = {}
    """Which of each model's inputs have masks, of how many axes."""
    nested = [(taken.setdefault(id(node.layer), {}), node.body.inputs) for node in graph.nodes if node.body is not None]
    for places, inputs in nested:
        places |= {i: len(value.mask_shape or (0, 0)) for i, value in enumerate(inputs) if value.mask is not None}
    more = [(inputs[i], n) for places, inputs in nested for i, n in places.items() if inputs[i].mask is None]
    for value, n in more:
        # Called without a mask, a model that takes one elsewhere gets one of all steps.
        _makes_mask(value, (value.shape or ())[: min(n, 2)])
    return bool(more)


def _makes_mask(value: Value, shape: Shape | None) -> None:
    value.mask, value.mask_shape = value, shape


def _layer(node: Node) -> None:
    if node.layer.drops_masks:
        return
    first = node.outputs[0]
    # The inputs are the positional arguments; where there are none, the named ones.
    masks = node.masks[: len(list(values_in(node.args))) or None]
    rule = node.layer.output_mask(tuple(mask is not None for mask in masks), **_named(node))
    if rule in ("steps", "computed"):
        shapes = [value.shape for value in node.inputs if value.shape is not None]
        try:
            known = len(shapes) == len(node.inputs)
            shape = node.layer.computed_mask(shapes, node.mask_shapes) if known else None
        except ShapeError:
            shape = None  # `check_masks` says why
        given = node.mask_shapes[0] if rule == "steps" else None
        if given is None or len(given) > len(shape or ()):
            _makes_mask(first, shape)
            return
    if rule in ("steps", "first"):
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
            _makes_mask(inner, mask.shape_as_mask)
    _propagate(body)
    for value, inner in zip(node.outputs, values_in(body.outputs), strict=True):
        if inner.mask is not None:
            _makes_mask(value, inner.mask.shape_as_mask)


def _at_every_step(node: Node, body: Graph) -> bool:
    """A model run at every step sees each step's part of a mask: of the samples, or what goes on within the steps.

    Samples that are vectors may be masked: what has steps of its own follows no mask of the samples, and in Keras 2 nothing
    follows one. Returns whether the output bears the mask that the model's has, as in Keras 2.
    """
    shape, first = node.mask_shapes[0], body.inputs[0]
    of_vectors = len(first.shape or ()) == 2 and not node.layer.keras2_masks
    if shape is not None and (len(shape) > 2 or of_vectors):
        _makes_mask(first, (None, *shape[2:]))
    _propagate(body)
    made = next(values_in(body.outputs)).mask
    if made is None or not node.layer.keras2_masks:
        return False
    (value,) = node.outputs
    inner = made.shape_as_mask
    _makes_mask(value, None if inner is None else (*(value.shape or ())[:2], *inner[1:]))
    return True
