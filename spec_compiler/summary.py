"""The table that `summary` prints: Keras 2's, from the typed graph alone, so that no torch is needed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from spec_compiler.ir import Graph, Node, Value
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.layers.core import InputLayer
from spec_compiler.specs.model import FunctionalSpec, ModelSpec, SequentialSpec
from spec_compiler.specs.variable import Variable

CLASS_NAMES = {SequentialSpec: "Sequential", FunctionalSpec: "Functional"}


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of weight elements."""

    trainable: int = 0
    frozen: int = 0

    @property
    def total(self) -> int:
        return self.trainable + self.frozen

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.trainable + other.trainable, self.frozen + other.frozen)


def count(graph: Graph) -> Counts:
    """The weight elements of a typed graph, layers called twice counted once."""
    return _sum(_held(graph), graph.spec.trainable)


def _held(graph: Graph) -> Iterator[tuple[LayerSpec, list[Variable]]]:
    """The layers with their weights, those of nested models in these models' place."""
    for layer, body in _with_bodies(graph):
        if body is not None:
            yield from _held(body)
        else:
            yield layer, graph.variables.get(id(layer), [])


def _with_bodies(graph: Graph) -> Iterator[tuple[LayerSpec, Graph | None]]:
    bodies = {id(node.layer): node.body for node in graph.nodes if node.body is not None}
    return ((layer, bodies.get(id(layer))) for layer in graph.members())


def _sum(held: Iterable[tuple[LayerSpec, list[Variable]]], trainable: bool = True) -> Counts:
    found = Counts()
    for layer, variable in {v.key_in(layer): (layer, v) for layer, variables in held for v in variables}.values():
        trains = trainable and variable.trains_in(layer)
        found += Counts(variable.size * trains, variable.size * (not trains))
    return found


def summary(
    graph: Graph,
    print_fn: Callable[[str], Any] = print,
    line_length: int | None = None,
    positions: Sequence[float] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: Sequence[str] | None = None,
) -> None:
    """Print the table of layers, output shapes and parameter counts, and the totals.

    Args:
        graph: The typed graph; shapes that hang on the first batch print as `?`.
        print_fn: Takes each line.
        line_length: Width in characters; 65, or 98 where the graph branches.
        positions: Ends of the columns, as fractions of the width or as places.
        expand_nested: Whether the layers of nested models are listed under them.
        show_trainable: Whether a column tells which layers train (`Y` or `N`).
        layer_range: The first and the last layer to list, names or regular expressions that names begin with; None: all.

    Raises ValueError when no layer has the name that `layer_range` begins or ends with.
    """
    shown = _between(graph.members(), layer_range)
    headers = ["Layer (type)", "Output Shape", "Param #"]
    branches = _branches(graph)
    if branches:
        headers.append("Connected to")
    width = line_length or (98 if branches else 65)
    ends = _ends(positions or ([0.33, 0.55, 0.67, 1.0] if branches else [0.45, 0.85, 1.0]), width)
    if show_trainable:
        headers.append("Trainable")
        ends.append(ends[-1] + 11)
        width = max(width, ends[-1])
    print_fn(f'Model: "{graph.name}"')
    print_fn("_" * width)
    _print_row(headers, ends, print_fn)
    print_fn("=" * width)
    rows = list(_rows(graph, branches, expand_nested, show_trainable, shown))
    for i, row in enumerate(rows):
        _print_row(row, ends, print_fn)
        print_fn(("=" if i == len(rows) - 1 else "_") * width)
    if any(value.shape is None for value in graph.inputs):
        print_fn("Total params: ? (the first batch gives the input's shape)")
    else:
        total = count(graph)
        print_fn(f"Total params: {total.total:,}")
        print_fn(f"Trainable params: {total.trainable:,}")
        print_fn(f"Non-trainable params: {total.frozen:,}")
    print_fn("_" * width)


def _branches(graph: Graph) -> bool:
    """Whether the layers are anything but a row: then the table tells what each is connected to."""
    if isinstance(graph.spec, SequentialSpec):
        return False
    if len(graph.inputs) != 1 or not isinstance(graph.outputs, Value):
        return True
    chain = [graph.inputs[0]]
    for node in graph.nodes:
        if node.inputs != chain or len(node.outputs) != 1:
            return True
        chain = node.outputs
    return False


def _between(layers: list[LayerSpec], layer_range: Sequence[str] | None) -> list[LayerSpec]:
    """The layers from the first that the one name fits to the last that the other does."""
    if layer_range is None:
        return layers
    first, last = layer_range
    places = [[i for i, layer in enumerate(layers) if re.match(name, str(layer.name))] for name in (first, last)]
    for name, found in zip((first, last), places, strict=True):
        if not found:
            raise ValueError(f"layer_range: the model has no layer '{name}'")
    return layers[min(places[0]) : max(places[1]) + 1]


def _ends(positions: Sequence[float], width: int) -> list[int]:
    return [int(width * p) for p in positions] if positions[-1] <= 1 else [int(p) for p in positions]


def _rows(
    graph: Graph, branches: bool, expand: bool, show_trainable: bool, shown: list[LayerSpec], indent: str = ""
) -> list[list[str]]:
    calls: dict[int, list[Node]] = {}
    for node in graph.nodes:
        calls.setdefault(id(node.layer), []).append(node)
    rows = []
    wanted = set(map(id, shown))
    for layer, body in _with_bodies(graph):
        if id(layer) not in wanted:
            continue
        nodes = calls.get(id(layer), [])
        if isinstance(layer, InputLayer) and isinstance(graph.spec, SequentialSpec):
            continue
        kind = next((name for cls, name in CLASS_NAMES.items() if isinstance(layer, cls)), layer.class_name)
        shape = _shape(layer, nodes)
        held = _held(body) if body is not None else [(layer, graph.variables.get(id(layer), []))]
        row = [f"{indent}{layer.name} ({kind})", shape, "?" if shape == "?" else f"{_sum(held).total:,}"]
        if branches:
            row.append("\n".join(_source(value) for node in nodes for value in node.inputs))
        if show_trainable:
            row.append("Y" if layer.trainable else "N")
        rows.append(row)
        if expand and isinstance(layer, ModelSpec) and body is not None:
            rows += _rows(body, branches, expand, show_trainable, body.members(), indent + "  ")
    return rows


def _shape(layer: LayerSpec, nodes: list[Node]) -> str:
    if isinstance(layer, InputLayer):
        return str(layer.batch_shape)
    if not nodes or not nodes[0].outputs or any(value.shape is None for value in nodes[0].outputs):
        return "?"
    shapes = [str(value.shape) for value in nodes[0].outputs]
    return shapes[0] if len(shapes) == 1 else f"[{', '.join(shapes)}]"


def _source(value: Value) -> str:
    name, _, call = (value.node.name if value.node is not None else value.name).partition("#")
    return f"{name}[{call or 0}][{value.index}]"


def _print_row(cells: list[str], ends: list[int], print_fn: Callable[[str], Any]) -> None:
    """A row, its cells continued on further lines where they are longer than their column."""
    columns = []
    start = 0
    for cell, end in zip(cells, ends, strict=True):
        size = max(end - start - 1, 4)
        columns.append([line for part in cell.split("\n") for line in _wrapped(part, size)])
        start = end
    for i in range(max(map(len, columns))):
        line = ""
        for column, end in zip(columns, ends, strict=True):
            line = (line + (column[i] if i < len(column) else "")).ljust(end)
        print_fn(line.rstrip())


def _wrapped(text: str, size: int) -> list[str]:
    """`text` in lines of at most `size` characters, a layer's class on a line of its own where that is what it takes."""
    name, opening, kind = text.partition(" (")
    if opening and len(text) > size:
        return [*_wrapped(name, size), *_wrapped("(" + kind, size)]
    return [text[i : i + size] for i in range(0, max(len(text), 1), size)]


__all__ = ["Counts", "count", "summary"]
