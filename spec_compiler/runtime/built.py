"""A spec's torch module together with its weights in Keras's order: what a Model holds once it is built."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.fx import GraphModule

from spec_compiler.diagnostics import MISSING_WEIGHTS, UNEXPECTED_WEIGHTS, WEIGHT_SHAPE, Diagnostic, SpecError
from spec_compiler.lowering.expressions import ModuleExpr
from spec_compiler.lowering.initializers import initialize
from spec_compiler.lowering.lower import assign, build, parameters_of, read
from spec_compiler.lowering.lowered import LoweredGraph, LoweredLayer, held_alike, put
from spec_compiler.lowering.weights import Rule
from spec_compiler.nn.steps import States
from spec_compiler.runtime.forward_faults import untold
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.model import all_inside
from spec_compiler.specs.variable import Variable
from spec_compiler.weights import keras1
from spec_compiler.weights.cudnn import from_cudnn, is_cudnn

Modules = dict[str, ModuleExpr | LoweredGraph]
"""How the modules of a lowered graph are built, by target."""


class Weight:
    """One weight in Keras's terms: its layer, its variable, and the torch parameters that hold it."""

    __slots__ = ("key", "layer", "module", "rules", "variable")

    def __init__(self, layer: LoweredLayer, variable: Variable, rules: list[Rule], module: nn.Module) -> None:
        self.layer = layer
        self.variable = variable
        self.key = variable.key_in(layer.layer)
        self.rules = rules
        self.module = module

    @property
    def parameters(self) -> list[Tensor]:
        """What holds it in the module, which has other buffers once it is moved to a device."""
        return parameters_of(self.module, self.layer, self.rules)

    @property
    def name(self) -> str:
        """`kernel`."""
        return self.variable.name.rpartition("/")[2]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape in Keras's layout."""
        return self.variable.shape

    @property
    def dtype(self) -> str:
        """`float32`."""
        return str(self.parameters[0].dtype).removeprefix("torch.")

    def numpy(self) -> np.ndarray[Any, Any]:
        """A copy of the weight as an array in Keras's layout."""
        (array,) = get_weights([self])
        return array

    def assign(self, value: Any) -> None:
        """Take an array in Keras's layout. Raises SpecError when it is of another shape."""
        set_weights([self], [value], f"'{self.path}'")

    def __repr__(self) -> str:
        return f"<Weight path={self.path}, shape={self.shape}, dtype={self.dtype}>"

    @property
    def trainable(self) -> bool:
        """Whether its layer lets it train; a model that is not `trainable` trains none."""
        return self.variable.trains_in(self.layer.layer)

    @property
    def path(self) -> str:
        """`dense_13/kernel`."""
        return f"{self.layer.layer.name}/{self.variable.name}"

    def to_keras(self) -> Tensor:
        """The weight in Keras's layout; shares memory where the layouts allow."""
        return read(self.parameters, self.variable, self.rules)


class Built:
    """The module of a lowered graph, its layers bound to it. Layers that are built already keep their weights."""

    def __init__(self, lowered: LoweredGraph) -> None:
        self.lowered = lowered
        self.module: GraphModule = untold(build(lowered, existing_submodule))
        known: dict[tuple[int, str], Weight] = {}
        self._of_layer: dict[int, dict[Weight, None]] = {}
        """By `id(layer)`, each weight once, in order."""
        fresh = []
        for layer, variable, rules in lowered.placements():
            owner, key = variable.owner_in(layer.layer), variable.key_in(layer.layer)
            elsewhere = _weight_of(owner, key)
            if elsewhere is not None:
                held_alike(rules, elsewhere.rules, owner)
                for rule, other in zip(rules, elsewhere.rules, strict=True):
                    first = f"{elsewhere.layer.target}.{other.parameter}"
                    put(self.module, f"{layer.target}.{rule.parameter}", elsewhere.module, first)
            if key not in known:
                known[key] = Weight(layer, variable, rules, self.module)
                fresh += [known[key]] if elsewhere is None else []
            for one in (layer.layer, *variable.within):
                self._of_layer.setdefault(id(one), {})[known[key]] = None
        self.weights = list(known.values())
        _initialize(fresh)
        self._bind(lowered, self.module)

    def _bind(self, lowered: LoweredGraph, module: nn.Module) -> None:
        for layer in lowered.layers.values():
            inner = lowered.modules.get(layer.target)
            if isinstance(inner, LoweredGraph):
                self._bind(inner, module.get_submodule(layer.target))
            if layer.layer._bound is None or layer.layer._bound.inside:
                layer.layer._bound = Bound(self, layer.target, lowered.modules, module)
            for within in all_inside(layer.layer):
                if within._bound is None:
                    within._bound = Bound(self, layer.target, {}, module, inside=True)
        for member in lowered.graph.spec.members():
            if member._bound is None:  # a layer without modules
                member._bound = Bound(self, "", {}, module)

    def trained(self) -> list[Weight]:
        """The weights that train."""
        return [weight for weight in self.weights if weight.trainable] if self.lowered.graph.spec.trainable else []

    def learning(self) -> Iterator[tuple[nn.Module, bool]]:
        """The modules that hold weights, each with whether the layer that it stands for is `trainable`, inside others or not."""
        found: dict[nn.Module, bool] = {}
        for layer, variable, rules in self.lowered.placements():
            trains = variable.owner_in(layer.layer).trains
            for rule in rules:
                owner = f"{layer.target}.{rule.parameter}".rpartition(".")[0]
                module = self.module.get_submodule(owner)
                found[module] = trains or found.get(module, False)
        return iter(found.items())

    def of_layer(self, layer: LayerSpec) -> list[Weight]:
        """The weights of a layer, or of all the layers of the model that it is or runs."""
        layers = [layer] if layer.nested_model is None else [layer, *layer.nested_model.walk()]
        return [weight for one in dict.fromkeys(map(id, layers)) for weight in self._of_layer.get(one, [])]


@torch.no_grad()
def _initialize(fresh: list[Weight]) -> None:
    for weight in fresh:
        dtype = getattr(torch, weight.variable.dtype or weight.layer.layer.variable_dtype)
        value = initialize(weight.variable.initializer, weight.variable.shape, dtype)
        assign(weight.parameters, weight.rules, value)


def _weight_of(owner: LayerSpec, key: tuple[int, str]) -> Weight | None:
    """The weight of a layer that is built already, alone, in another model or inside another layer; None of others."""
    if owner._bound is None:
        return None
    return next((weight for weight in owner._bound.weights(owner) if weight.key == key), None)


class Bound:
    """What a built layer knows: where its modules and weights are."""

    def __init__(self, built: Built, target: str, modules: Modules, parent: nn.Module, inside: bool = False) -> None:
        self.built = built
        self.target = target
        self.modules = modules
        self.parent = parent
        self.inside = inside
        """Whether it stands inside the layer at `target`, so that it has no modules of its own."""

    def submodule(self, name: str) -> tuple[nn.Module, ModuleExpr] | None:
        """The layer's own submodule, itself for "", or one under it, and how it was built; None where there is no such."""
        target = f"{self.target}.{name}" if name else self.target
        expr = self.modules.get(target)
        return (self.parent.get_submodule(target), expr) if isinstance(expr, ModuleExpr) else None

    def reset_states(self) -> None:
        """Have the layer, and those within, start the next batch from states of zeros."""
        reset_states(self.parent.get_submodule(self.target))

    def weights(self, layer: LayerSpec) -> list[Weight]:
        """The layer's weights."""
        return self.built.of_layer(layer)

    def get_weights(self, layer: LayerSpec) -> list[np.ndarray[Any, Any]]:
        """The layer's weights as numpy arrays, copies."""
        return get_weights(self.weights(layer))

    def set_weights(self, layer: LayerSpec, values: Sequence[Any]) -> None:
        """Take arrays for the layer's weights."""
        set_weights(self.built.of_layer(layer), values, f"layer '{layer.name}'")


def reset_states(module: nn.Module) -> None:
    """Have the stateful layers in `module` start the next batch from states of zeros."""
    for inner in module.modules():
        if isinstance(inner, States):
            inner.reset_states()


def existing_submodule(layer: LayerSpec, name: str) -> tuple[nn.Module, ModuleExpr] | None:
    """The submodule of a layer that is built already, and how it was built; None where it is not."""
    return None if layer._bound is None else layer._bound.submodule(name)


@torch.no_grad()
def get_weights(held: list[Weight]) -> list[np.ndarray[Any, Any]]:
    """The weights as numpy arrays in Keras's order and layout, copies."""
    return [as_numpy(weight.to_keras().detach().contiguous().clone()) for weight in held]


def _known(value: Any) -> np.ndarray[Any, Any]:
    """An array that torch can take: not turned round in memory, and bfloat16 as Keras makes it (ml_dtypes) as float32."""
    array = np.asarray(value, order="C")
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array


def as_numpy(x: Tensor) -> np.ndarray[Any, Any]:
    """`x` as an array; bfloat16, which numpy lacks, as float32."""
    return (x.float() if x.dtype is torch.bfloat16 else x).cpu().numpy()


@torch.no_grad()
def set_weights(held: list[Weight], values: Sequence[Any], owner: str) -> None:
    """Copy `values` into the weights; SpecError, and nothing copied, when one does not fit."""
    arrays = [torch.as_tensor(array) for array in _todays(held, [_known(value) for value in values])]
    if len(arrays) != len(held):
        code = MISSING_WEIGHTS if len(arrays) < len(held) else UNEXPECTED_WEIGHTS
        raise SpecError([Diagnostic(code, f"{owner} has {len(held)} weights, got {len(arrays)} arrays")])
    faults = [
        _misfit(i, weight, tuple(array.shape), owner)
        for i, (weight, array) in enumerate(zip(held, arrays, strict=True))
        if tuple(array.shape) != weight.variable.shape
    ]
    if faults:
        raise SpecError(faults)
    for weight, array in zip(held, arrays, strict=True):
        assign(weight.parameters, weight.rules, array)


def _misfit(i: int, weight: Weight, given: tuple[int, ...], owner: str) -> Diagnostic:
    shape = weight.variable.shape
    message = f"weight {i} of {owner}, '{weight.path}', is {shape}, got {given}"
    return Diagnostic(WEIGHT_SHAPE, message, help=keras1.advice(weight.variable.name, shape, given))


def _todays(held: list[Weight], arrays: list[np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
    """The arrays, those that a layer of older Keras gave in the layout of the layer that it is read as."""
    arrays = list(arrays)
    for i in range(2, len(held)):
        names = [weight.variable.name.rpartition("/")[2] for weight in held[i - 2 : i + 2]]
        if names[:3] == ["kernel", "recurrent_kernel", "bias"] and len(arrays) > i:
            shapes = [weight.variable.shape for weight in held[i - 2 : i + 1]]
            if is_cudnn(*arrays[i - 2 : i + 1]):
                arrays[i - 2 : i + 1] = from_cudnn(*arrays[i - 2 : i + 1])
            elif (whole := keras1.joined(shapes, arrays[i - 2 :])) is not None:
                arrays[i - 2 :] = whole
        elif (reordered := keras1.carry_last(names, arrays[i - 2 : i + 2])) is not None:
            arrays[i - 2 : i + 2] = reordered
    return arrays
