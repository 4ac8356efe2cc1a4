"""What stops a forward pass, said of the data: ids beyond an embedding, open sizes that a layer cannot take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from spec_compiler.diagnostics import DATA_MISMATCH, Diagnostic, SpecError
from spec_compiler.ir import Graph
from spec_compiler.specs.layers.embedding import Embedding

FORWARD_FAULTS = (RuntimeError, IndexError, ValueError)
"""What torch raises for tensors that do not fit."""


def explained(error: Exception, graph: Graph, inputs: Sequence[Tensor]) -> Exception:
    """The SpecError behind what a forward pass of `graph` raised; `error` itself where the data are not the reason."""
    if isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error):
        return error
    if beyond := list(_ids_beyond(graph, inputs)):
        return SpecError([Diagnostic(DATA_MISMATCH, message) for message in beyond])
    shapes = ", ".join(f"'{value.name}' {tuple(x.shape)}" for value, x in zip(graph.inputs, inputs, strict=True))
    return SpecError(
        Diagnostic(DATA_MISMATCH, f"the model cannot compute with inputs of these shapes: {shapes}: {error}")
    )


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
