"""Symbolic tensors of models that were read from files, and of models called as layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spec_compiler.diagnostics import Reporter, SpecError
from spec_compiler.ir import Graph, map_values
from spec_compiler.passes import check
from spec_compiler.specs.authoring import LayerCall, SymbolicTensor, map_symbolic, record, symbolic_in, unique_name
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.functional import trace
from spec_compiler.specs.layers.core import InputLayer
from spec_compiler.specs.model import FunctionalSpec
from spec_compiler.specs.shapes import Shape


def one_or_all(shapes: Sequence[Shape | None]) -> Any:
    """The only one, or the list of several."""
    return shapes[0] if len(shapes) == 1 else shapes


def replay(graph: Graph) -> tuple[Any, Any]:
    """Make the graph's calls once more on symbolic tensors, so that other models can start from any of them."""
    made: dict[int, SymbolicTensor] = {}
    members = {layer.name: layer for layer in graph.spec.members()}
    for value in graph.inputs:
        layer = members.get(value.name) or InputLayer(name=value.name, batch_shape=value.shape, dtype=value.dtype)
        made[id(value)] = record(layer, LayerCall((), {}), value.shape, value.dtype)
    for node in graph.nodes:
        args, kwargs = map_values(lambda v: made[id(v)], (node.args, node.kwargs))
        shapes, dtypes = [value.shape for value in node.outputs], [value.dtype for value in node.outputs]
        out = record(node.layer, LayerCall(args, kwargs), one_or_all(shapes), dtypes)
        made.update({id(value): tensor for value, tensor in zip(node.outputs, symbolic_in(out), strict=True)})
    return map_values(lambda v: made[id(v)], (graph.input_structure, graph.outputs))  # type: ignore[no-any-return]


def call_symbolically(spec: LayerSpec, inputs: Any, kwargs: dict[str, Any]) -> Any:
    """The symbolic outputs of a nested model, or of a layer that runs one, inferred by checking a model of that one call."""
    name = unique_name("call")
    tensors = list(symbolic_in((inputs, kwargs)))
    layers = {id(t): InputLayer(name=f"{name}_{i}", batch_shape=t.shape, dtype=t.dtype) for i, t in enumerate(tensors)}
    stand_ins = {key: SymbolicTensor(layer.batch_shape, layer.dtype, layer, 0, 0) for key, layer in layers.items()}
    calls_before = len(spec._calls)
    mapped = map_symbolic(lambda t: stand_ins[id(t)], (inputs, kwargs))
    stand_in = record(spec, LayerCall(*mapped), (None,), "float32")
    probe: FunctionalSpec = trace([stand_ins[id(t)] for t in tensors], stand_in, name)
    del spec._calls[calls_before:]
    reporter = Reporter()
    graph = check(probe, reporter)
    if graph is None:
        raise SpecError(reporter.diagnostics)
    node = graph.nodes[-1]
    shapes = [value.shape for value in node.outputs]
    assert node.body is not None
    single = not isinstance(node.body.outputs, (list, tuple, dict))
    dtypes = [value.dtype for value in node.outputs]
    return record(spec, LayerCall(inputs, kwargs), shapes[0] if single else shapes, dtypes)
