"""Hold the masks that layers compute with against the inputs whose masks they are."""

from __future__ import annotations

from spec_compiler.diagnostics import BAD_RANK, SHAPE_MISMATCH, Reporter
from spec_compiler.ir import Graph, Node
from spec_compiler.specs.authoring import shape_arguments
from spec_compiler.specs.model import ModelSpec
from spec_compiler.specs.shapes import Shape, ShapeError, agree, show


def check_masks(graph: Graph, reporter: Reporter) -> None:
    """Report the layers that cannot follow a mask: one of more axes, or fewer, or other lengths."""
    for node in graph.nodes:
        if node.body is not None:
            _nested(node, node.body, reporter)
        else:
            _layer(node, reporter)


def _layer(node: Node, reporter: Reporter) -> None:
    if any(value.shape is None for value in node.inputs):
        return  # nothing is known before the first batch
    inputs = [value.shape or () for value in node.inputs]
    masks = node.mask_shapes
    # A layer that takes its `mask` by name looks at it with the other shapes.
    if "mask" not in shape_arguments(node.layer, node.kwargs):
        for i, (x, mask) in enumerate(zip(inputs, masks, strict=True)):
            wanted = None if mask is None else node.layer.mask_axes(x, i, len(mask))
            if mask is not None and wanted is not None and not agree(mask, wanted):
                _report(node, mask, wanted, reporter)
                return
    if node.outputs and node.outputs[0].mask is node.outputs[0]:
        try:
            node.layer.computed_mask(inputs, masks)
        except ShapeError as error:
            reporter.report(error.code, f"layer '{node.layer.name}': {error}", node.layer.path, help=error.help)


def _report(node: Node, mask: Shape, wanted: Shape, reporter: Reporter) -> None:
    layer = node.layer
    if len(mask) != len(wanted):
        message = f"layer '{layer.name}' follows a mask of rank {len(wanted)}, and that of its input has {len(mask)}"
        reporter.report(BAD_RANK, message, layer.path, help="mask whole steps, before they have axes of their own")
    else:
        message = f"layer '{layer.name}' follows a mask of shape {show(wanted)}, and that of its input has {show(mask)}"
        reporter.report(SHAPE_MISMATCH, message, layer.path)


def _nested(node: Node, body: Graph, reporter: Reporter) -> None:
    """A model's own layers; and what runs it at every step, a layer as any other."""
    check_masks(body, reporter)
    if not isinstance(node.layer, ModelSpec):
        _layer(node, reporter)
