"""A lowered graph: its torch.fx graph, the expressions of its modules, and where each layer's weights are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import torch.fx
from torch import nn

from spec_compiler.diagnostics import UNSUPPORTED, Diagnostic, SpecError
from spec_compiler.ir import Graph
from spec_compiler.lowering.expressions import ModuleExpr
from spec_compiler.lowering.names import class_name
from spec_compiler.lowering.weights import Rule
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.variable import Variable

Existing = Callable[[LayerSpec, str], tuple[nn.Module, ModuleExpr] | None]
"""Gives the submodule, by its name under the layer's, of a layer that is built already, and how it was built."""

Placement = tuple["LoweredLayer", Variable, list[Rule]]
"""A weight in one of its places: the layer, lowered, the weight, and the rules that place it there."""

Placed = list[tuple[str, Rule]]
"""Where a weight stands: its tensors, by name in the whole module, with the rules that place it there."""


@dataclass(slots=True, eq=False)
class LoweredLayer:
    """A layer's weights and where they are: variables in Keras's order, rules from them to torch's parameters."""

    layer: LayerSpec
    target: str
    """The attribute the layer's module has in its parent."""
    variables: list[Variable]
    rules: list[Rule] = field(default_factory=list)

    def placed(self) -> Iterator[tuple[Variable, list[Rule]]]:
        """Each variable with its rules."""
        rules = defaultdict(list)
        for rule in self.rules:
            rules[rule.variable].append(rule)
        return ((variable, rules[variable.name]) for variable in self.variables)


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
            _tie(root, target, first)
        return torch.fx.GraphModule(root, self.fx_graph, class_name(self.graph.name))

    def placements(self, prefix: str = "") -> Iterator[Placement]:
        """Every weight wherever it stands, with the rules that place it there, in the order of Keras's weights."""
        for member, layer, inner in _members(self, prefix):
            if inner is None:
                found: Iterator[Placement] = ((layer, variable, rules) for variable, rules in layer.placed())
            else:
                found = inner.placements(f"{layer.target}.")
            yield from sorted(found, key=partial(_comes_last, member)) if member.puts_trained_first else found

    def ties(self) -> Iterator[tuple[str, str]]:
        """Where a layer, or a weight, of several places in this model stands once more, and where it stands first."""
        layers: dict[int, str] = {}
        weights: dict[tuple[int, str], Placed] = {}
        for layer in flat_layers(self):
            first = layers.setdefault(id(layer.layer), layer.target)
            if first != layer.target:
                if layer.rules:
                    yield layer.target, first
                continue
            for variable, rules in layer.placed():
                here = [(f"{layer.target}.{rule.parameter}", rule) for rule in rules]
                there = weights.setdefault(variable.key_in(layer.layer), here)
                if there is not here:
                    yield from _same(here, there, variable.owner_in(layer.layer))


def flat_layers(lowered: LoweredGraph, prefix: str = "") -> Iterator[LoweredLayer]:
    """The layers in the document's order; nested models' with their targets in full."""
    for _, layer, inner in _members(lowered, prefix):
        if inner is None:
            yield layer
        else:
            yield from flat_layers(inner, f"{layer.target}.")


def _members(lowered: LoweredGraph, prefix: str) -> Iterator[tuple[LayerSpec, LoweredLayer, LoweredGraph | None]]:
    """What the model holds, in the document's order: a layer, lowered, and the graph that it is, where it is a model."""
    for member in lowered.graph.spec.members():
        if id(member) in lowered.layers:
            layer = lowered.layers[id(member)]
            inner = lowered.modules.get(layer.target)
            placed = LoweredLayer(layer.layer, prefix + layer.target, layer.variables, layer.rules)
            yield member, placed, inner if isinstance(inner, LoweredGraph) else None


def _comes_last(member: LayerSpec, placement: Placement) -> bool:
    """Whether it is a weight that does not train, or, where the whole model does not, would not if it did."""
    layer, variable, _ = placement
    model = member.nested_model
    if model is not None and model.puts_trained_first and not model.trainable:
        return not variable.trainable
    return not variable.trains_in(layer.layer)


def _same(here: Placed, there: Placed, owner: LayerSpec) -> Iterator[tuple[str, str]]:
    """The tensors of a weight, each with the one that it is where the weight stands first."""
    held_alike([rule for _, rule in here], [rule for _, rule in there], owner)
    return ((name, first) for (name, _), (first, _) in zip(here, there, strict=True))


def held_alike(rules: list[Rule], others: list[Rule], owner: LayerSpec) -> None:
    """Raise SpecError where torch holds a weight of `owner` otherwise in one place than in another."""
    forms = [[(rule.axes, rule.shape, rule.gates, rule.row) for rule in place] for place in (rules, others)]
    if forms[0] != forms[1]:
        message = f"layer '{owner.name}' stands in several places, and torch holds its weights otherwise in one of them"
        raise SpecError([Diagnostic(UNSUPPORTED, message, help="use a layer of its own in each place")])


def _tie(root: nn.Module, target: str, first: str) -> None:
    """Have `target`, a module or a tensor, be what `first` is."""
    path, _, name = first.rpartition(".")
    shared = getattr(root.get_submodule(path), name)
    if isinstance(shared, nn.Module):
        _attach(root, target, shared)
    else:
        put(root, target, root, first)


def put(root: nn.Module, target: str, there: nn.Module, first: str) -> None:
    """Have the parameter or buffer `target` be the `first` of `there`. Raises SpecError where it needs another shape."""
    path, _, name = target.rpartition(".")
    owner = root.get_submodule(path)
    path, _, name_there = first.rpartition(".")
    owner_there = there.get_submodule(path)
    shared = getattr(owner_there, name_there)
    if getattr(owner, name).shape != shared.shape:
        sizes = f"{tuple(shared.shape)}, and {tuple(getattr(owner, name).shape)} in '{target}'"
        message = f"a layer that stands in several places needs weights of other shapes in each: {sizes}"
        raise SpecError([Diagnostic(UNSUPPORTED, message, help="use a layer of its own in each place")])
    if name in owner._buffers:
        _share_buffers(owner, owner_there)
    setattr(owner, name, shared)


def _share_buffers(module: nn.Module, other: nn.Module) -> None:
    """Have `module` hold the buffers of `other`: the dictionary itself, as a module that is moved has other tensors in it."""
    if module._buffers.keys() == other._buffers.keys():
        module._buffers = other._buffers
    else:
        module._buffers.update(other._buffers)


def _as_built(expr: ModuleExpr, module: nn.Module, built: ModuleExpr) -> nn.Module:
    """`module`, or where its layer is now called otherwise than when it was built, as under a mask, one of its tensors."""
    if built.thawed() == expr.thawed():  # whether it is frozen is said of the module, as it changes
        return module
    found = expr.build()
    for owner, other in ((found.get_submodule(name), other) for name, other in module.named_modules()):
        owner._parameters.update(other._parameters)
        _share_buffers(owner, other)
    return found


def _attach(root: nn.Module, target: str, module: nn.Module) -> None:
    *parents, name = target.split(".")
    for parent in parents:
        if not hasattr(root, parent):
            root.add_module(parent, nn.Module())
        root = getattr(root, parent)
    root.add_module(name, module)
