"""Layers that Keras 3 lacks, held to a formula written from old Keras's documentation, on weights in Keras's layout."""

from __future__ import annotations

import types
from collections.abc import Callable

import torch
from torch import Tensor

from spec_compiler.codegen import emit
from spec_compiler.diagnostics import Reporter
from spec_compiler.lowering.lower import assign, build, parameters_of, read, weights
from spec_compiler.lowering.lowered import LoweredGraph
from spec_compiler.lowering.names import class_name
from spec_compiler.lowering.to_fx import lower_graph
from spec_compiler.passes import check
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.layers.core import InputLayer
from spec_compiler.specs.model import SequentialSpec


def lowered_of(*layers: LayerSpec, shape: list[int]) -> LoweredGraph:
    reporter = Reporter()
    first = InputLayer(batch_shape=(None, *shape), name="input")
    graph = check(SequentialSpec(name="model", layers=[first, *layers]), reporter)
    assert graph is not None, reporter.result()
    return lower_graph(graph)


def randomized(lowered: LoweredGraph) -> tuple[torch.fx.GraphModule, list[Tensor]]:
    """The module with random weights, and these in Keras's layout."""
    module = build(lowered)
    values = []
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for layer, variable, rules in weights(lowered):
            value = torch.randn(variable.shape, generator=generator)
            assign(parameters_of(module, layer, rules), rules, value)
            values.append(value.requires_grad_())
    return module, values


def check_formula(layer: LayerSpec, shape: list[int], formula: Callable[..., Tensor]) -> None:
    """Hold the layer to `formula(x, *weights)`: shapes, outputs, gradients, emitted source, export."""
    lowered = lowered_of(layer, shape=shape)
    module, values = randomized(lowered)
    x = torch.randn(6, *shape, generator=torch.Generator().manual_seed(2)).requires_grad_()
    y, expected = module(x), formula(x, *values)
    (output,) = lowered.graph.nodes[-1].outputs
    assert output.shape is not None
    assert output.shape[1:] == tuple(expected.shape[1:])
    torch.testing.assert_close(y, expected, rtol=1e-5, atol=1e-6)
    direction = torch.randn(y.shape, generator=torch.Generator().manual_seed(3))
    wanted = torch.autograd.grad((expected * direction).sum(), [x, *values])
    (y * direction).sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, wanted[0], rtol=1e-5, atol=1e-6)
    for (owner, variable, rules), gradient in zip(weights(lowered), wanted[1:], strict=True):
        found = read([p.grad for p in parameters_of(module, owner, rules)], variable, rules)
        torch.testing.assert_close(found, gradient, rtol=1e-5, atol=2e-6)
    _check_source(lowered, module, x.detach())
    with torch.no_grad():
        exported = torch.export.export(module.eval(), (x.detach(),)).module()
        torch.testing.assert_close(exported(x.detach()), y.detach(), rtol=1e-5, atol=1e-6)


def _check_source(lowered: LoweredGraph, module: torch.fx.GraphModule, x: Tensor) -> None:
    """The emitted file takes the module's state and computes the same numbers."""
    emitted = types.ModuleType("emitted")
    exec(emit(lowered), emitted.__dict__)
    again = getattr(emitted, class_name("model"))()
    again.load_state_dict(module.state_dict())
    assert torch.equal(module(x), again(x))
