"""What stops a forward pass, said of the data: ids beyond an embedding, open sizes that a layer cannot take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule
from torch.fx.graph_module import _WrappedCall

from spec_compiler.diagnostics import DATA_MISMATCH, Diagnostic, Reporter, SpecError
from spec_compiler.ir import Graph, Node
from spec_compiler.passes.infer_shapes import at_shapes
from spec_compiler.specs.layers.embedding import Embedding
from spec_compiler.specs.shapes import show

FORWARD_FAULTS = (RuntimeError, IndexError, ValueError)
"""What torch raises for tensors that do not fit."""


class _Untold(_WrappedCall):
    """A call of an fx module that prints nothing where it fails: torch.fx would print a traceback and its own code."""

    def __call__(self, obj: nn.Module, *args: Any, **kwargs: Any) -> Any:
        return nn.Module.__call__(obj, *args, **kwargs)


def untold(module: GraphModule) -> GraphModule:
    """The module, which leaves it to `explained` to say what stops a forward pass."""
    for one in module.modules():
        if isinstance(one, GraphModule):
            type(one)._wrapped_call = _Untold(type(one), None)  # type: ignore[attr-defined]  # as torch.fx sets it
    return module


def explained(error: Exception, graph: Graph, inputs: Sequence[Tensor]) -> Exception:
    """The SpecError behind what a forward pass of `graph` raised; `error` itself where the data are not the reason."""
    if isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error):
        return error
    if beyond := list(_ids_beyond(graph, inputs)):
        return SpecError([Diagnostic(DATA_MISMATCH, message) for message in beyond])
    given = ", ".join(f"'{value.name}' {tuple(x.shape)}" for value, x in zip(graph.inputs, inputs, strict=True))
    message = f"the model cannot compute with inputs of these shapes: {given}: "
    faults = list(_of_shapes(graph, inputs)) or [(str(error), _of_batch(graph, inputs))]
    return SpecError([Diagnostic(DATA_MISMATCH, message + fault, help=help) for fault, help in faults])


def _of_batch(graph: Graph, inputs: Sequence[Tensor]) -> str | None:
    """What helps where the model is stated for batches of another size."""
    for value, x in zip(graph.inputs, inputs, strict=True):
        if value.shape and value.shape[0] not in (None, len(x)):
            n = value.shape[0]
            return f"the model states batches of {n}: give `batch_size={n}`, and as many samples or a multiple of that"
    return None


def _of_shapes(graph: Graph, inputs: Sequence[Tensor]) -> Iterator[tuple[str, str | None]]:
    """What validation would say if it knew the inputs' shapes, each fault with its help; or which layer is given nothing."""
    reporter = Reporter()
    whole = at_shapes(graph, [tuple(x.shape) for x in inputs], reporter)
    if faults := reporter.result().diagnostics:
        yield from ((fault.message, fault.help) for fault in faults)
    elif whole is not None and (node := _given_nothing(whole)) is not None:
        shape = next(value.shape for value in node.inputs if value.shape and 0 in value.shape)
        yield f"layer '{node.layer.name}' is given nothing: its input is {show(shape)}", None


def _given_nothing(graph: Graph) -> Node | None:
    """The first layer that has an input without elements, in models inside, too."""
    for node in graph.nodes:
        if node.body is not None:
            if (found := _given_nothing(node.body)) is not None:
                return found
        elif any(0 in (value.shape or ()) for value in node.inputs):
            return node
    return None


def _ids_beyond(graph: Graph, inputs: Sequence[Tensor]) -> Iterator[str]:
    given = {id(value): (value.name, x) for value, x in zip(graph.inputs, inputs, strict=True)}
    for node in graph.nodes:
        if not isinstance(node.layer, Embedding) or id(node.inputs[0]) not in given:
            continue
        name, ids = given[id(node.inputs[0])]
        low, high = ids.min().item(), ids.max().item()
        if low < 0 or high >= node.layer.input_dim:
            known = f"layer '{node.layer.name}' knows ids from 0 to {node.layer.input_dim - 1}"
            yield f"input '{name}' holds {int(low if low < 0 else high)}, and {known}"
