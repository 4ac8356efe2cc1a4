"""Give every value its shape and dtype, and every layer its weights."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from spec_compiler.diagnostics import (
    SHAPE_MISMATCH,
    UNKNOWN_ARGUMENT,
    WRONG_DTYPE,
    WRONG_INPUT_COUNT,
    WRONG_OUTPUT_INDEX,
    Reporter,
)
from spec_compiler.ir import Graph, Node, Value, build_graph, map_values, values_in
from spec_compiler.specs.authoring import shape_arguments
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.contract import check_shapes, check_variables
from spec_compiler.specs.model import ModelSpec
from spec_compiler.specs.shapes import DTypeError, Shape, ShapeError, TensorType, product, show
from spec_compiler.specs.variable import Variable


def infer_shapes(graph: Graph, reporter: Reporter, exactly: bool = False) -> Graph:
    """`graph` with shapes, dtypes and variables; what hangs on an unknown input, or on a fault, stays unknown.

    `exactly`: models inside are for the shapes that they are called on, as when they run, not for all that they may be.
    """
    _infer(graph, graph.nodes, reporter, exactly)
    if graph.unused:
        # Of these the faults alone are wanted: a layer that is called nowhere else has no weights in the model.
        _infer(replace(graph, variables=dict(graph.variables)), graph.unused, reporter, exactly)
    return graph


def _infer(graph: Graph, nodes: list[Node], reporter: Reporter, exactly: bool) -> None:
    first: dict[int, Graph] = {}
    for node in nodes:
        if all(value.shape is not None for value in node.values):
            if node.body is not None:
                known = first.setdefault(id(node.layer), node.body)
                _infer_nested(node, node.body, known, reporter, exactly, graph.steps)
            else:
                _infer_layer(graph, node, reporter)


def _infer_layer(graph: Graph, node: Node, reporter: Reporter) -> None:
    layer = node.layer
    if layer.needs_floats and "float" not in layer.compute_dtype:
        message = f"layer '{layer.name}' computes with floating-point numbers, and its dtype is {layer.compute_dtype}"
        reporter.report(SHAPE_MISMATCH, message, layer.path, help="give the layer a dtype of floats, as float32")
        return
    try:
        types = layer.output_types(*map_values(lambda v: TensorType(v.shape or (), v.dtype), (node.args, node.kwargs)))
    except ShapeError as error:
        reporter.report(error.code, f"layer '{layer.name}': {error}", layer.path, help=error.help)
        return
    if types is not None:
        found = types if isinstance(types, list) else [types]
        _set_outputs(node, [(one.shape, one.dtype) for one in found], reporter)
        return
    steps = graph.steps if layer.steps_apart else 1
    args = map_values(lambda v: v.shape if steps == 1 else _of_one(v.shape or (), steps), node.args)
    kwargs = map_values(lambda v: v.shape, shape_arguments(layer, node.kwargs))
    if not _takes(node, args, kwargs, reporter):
        return
    dtypes = [value.dtype for value in node.inputs]
    dtype = layer.output_dtype(*dtypes, **_accepted(type(layer).output_dtype, node.kwargs))
    if "complex64" in dtypes and dtype != "complex64":
        message = f"layer '{layer.name}' ({type(layer).__name__}) takes no complex numbers"
        help = "take their real and imaginary parts first: ops.real, ops.imag, ops.view_as_real"
        reporter.report(WRONG_DTYPE, message, layer.path, help=help)
        return
    try:
        out = layer.infer_shape(*args, **kwargs)
        check_shapes(layer, out)
        variables = layer.variables(*args, **_accepted(type(layer).variables, kwargs))
        check_variables(layer, variables)
        _set_variables(graph, layer, variables)
    except ShapeError as error:
        reporter.report(error.code, f"layer '{layer.name}': {error}", layer.path, help=error.help)
        return
    shapes = out if isinstance(out, list) else [out]
    if steps != 1:
        shapes = [(one[0] * steps, *one[1:]) for one in shapes]  # type: ignore[operator]
    _set_outputs(node, [(shape, dtype) for shape in shapes], reporter)


def _of_one(x: Shape, steps: int) -> Shape:
    """Shape of what each of `steps` holds, `x` being that of all as one batch."""
    return (x[0] and x[0] // steps, *x[1:])


def _set_variables(graph: Graph, layer: LayerSpec, variables: list[Variable]) -> None:
    """Keep the layer's weights; ShapeError when an earlier call made others of them."""
    kept = graph.variables.get(id(layer))
    if kept is None:
        graph.variables[id(layer)] = variables
        for variable in variables:
            variable.initializer.check_shape(variable.shape)
            dtype = variable.dtype or layer.variable_dtype
            if "float" not in dtype and hasattr(variable.initializer, "seed"):
                raise DTypeError(
                    f"its {variable.name} would be drawn at random, and its dtype is {dtype}",
                    help="give the layer a dtype of floats",
                )
        return
    for before, now in zip(kept, variables, strict=False):
        if before.shape != now.shape:
            raise ShapeError(f"its {now.name} has shape {show(before.shape)} by one call, {show(now.shape)} by another")


def _takes(node: Node, args: Any, kwargs: dict[str, Any], reporter: Reporter) -> bool:
    """Whether the layer can be called with so many inputs and these keyword arguments; reports it when not."""
    layer = node.layer
    inputs = f"layer '{layer.name}' ({type(layer).__name__})"
    if layer.takes_list and not (len(args) == 1 and isinstance(args[0], list)):
        reporter.report(WRONG_INPUT_COUNT, f"{inputs} takes a list of inputs", layer.path)
        return False
    if not layer.takes_list and args and isinstance(args[0], list):
        reporter.report(WRONG_INPUT_COUNT, f"{inputs} takes one input, got a list of {len(args[0])}", layer.path)
        return False
    if len(args) > 1 and type(layer).infer_shape is LayerSpec.infer_shape:
        # What keeps the shape of its input has one.
        reporter.report(WRONG_INPUT_COUNT, f"{inputs} takes one input, is called on {len(args)}", layer.path)
        return False
    signature = _signature(type(layer))
    try:
        signature.bind(layer, *args, **kwargs)
    except TypeError as error:
        unknown = [key for key in kwargs if key not in signature.parameters]
        if unknown:
            reporter.report(UNKNOWN_ARGUMENT, f"{inputs} takes no call argument '{unknown[0]}'", layer.path)
        else:
            reporter.report(WRONG_INPUT_COUNT, f"{inputs} is called on {len(args)} inputs: {error}", layer.path)
        return False
    return True


@cache
def _signature(cls: type) -> inspect.Signature:
    return inspect.signature(cls.infer_shape)  # type: ignore[attr-defined]


def _accepted(function: Callable[..., Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The call arguments that the layer's weights, or its dtype, depend on: those that the function of them names."""
    names = inspect.signature(function).parameters if kwargs else {}
    return {key: arg for key, arg in kwargs.items() if key in names}


def _infer_nested(node: Node, body: Graph, first: Graph, reporter: Reporter, exactly: bool, among: int) -> None:
    """Shapes through a nested model: what it states of its inputs and what it is given must agree.

    `among`: how many steps there are of the model around it.

    A model that states nothing takes what its first call, whose graph is `first`, gives it, as in Keras.
    """
    given = node.inputs
    name = node.layer.name
    if len(given) != len(body.inputs):
        message = f"model '{name}' takes {len(body.inputs)} inputs, is called on {len(given)}"
        reporter.report(WRONG_INPUT_COUNT, message, node.layer.path)
        return
    shapes: list[Shape] = [value.shape for value in given]  # type: ignore[misc]
    steps = not isinstance(node.layer, ModelSpec)
    if steps and len(given) != 1:
        message = f"layer '{name}': TimeDistributed takes a model of one input, '{body.name}' takes {len(given)}"
        reporter.report(WRONG_INPUT_COUNT, message, node.layer.path)
        return
    if steps:
        try:
            shapes = [node.layer.folded(shapes[0])]  # type: ignore[attr-defined]
        except ShapeError as error:
            reporter.report(error.code, f"layer '{name}': {error}", node.layer.path, help=error.help)
            return
    # All steps are one batch with the samples.
    called = [(product(given[0].shape[:2]), *shapes[0][1:])] if steps else shapes  # type: ignore[index]
    for shape, exact, inner, stated in zip(shapes, called, body.inputs, first.inputs, strict=True):
        if inner.shape is None:
            inner.shape = stated.shape or shape
        if not _fits(shape, inner.shape):
            message = f"model '{name}' takes {show(inner.shape)} as '{inner.name}', is called on {show(shape)}"
            reporter.report(SHAPE_MISMATCH, message, node.layer.path, help="state null for a length that differs")
            return
        if exactly:
            inner.shape = _known(exact, inner.shape)
    # A batch that the model itself states is one step's.
    held = 1 if called[0][0] is None else among * (given[0].shape[1] if steps else 1)  # type: ignore[index, operator]
    body.steps = held if exactly else 1
    before = reporter.error_count
    infer_shapes(body, reporter, exactly)
    run = body if reporter.error_count > before else _as_called(body, called, reporter, held)
    outputs = list(values_in(run.outputs))
    if steps and len(outputs) != 1:
        message = f"layer '{name}': TimeDistributed takes a model of one output, '{body.name}' has {len(outputs)}"
        reporter.report(SHAPE_MISMATCH, message, node.layer.path)
    elif steps and outputs[0].shape is not None and not all(map(_keeps_batch, (body, run))):
        message = f"layer '{name}': TimeDistributed takes a model whose output has the batch axis first, '{body.name}' "
        made = next(values_in(body.outputs)).shape or ()
        reporter.report(SHAPE_MISMATCH, message + f"makes {show(made)}", node.layer.path)
    elif all(value.shape is not None for value in outputs):
        found: list[Shape] = [value.shape for value in outputs]  # type: ignore[misc]
        if steps:
            found = [(*given[0].shape[:2], *found[0][1:])]  # type: ignore[index]
        _set_outputs(node, list(zip(found, (value.dtype for value in outputs), strict=True)), reporter)


def _as_called(body: Graph, shapes: list[Shape], reporter: Reporter, steps: int) -> Graph:
    """The nested model `body` as called on inputs of `shapes`; reports what it cannot do with these, itself being for any."""
    stated: list[Shape] = [value.shape for value in body.inputs]  # type: ignore[misc]
    known = list(map(_known, shapes, stated))
    return body if known == stated else at_shapes(body, known, reporter, steps) or body


def _known(given: Shape, stated: Shape) -> Shape:
    """What is known of a shape that is given, and stated where the other is not."""
    return tuple(b if a is None else a for a, b in zip(given, stated, strict=True))


def at_shapes(graph: Graph, shapes: Sequence[Shape | None], reporter: Reporter, steps: int = 1) -> Graph | None:
    """The graph made again, for inputs of exactly these shapes, which hold so many steps; None where it cannot be.

    Reports what it cannot do with them.
    """
    whole = build_graph(graph.spec, Reporter())
    if whole is not None:
        whole.steps = steps
        for value, shape in zip(whole.inputs, shapes, strict=True):
            value.shape = shape
        infer_shapes(whole, reporter, exactly=True)
    return whole


def _keeps_batch(body: Graph) -> bool:
    """Whether the batch is the first axis of the output, too, of a model of one input and one output."""
    (shape,) = (value.shape for value in values_in(body.outputs))
    return shape is None or shape[:1] == (body.inputs[0].shape or ())[:1]


def _fits(given: Shape, stated: Shape) -> bool:
    pairs = zip(given, stated, strict=False)
    return len(given) == len(stated) and all(a is None or b is None or a == b for a, b in pairs)


def _set_outputs(node: Node, found: list[tuple[Shape, str]], reporter: Reporter) -> None:
    if len(node.outputs) > len(found):
        message = f"layer '{node.layer.name}' has {len(found)} outputs, so there is no output {len(node.outputs) - 1}"
        reporter.report(WRONG_OUTPUT_INDEX, message, node.layer.path)
        return
    while len(node.outputs) < len(found):
        i = len(node.outputs)
        node.outputs.append(Value(f"{node.name}[{i}]" if i else node.name, node, i))
    for value, (shape, dtype) in zip(node.outputs, found, strict=True):
        value.shape, value.dtype = shape, dtype
