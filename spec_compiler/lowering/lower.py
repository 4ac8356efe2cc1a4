"""A spec as a torch module with Keras's initial weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.fx import GraphModule

from spec_compiler.diagnostics import NO_INPUT, Diagnostic, Reporter, SpecError, show
from spec_compiler.lowering.initializers import initialize
from spec_compiler.lowering.lowered import Existing, LoweredGraph, LoweredLayer
from spec_compiler.lowering.to_fx import lower_graph
from spec_compiler.lowering.weights import Rule
from spec_compiler.passes import check
from spec_compiler.specs.contract import ContractError, is_own
from spec_compiler.specs.model import ModelSpec
from spec_compiler.specs.variable import Variable


def lower(spec: ModelSpec) -> GraphModule:
    """The torch module of `spec`; `forward` takes the model's inputs in their order, batch axis first.

    Its submodules bear the layers' names; its weights start as the initializers say, drawn from torch's global
    generator. Raises SpecError when the spec has a fault, or no input shape.
    """
    lowered = lower_spec(spec)
    module = build(lowered)
    initialize_weights(lowered, module)
    return module


def lower_spec(spec: ModelSpec) -> LoweredGraph:
    """The lowering of `spec`, not built yet. Raises SpecError when the spec has a fault, or no input shape."""
    reporter = Reporter()
    graph = check(spec, reporter)
    if graph is None:
        raise SpecError(reporter.diagnostics)
    if any(value.shape is None for value in graph.inputs):
        message = f"model '{spec.name}' has no input shape, so its weights cannot be made"
        help = "state the shape of the first layer's input, or let the first batch of fit() tell it"
        raise SpecError([Diagnostic(NO_INPUT, message, help=help)])
    return lower_graph(graph)


def build(lowered: LoweredGraph, existing: Existing | None = None) -> GraphModule:
    """The module, its weights not drawn yet: torch's own initial draw would be thrown away.

    `existing(layer, name)` may give the layer's submodule where there is one already, so that models share it.
    """
    with _NoInit(), _float32():
        module = lowered.build(existing)
    _check_rules(lowered, module)
    return module


def _check_rules(lowered: LoweredGraph, module: GraphModule) -> None:
    """Raise ContractError where a Rule of the user's says that a weight is where it is not, or has another shape."""
    for layer, variable, rules in weights(lowered):
        if not is_own(layer.layer):
            continue
        own = module.get_submodule(layer.target)
        held = dict((*own.named_parameters(), *own.named_buffers()))
        for rule in rules:
            if rule.parameter not in held:
                message = f": a Rule has weight '{variable.name}' be '{rule.parameter}', and the module has {show(list(held))}"
                raise ContractError(layer.layer, message)
        tensors = [held[rule.parameter] for rule in rules]
        if sum(tensor.numel() for tensor in tensors) != variable.size:
            shapes = ", ".join(f"'{rule.parameter}' {tuple(held[rule.parameter].shape)}" for rule in rules)
            message = (
                f": weight '{variable.name}' has shape {variable.shape} by variables(), and is {shapes} by its Rules"
            )
            raise ContractError(layer.layer, message)


class _NoInit(torch.overrides.TorchFunctionMode):
    """Skips `torch.nn.init`'s draws, which Keras's initializers replace, and which cost more than all else."""

    def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        if getattr(func, "__module__", None) == "torch.nn.init":
            return kwargs["tensor"] if kwargs and "tensor" in kwargs else args[0]
        return func(*args, **(kwargs or {}))


@contextmanager
def _float32() -> Iterator[None]:
    """Has weights of no other data type be float32, whatever the process's default is."""
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(default)


@torch.no_grad()
def initialize_weights(lowered: LoweredGraph, module: nn.Module, generator: torch.Generator | None = None) -> None:
    """Draw every weight anew, in Keras's order, as its initializer says."""
    for layer, variable, rules in weights(lowered):
        dtype = getattr(torch, variable.dtype or layer.layer.variable_dtype)
        value = initialize(variable.initializer, variable.shape, dtype, generator)
        assign(parameters_of(module, layer, rules), rules, value)


def weights(lowered: LoweredGraph) -> Iterator[tuple[LoweredLayer, Variable, list[Rule]]]:
    """Every Keras variable, layer by layer as the model lists them, each once, with the rules that place it."""
    seen = set()
    for layer, variable, rules in lowered.placements():
        key = variable.key_in(layer.layer)
        if key not in seen:
            seen.add(key)
            yield layer, variable, rules


def parameters_of(module: nn.Module, layer: LoweredLayer, rules: list[Rule]) -> list[Tensor]:
    """The torch parameter or buffer of each rule."""
    return [_tensor(module, f"{layer.target}.{rule.parameter}") for rule in rules]


def assign(parameters: list[Tensor], rules: list[Rule], value: Tensor) -> None:
    """Put Keras's array `value` where the rules say."""
    for parameter, rule in zip(parameters, rules, strict=True):
        parameter.copy_(rule.to_torch(value))


def read(parameters: list[Tensor], variable: Variable, rules: list[Rule]) -> Tensor:
    """Keras's array out of torch's parameters."""
    if len(rules) == 1 and rules[0].row is None:
        return rules[0].to_keras(parameters[0], variable.shape)
    shape = variable.shape[1:]
    rows = sorted(zip(rules, parameters, strict=True), key=lambda row: row[0].row or 0)
    return torch.stack([rule.to_keras(parameter, shape) for rule, parameter in rows])


def _tensor(module: nn.Module, name: str) -> Tensor:
    owner, _, leaf = name.rpartition(".")
    return getattr(module.get_submodule(owner), leaf)  # type: ignore[no-any-return]
