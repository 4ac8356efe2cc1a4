"""A lowered graph: its torch.fx graph, the expressions of its modules, and where each layer's weights are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
import torch.fx
from torch import nn

from spec_compiler.ir import Graph
from spec_compiler.lowering.expressions import ModuleExpr
from spec_compiler.lowering.names import class_name
from spec_compiler.lowering.weights import Rule
from spec_compiler.specs.base import LayerSpec, Variable

Existing = Callable[[LayerSpec, str], tuple[nn.Module, ModuleExpr] | None]
"""Gives the submodule, by its name under the layer's, of a layer that is built already, and how it was built."""


@dataclass(slots=True, eq=False)
class LoweredLayer:
    """A layer's weights and where they are: variables in Keras's order, rules from them to torch's parameters."""

    layer: LayerSpec
    target: str
    """The attribute the layer's module has in its parent."""
    variables: list[Variable]
    rules: list[Rule] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class LoweredGraph:
    """A graph lowered: the fx graph, and what each of its targets is."""

    graph: Graph
    fx_graph: torch.fx.Graph
    modules: dict[str, ModuleExpr | LoweredGraph]
    """By target: `dense`, or `sep.depthwise` for a layer of several modules."""
    layers: dict[int, LoweredLayer]
    """By `id(layer)`."""
    penalties: int = 0
    """Number of activity penalties it returns when lowered for training."""

    def build(self, existing: Existing | None = None) -> torch.fx.GraphModule:
        """The module, with torch's own initial weights; `existing` gives the submodules of layers built before."""
        root = nn.Module()
        owners = {layer.target: layer.layer for layer in self.layers.values()}
        for target, expr in self.modules.items():
            if isinstance(expr, LoweredGraph):
                _attach(root, target, expr.build(existing))
                continue
            owner, _, name = target.partition(".")
            found = None if existing is None else existing(owners[owner], name)
            _attach(root, target, expr.build() if found is None else _as_built(expr, *found))
        for target, first in self.ties():
            _attach(root, target, root.get_submodule(first))
        return torch.fx.GraphModule(root, self.fx_graph, class_name(self.graph.name))

    def ties(self) -> Iterator[tuple[str, str]]:
        """Where a layer of several models in this one stands once more, and where it stands first."""
        first: dict[int, str] = {}
        for layer in flat_layers(self):
            if layer.rules and (found := first.setdefault(id(layer.layer), layer.target)) != layer.target:
                yield layer.target, found


def flat_layers(lowered: LoweredGraph, prefix: str = "") -> Iterator[LoweredLayer]:
    """The layers in the document's order, Keras's of weights; nested models' with their targets in full."""
    for member in lowered.graph.spec.members():
        if id(member) not in lowered.layers:
            continue
        layer = lowered.layers[id(member)]
        inner = lowered.modules.get(layer.target)
        if isinstance(inner, LoweredGraph):
            yield from flat_layers(inner, f"{prefix}{layer.target}.")
        else:
            yield LoweredLayer(layer.layer, prefix + layer.target, layer.variables, layer.rules)


def _as_built(expr: ModuleExpr, module: nn.Module, built: ModuleExpr) -> nn.Module:
    """`module`, or where its layer is now called otherwise than when it was built, as under a mask, one of its tensors."""
    if built.thawed() == expr.thawed():  # whether it is frozen is said of the module, as it changes
        return module
    found = expr.build()
    for owner, other in ((found.get_submodule(name), other) for name, other in module.named_modules()):
        owner._parameters.update(other._parameters)
        owner._buffers.update(other._buffers)
    return found


def _attach(root: nn.Module, target: str, module: nn.Module) -> None:
    *parents, name = target.split(".")
    for parent in parents:
        if not hasattr(root, parent):
            root.add_module(parent, nn.Module())
        root = getattr(root, parent)
    root.add_module(name, module)
