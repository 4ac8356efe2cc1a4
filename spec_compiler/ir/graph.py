"""Graph, Node, Value: layer calls, and what flows between them, in Keras's axes and order.

A layer called twice is two nodes with one `layer`. A nested model's node has the nested graph as its `body`. Masks are
edges like any other: a value's `mask` is the value whose mask it bears, itself when its own layer makes one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.model import ModelSpec
from spec_compiler.specs.shapes import Shape
from spec_compiler.specs.types import Layout
from spec_compiler.specs.variable import Variable


@dataclass(slots=True, eq=False)
class Value:
    """One tensor of the graph: an input, or output `index` of `node`."""

    name: str
    node: Node | None = None
    index: int = 0
    shape: Shape | None = None
    """Batch axis first, None where unknown; None as a whole where nothing is known before the first batch."""
    dtype: str = "float32"
    mask: Value | None = None
    mask_shape: Shape | None = None
    """Shape of the mask that the value makes, where it is its own."""
    layout: Layout = "keras"
    """The physical order of axes; `channels_first` when the last axis has moved behind the batch axis."""

    @property
    def shape_as_mask(self) -> Shape | None:
        """Shape of the mask that the value is, given as one, or makes; None where it is not known."""
        return self.mask_shape if self.mask is self else self.shape


@dataclass(slots=True, eq=False)
class Node:
    """One call of a layer. `args` and `kwargs` hold Values, plain data, and lists, tuples and dicts of them."""

    name: str
    layer: LayerSpec
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: list[Value] = field(default_factory=list)
    body: Graph | None = None
    layout: Layout = "keras"
    """The order of axes its inputs come in."""

    @property
    def values(self) -> list[Value]:
        """Every value the call takes, in order, an explicit mask included."""
        return list(values_in((self.args, self.kwargs)))

    @property
    def inputs(self) -> list[Value]:
        """What the layer computes with: every value but an explicit mask."""
        return list(values_in((self.args, [arg for key, arg in self.kwargs.items() if key != "mask"])))

    @property
    def masks(self) -> list[Value | None]:
        """The mask of each input: what the call's `mask=` gives for it, else the one it bears."""
        masks = [value.mask for value in self.inputs]
        given = self.kwargs.get("mask")
        for i, mask in enumerate(given if isinstance(given, (list, tuple)) else [given]):
            if isinstance(mask, Value) and i < len(masks):
                masks[i] = mask
        return masks

    @property
    def mask_shapes(self) -> list[Shape | None]:
        """The shape of each input's mask; None where there is none, or where it is not known."""
        return [None if mask is None else mask.shape_as_mask for mask in self.masks]


@dataclass(slots=True, eq=False)
class Graph:
    """A model: nodes in an order in which each follows what it needs."""

    spec: ModelSpec
    inputs: list[Value]
    outputs: Any
    """A Value, or a list, tuple or dict of Values, as the model returns them."""
    nodes: list[Node]
    input_structure: Any = None
    """The inputs as the model takes them: a Value, or a list, tuple or dict of Values."""
    unused: list[Node] = field(default_factory=list)
    """Calls that no output needs, in such an order too: checked, and not run."""
    steps: int = 1
    """How many steps of a TimeDistributed its batch holds, where that is known: it is that of one step else."""
    variables: dict[int, list[Variable]] = field(default_factory=dict)
    """The weights of each layer, by `id(layer)`; filled by `infer_shapes`."""

    @property
    def name(self) -> str:
        """The model's name."""
        return str(self.spec.name)

    def members(self) -> list[LayerSpec]:
        """The model's layers, in the document's order, without those that no output needs."""
        idle = {id(node.layer) for node in self.unused} - {id(node.layer) for node in self.nodes}
        return [layer for layer in self.spec.members() if id(layer) not in idle]

    def __str__(self) -> str:
        lines = [f"graph {self.name}({', '.join(map(_typed, self.inputs))}):"]
        for node in self.nodes:
            args = [_text(arg) for arg in node.args] + [f"{key}={_text(arg)}" for key, arg in node.kwargs.items()]
            results = ", ".join(map(_typed, node.outputs))
            layout = "" if node.layout == "keras" else f" in {node.layout}"
            lines.append(f"  {results} = {type(node.layer).__name__} {node.layer.name}({', '.join(args)}){layout}")
            if node.body is not None:
                lines += ["    " + line for line in str(node.body).splitlines()]
        return "\n".join([*lines, f"  return {_text(self.outputs)}"])


def _typed(value: Value) -> str:
    mask = "" if value.mask is None else f" masked by {'itself' if value.mask is value else '%' + value.mask.name}"
    layout = "" if value.layout == "keras" else f" {value.layout}"
    return f"%{value.name}: {value.dtype}{list(value.shape) if value.shape is not None else '?'}{layout}{mask}"


def _text(structure: Any) -> str:
    return str(map_values(lambda v: _Name("%" + v.name), structure))


class _Name(str):
    __slots__ = ()
    __repr__ = str.__str__


def values_in(structure: Any) -> Iterator[Value]:
    """Every Value in a structure of lists, tuples and dicts, in order."""
    if isinstance(structure, Value):
        yield structure
    elif isinstance(structure, (list, tuple)):
        for item in structure:
            yield from values_in(item)
    elif isinstance(structure, dict):
        for item in structure.values():
            yield from values_in(item)


def map_values(f: Callable[[Value], Any], structure: Any) -> Any:
    """`structure` with `f` applied to every Value in it."""
    if isinstance(structure, Value):
        return f(structure)
    if isinstance(structure, (list, tuple)):
        return type(structure)(map_values(f, item) for item in structure)
    if isinstance(structure, dict):
        return {key: map_values(f, item) for key, item in structure.items()}
    return structure
