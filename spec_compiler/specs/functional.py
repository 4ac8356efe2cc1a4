"""From symbolic tensors to a spec: which layers lead from these inputs to those outputs, in Keras's order of layers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from spec_compiler.diagnostics import show
from spec_compiler.specs.authoring import LayerCall, SymbolicTensor, map_symbolic, record, symbolic_in, unique_name
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.layers.core import InputLayer
from spec_compiler.specs.model import CallSpec, FunctionalSpec, Placed, Ref

_Key = tuple[int, int]
"""A call: `id(layer)`, and which of the layer's calls."""


_MOST_AXES = 64
"""As many as numpy and torch have."""


def Input(
    shape: Any = None,
    batch_size: int | None = None,
    dtype: str | None = None,
    batch_shape: Any = None,
    name: str | None = None,
) -> SymbolicTensor:
    """A symbolic tensor of `shape` (without the batch axis), the start of a functional model.

    `batch_shape` states the batch axis too; `dtype` is float32 when left out. See https://keras.io/api/layers/core_layers/input/.
    """
    if batch_shape is None:
        if shape is None:
            raise ValueError("Input() needs a shape: Input(shape=(28, 28, 1))")
        shape = (shape,) if isinstance(shape, int) else shape
        if isinstance(shape, (str, bytes)) or not 0 <= getattr(shape, "__len__", lambda: -1)() <= _MOST_AXES:
            raise TypeError(f"Input() takes a shape, a tuple of lengths, got {show(shape)}")
        batch_shape = (batch_size, *shape)
    named = {} if name is None else {"name": name}
    layer = InputLayer(batch_shape=tuple(batch_shape), dtype=dtype or "float32", **named)
    return record(layer, LayerCall((), {}), layer.batch_shape, layer.compute_dtype)  # type: ignore[no-any-return]


def trace(inputs: Any, outputs: Any, name: str | None = None) -> FunctionalSpec:
    """The spec of the model from `inputs` to `outputs`, symbolic tensors or lists, tuples and dicts of them.

    Raises ValueError when an output needs an input that is not among `inputs`, or two layers share a name.
    """
    return _Trace(inputs, outputs).spec(name or unique_name("functional"))


class _Trace:
    def __init__(self, inputs: Any, outputs: Any) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self.cut: dict[int, InputLayer] = {}
        for tensor in symbolic_in(inputs):
            if not isinstance(tensor.layer, InputLayer):
                # A model may start in the middle of another: its input is then a new InputLayer.
                stated = {"batch_shape": tensor.shape, "dtype": tensor.dtype}
                self.cut[id(tensor)] = InputLayer(name=unique_name("input_layer"), **stated)
        self.given = {id(t.layer) for t in symbolic_in(inputs)} | {id(layer) for layer in self.cut.values()}
        self.layers: dict[int, LayerSpec] = {}
        self.order: list[_Key] = []
        self.traversal: dict[int, int] = {}

    def spec(self, name: str) -> FunctionalSpec:
        for tensor in symbolic_in(self.outputs):
            self._visit(tensor)
        for tensor in symbolic_in(self.inputs):
            layer = self.cut.get(id(tensor), tensor.layer)
            if id(layer) not in self.layers:
                self.layers[id(layer)] = layer
                self.traversal[id(layer)] = -1
        self._require_inputs()
        ordered = self._by_depth()
        self._require_unique_names(ordered)
        calls = self._calls()
        placed = [Placed(layer, [self._call(layer, index) for index in calls.get(id(layer), [])]) for layer in ordered]
        self.numbers = {(key, index): i for key, made in calls.items() for i, index in enumerate(made)}
        for item in placed:
            for call in item.calls:
                call.args, call.kwargs = map_symbolic(self._ref, (call.args, call.kwargs))
        refs = map_symbolic(self._ref, (self.inputs, self.outputs))
        return FunctionalSpec(name=name, placed=placed, inputs=refs[0], outputs=refs[1])

    def _visit(self, tensor: SymbolicTensor) -> None:
        """Depth first, without recursion: a call comes after all it needs, layers are numbered as first met."""
        stack: list[tuple[SymbolicTensor, Iterator[SymbolicTensor], bool]] = [(tensor, iter(()), False)]
        done = set(self.order)
        while stack:
            current, parents, opened = stack.pop()
            layer = self.cut.get(id(current), current.layer)
            key = (id(layer), current.node)
            if not opened:
                if key in done:
                    continue
                self.layers[id(layer)] = layer
                self.traversal.setdefault(id(layer), len(self.traversal))
                parents = iter(()) if isinstance(layer, InputLayer) else iter(self._parents(current))
            parent = next(parents, None)
            if parent is not None:
                stack += [(current, parents, True), (parent, iter(()), False)]
            elif key not in done:
                done.add(key)
                self.order.append(key)

    @staticmethod
    def _parents(tensor: SymbolicTensor) -> list[SymbolicTensor]:
        call = tensor.layer._calls[tensor.node]
        return list(symbolic_in((call.args, call.kwargs)))

    def _by_depth(self) -> list[LayerSpec]:
        """Layers as Keras lists them: the farthest from the outputs first, then as first met."""
        depths: dict[_Key, int] = {}
        layer_depths = dict.fromkeys(self.layers, 0)
        for key in reversed(self.order):
            layer = self.layers[key[0]]
            depth = max(depths.get(key, 0), layer_depths[key[0]])
            layer_depths[key[0]] = depths[key] = depth
            if isinstance(layer, InputLayer):
                continue
            call = layer._calls[key[1]]
            for parent in symbolic_in((call.args, call.kwargs)):
                above = (id(self.cut.get(id(parent), parent.layer)), parent.node)
                depths[above] = max(depth + 1, depths.get(above, 0))
        return sorted(self.layers.values(), key=lambda layer: (-layer_depths[id(layer)], self.traversal[id(layer)]))

    def _calls(self) -> dict[int, list[int]]:
        """Which of each layer's calls are in the model, in the order they were made."""
        calls: dict[int, list[int]] = {}
        for key, index in sorted(self.order, key=lambda item: item[1]):
            if not isinstance(self.layers[key], InputLayer):
                calls.setdefault(key, []).append(index)
        return calls

    @staticmethod
    def _call(layer: LayerSpec, index: int) -> CallSpec:
        made = layer._calls[index]
        return CallSpec(made.args, made.kwargs)

    def _ref(self, tensor: SymbolicTensor) -> Ref:
        layer = self.cut.get(id(tensor), tensor.layer)
        if isinstance(layer, InputLayer):
            return Ref(str(layer.name))
        return Ref(str(layer.name), self.numbers[id(layer), tensor.node], tensor.tensor)

    def _require_inputs(self) -> None:
        for key, layer in self.layers.items():
            if isinstance(layer, InputLayer) and key not in self.given:
                raise ValueError(f"the outputs need the input '{layer.name}', which is not among the model's inputs")

    @staticmethod
    def _require_unique_names(layers: list[LayerSpec]) -> None:
        seen: set[str | None] = set()
        for layer in layers:
            if layer.name in seen:
                raise ValueError(f"two layers are named '{layer.name}': the names in a model must be unique")
            seen.add(layer.name)
