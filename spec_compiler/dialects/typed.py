"""The shapes and dtypes that a written document states: of each tensor, and of what each layer was built on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from spec_compiler.diagnostics import Reporter
from spec_compiler.ir import Graph, Node, Value, map_values
from spec_compiler.passes import check
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.layers.core import InputLayer
from spec_compiler.specs.model import FunctionalSpec, ModelSpec, Ref, SequentialSpec
from spec_compiler.specs.shapes import Shape


@dataclass(slots=True)
class Built:
    """What a layer was first called on."""

    args: tuple[Any, ...]
    """Shapes, in the lists that the tensors stood in; plain data as it is."""
    kwargs: dict[str, Any]

    @property
    def first(self) -> Any:
        """The shape, or shapes, of the first argument; None where nothing is known before the first batch."""
        return self.args[0] if self.args else None


@dataclass(slots=True)
class Typed:
    """The types of a model's tensors, nested models' included."""

    calls: dict[tuple[int, int], Node] = field(default_factory=dict)
    """Each call of a functional model's layer, by `id(layer)` and the call's number."""
    built: dict[int, Built] = field(default_factory=dict)
    """By `id(layer)`."""
    models: set[int] = field(default_factory=set)
    """`id(model)` of every model looked at."""

    def value(self, layer: LayerSpec, ref: Ref) -> tuple[Shape | None, str]:
        """Shape and dtype of an output of `layer`, whose call `ref` names."""
        if isinstance(layer, InputLayer):
            return layer.batch_shape, layer.dtype
        node = self.calls.get((id(layer), ref.node))
        if node is None or ref.tensor >= len(node.outputs):
            return None, layer.compute_dtype
        value = node.outputs[ref.tensor]
        return value.shape, value.dtype


def typed(spec: ModelSpec) -> Typed:
    """The types of `spec`'s tensors; raises SpecError when the model has a fault."""
    found = Typed()
    _add_model(found, spec)
    # A model inside a wrapper is checked with its layer, not as a graph of its own.
    wrapped = [layer for layer in spec.walk() if isinstance(layer, ModelSpec)]
    for model in wrapped:
        if id(model) not in found.models:
            _add_model(found, model)
    return found


def _add_model(found: Typed, spec: ModelSpec) -> None:
    reporter = Reporter()
    graph = check(spec, reporter)
    reporter.raise_if_errors()
    assert graph is not None  # or an error was reported
    pending: list[tuple[ModelSpec, Graph]] = [(spec, graph)]
    while pending:
        model, body = pending.pop()
        found.models.add(id(model))
        _add_calls(found, model, body)
        for node in (*body.nodes, *body.unused):
            found.built.setdefault(id(node.layer), Built(*_shapes(node)))
            if node.body is not None and isinstance(node.layer, ModelSpec):
                pending.append((node.layer, node.body))


def _add_calls(found: Typed, model: ModelSpec, body: Graph) -> None:
    if not isinstance(model, FunctionalSpec):
        return
    nodes = {node.name: node for node in (*body.nodes, *body.unused)}
    for placed in model.placed:
        for i in range(len(placed.calls)):
            node = nodes.get(f"{placed.layer.name}#{i}" if i else str(placed.layer.name))
            if node is not None:
                found.calls.setdefault((id(placed.layer), i), node)


def _shapes(node: Node) -> tuple[tuple[Any, ...], dict[str, Any]]:
    def shape(value: Value) -> Any:
        return value.shape

    return map_values(shape, node.args), {key: map_values(shape, arg) for key, arg in node.kwargs.items()}


def input_shape(spec: SequentialSpec) -> Shape | None:
    """The shape of what the model takes, batch axis first; None where it is not stated."""
    first = spec.layers[0] if spec.layers else None
    return first.batch_shape if isinstance(first, InputLayer) else spec.build_input_shape
