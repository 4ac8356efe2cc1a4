"""A model spec as a graph: references resolved, calls in an order in which each follows what it needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from spec_compiler.diagnostics import (
    CYCLE,
    LIMIT_EXCEEDED,
    MISSING_REFERENCE,
    NO_OUTPUT,
    UNREACHABLE_OUTPUT,
    UNUSED_LAYER,
    WRONG_OUTPUT_INDEX,
    Code,
    Path,
    Reporter,
)
from spec_compiler.ir.graph import Graph, Node, Value
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.layers.core import InputLayer
from spec_compiler.specs.model import CallSpec, FunctionalSpec, ModelSpec, Ref, SequentialSpec, map_refs, refs_in

MAX_OUTPUTS = 64
"""No layer has more outputs; what an index beyond it asks for cannot exist."""


MAX_REPEATED = 100_000
"""Calls that models called again may add: one that calls another twice, and so on, doubles them each time."""


def build_graph(spec: ModelSpec, reporter: Reporter) -> Graph | None:
    """The graph of `spec`; None when a fault was reported."""
    return _Unfolding(reporter).graph(spec)


class _Unfolding:
    """Makes a model's graph, and those of the models in it: one for each call."""

    def __init__(self, reporter: Reporter) -> None:
        self.reporter = reporter
        self._met: set[int] = set()
        self._repeated = 0

    def graph(self, spec: ModelSpec) -> Graph | None:
        if not isinstance(spec, (SequentialSpec, FunctionalSpec)):
            raise TypeError(f"no graph can be made of a {type(spec).__name__}")
        if id(spec) in self._met:
            self._repeated += _calls(spec)
        self._met.add(id(spec))
        if self._repeated > MAX_REPEATED:
            message = f"models that are called several times make for more than {MAX_REPEATED:,} calls of layers"
            self.reporter.report(LIMIT_EXCEEDED, message)
            return None
        return _sequential(spec, self) if isinstance(spec, SequentialSpec) else _Functional(spec, self).build()

    def body(self, layer: LayerSpec) -> Graph | None:
        """The graph of the model that the layer is, or runs at every step."""
        return None if layer.nested_model is None else self.graph(layer.nested_model)


def _calls(spec: SequentialSpec | FunctionalSpec) -> int:
    return 1 + (len(spec.layers) if isinstance(spec, SequentialSpec) else sum(len(one.calls) for one in spec.placed))


def _sequential(spec: SequentialSpec, unfolding: _Unfolding) -> Graph | None:
    layers = list(spec.layers)
    if layers and isinstance(layers[0], InputLayer):
        first = layers.pop(0)
        value = Value(first.name, shape=first.batch_shape, dtype=first.compute_dtype)
    else:
        value = Value("input", shape=spec.build_input_shape)
    graph = Graph(spec, [value], value, [], input_structure=value)
    for layer in layers:
        node = Node(str(layer.name), layer, (value,), {}, body=unfolding.body(layer))
        value = Value(node.name, node)
        node.outputs = [value]
        graph.nodes.append(node)
    graph.outputs = value
    if not graph.nodes and not spec.layers:
        unfolding.reporter.report(NO_OUTPUT, f"model '{spec.name}' has no layers", spec.path)
        return None
    return graph


@dataclass(slots=True)
class _Call:
    """One call while the order is being found."""

    layer: LayerSpec
    index: int
    spec: CallSpec
    node: Node | None = None


class _Functional:
    """Builds a functional model's graph; calls are visited from the outputs, then those that none of them needs."""

    def __init__(self, spec: FunctionalSpec, unfolding: _Unfolding) -> None:
        self.spec = spec
        self.unfolding = unfolding
        self.reporter = unfolding.reporter
        self.layers = {str(placed.layer.name): placed for placed in spec.placed}
        self.inputs: dict[str, Value] = {}
        self.calls: dict[tuple[str, int], _Call] = {}
        self.outputs: dict[Ref, Value] = {}
        self.order: list[Node] = []
        self._visited: set[tuple[str, int]] = set()
        self._faulty = False

    def _report(self, code: Code, message: str, path: Path) -> None:
        # Reporters count no fault twice, and a model that is called twice is built twice.
        self._faulty = True
        self.reporter.report(code, message, path)

    def build(self) -> Graph | None:
        self._inputs()
        for name, placed in self.layers.items():
            for index, call in enumerate(placed.calls):
                if name not in self.inputs:
                    self.calls[name, index] = _Call(placed.layer, index, call)
        if not list(refs_in(self.spec.outputs)):
            self._report(NO_OUTPUT, f"model '{self.spec.name}' has no outputs", self.spec.path)
        for ref in refs_in(self.spec.outputs):
            if self._exists(ref, self.spec.path):
                self._visit(ref)
        needed = len(self.order)
        self._unused()
        if self._faulty:
            return None
        outputs = map_refs(self._value, self.spec.outputs)
        taken = map_refs(self._value, self.spec.inputs)
        nodes, unused = self.order[:needed], self.order[needed:]
        return Graph(self.spec, list(self.inputs.values()), outputs, nodes, input_structure=taken, unused=unused)

    def _unused(self) -> None:
        """Visit what no output needs, for its faults; warn of layers of which no call is needed."""
        sound = not self._faulty
        used = {name for name, _ in self._visited}
        for (name, index), call in self.calls.items():
            if sound and index == 0 and name not in used:
                self.reporter.warn(UNUSED_LAYER, f"layer '{name}' leads to no output of the model", call.layer.path)
            self._visit(Ref(name, index))

    def _inputs(self) -> None:
        """The model's inputs, in the order it takes them: InputLayers, or other layers' outputs it was cut at."""
        for ref in refs_in(self.spec.inputs):
            placed = self.layers.get(ref.layer)
            if placed is None:
                self._report(MISSING_REFERENCE, f"input '{ref.layer}' is no layer of the model", self.spec.path)
            elif not isinstance(placed.layer, InputLayer):
                self._report(MISSING_REFERENCE, f"input '{ref.layer}' is no InputLayer", placed.layer.path)
            else:
                layer = placed.layer
                self.inputs[ref.layer] = Value(ref.layer, shape=layer.batch_shape, dtype=layer.compute_dtype)

    def _exists(self, ref: Ref, path: tuple[str | int, ...]) -> bool:
        placed = self.layers.get(ref.layer)
        if placed is None:
            self._report(MISSING_REFERENCE, f"layer '{ref.layer}' does not exist", path)
        elif ref.layer in self.inputs:
            if ref.tensor == 0:
                return True
            self._report(WRONG_OUTPUT_INDEX, f"input '{ref.layer}' has no output {ref.tensor}", path)
        elif isinstance(placed.layer, InputLayer):
            message = f"input layer '{ref.layer}' is not among the model's inputs"
            self._report(UNREACHABLE_OUTPUT, message, placed.layer.path)
        elif (ref.layer, ref.node) not in self.calls:
            message = f"layer '{ref.layer}' has {len(placed.calls)} calls, so there is no call {ref.node}"
            self._report(MISSING_REFERENCE, message, path)
        elif not 0 <= ref.tensor < MAX_OUTPUTS:
            self._report(WRONG_OUTPUT_INDEX, f"layer '{ref.layer}' has no output {ref.tensor}", path)
        else:
            return True
        return False

    def _visit(self, ref: Ref) -> None:
        """Put the call `ref` needs, and all it needs in turn, in order; depth first, without recursion."""
        key = (ref.layer, ref.node)
        if ref.layer in self.inputs or key in self._visited:
            return
        open_calls: dict[tuple[str, int], Iterator[Ref]] = {key: self._needs(key)}
        while open_calls:
            key = next(reversed(open_calls))
            need = next(open_calls[key], None)
            if need is None:
                del open_calls[key]
                self._place(key)
                continue
            wanted = (need.layer, need.node)
            if wanted in open_calls:
                circle = [name for name, _ in open_calls]
                circle = [*circle[circle.index(need.layer) :], need.layer]
                path = self.calls[wanted].layer.path
                self._report(CYCLE, f"layers feed each other in a circle: {_circle(circle)}", path)
                return
            call = self.calls[key]
            if self._exists(need, call.spec.path or call.layer.path) and need.layer not in self.inputs:
                if wanted not in self._visited:
                    open_calls[wanted] = self._needs(wanted)

    def _needs(self, key: tuple[str, int]) -> Iterator[Ref]:
        self._visited.add(key)
        call = self.calls[key].spec
        return refs_in((call.args, call.kwargs))

    def _place(self, key: tuple[str, int]) -> None:
        call = self.calls[key]
        name = key[0] if call.index == 0 else f"{key[0]}#{call.index}"
        body = self.unfolding.body(call.layer)
        self._faulty |= body is None and call.layer.nested_model is not None
        call.node = node = Node(name, call.layer, (), {}, body=body)
        if not self._faulty:
            node.args = map_refs(self._value, call.spec.args)
            node.kwargs = map_refs(self._value, call.spec.kwargs)
        self.order.append(node)

    def _value(self, ref: Ref) -> Value:
        if ref.layer in self.inputs:
            return self.inputs[ref.layer]
        node = self.calls[ref.layer, ref.node].node
        assert node is not None
        # How many outputs a layer has is known with its shapes; until then an output exists when it is asked for.
        while len(node.outputs) <= ref.tensor:
            i = len(node.outputs)
            node.outputs.append(Value(f"{node.name}[{i}]" if i else node.name, node, i))
        return node.outputs[ref.tensor]


def _circle(names: list[str]) -> str:
    if len(names) > 8:
        names = [*names[:4], "…", *names[-3:]]
    return " -> ".join(names)
