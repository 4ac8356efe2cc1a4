"""The grid's cases as modules, without Keras: layers (`tests/layers/*/*.yaml`), operations, and the source they emit."""

from __future__ import annotations

import types
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from spec_compiler import layers, load_spec, ops
from spec_compiler.codegen import emit
from spec_compiler.diagnostics import Reporter
from spec_compiler.ir import values_in
from spec_compiler.lowering.lower import build, initialize_weights, lower_spec
from spec_compiler.lowering.lowered import LoweredGraph
from spec_compiler.lowering.names import class_name
from spec_compiler.lowering.to_fx import lower_graph, penalized
from spec_compiler.passes import check
from spec_compiler.specs.functional import Input, trace
from tests.layers.cases import Case
from tests.layers.ops import calls
from tests.models.generated_cases import start_of


def document(case: Case) -> dict[str, Any]:
    """The case of a layer as a model in the short form."""
    inputs, items = start_of(case, {"batch_size": case.batch_shape[0]} if case.batch_shape else {}, {})
    for stated in inputs.values():
        stated["shape"] = [None if i in case.unknown else n for i, n in enumerate(stated["shape"], 1)]
    return {"inputs": inputs, "layers": items}


def lowered_layer(case: Case) -> tuple[LoweredGraph, LoweredGraph]:
    """The case of a layer as a lowered model; and as it is trained, its masks and penalties beside the outputs."""
    lowered = lower_spec(load_spec(document(case)))
    graph = lowered.graph
    more = penalized(graph) or any(value.mask is not None for value in values_in(graph.outputs))
    return lowered, lower_graph(graph, for_training=True) if more else lowered


def lowered_operation(case: calls.Case) -> LoweredGraph:
    """The case of an operation as a lowered model."""
    inputs = [Input(batch_shape=shape, dtype=dtype) for shape, dtype in calls.types_of(case, calls.arrays_of(case))]
    operands = [layers.MaxPooling2D()(x) if i in case.pooled else x for i, x in enumerate(inputs)]
    outputs = calls.flat(calls.called(getattr(ops, case.op), case, operands))
    graph = check(trace(inputs, [y for y in outputs if y is not None], "case"), Reporter())
    assert graph is not None
    return lower_graph(graph)


def built(lowered: LoweredGraph) -> nn.Module:
    """The module, its weights drawn."""
    module = build(lowered)
    initialize_weights(lowered, module)
    return module


def emitted(lowered: LoweredGraph) -> nn.Module:
    """The module of the emitted source."""
    made = types.ModuleType("emitted")
    exec(compile(emit(lowered), "<emitted>", "exec"), made.__dict__)
    return getattr(made, class_name(lowered.graph.name))()  # type: ignore[no-any-return]


def inputs_of(case: Case) -> list[Tensor]:
    """Random inputs of a layer's case."""
    draw = torch.Generator().manual_seed(0)
    found = []
    for stated in start_of(case, {}, {})[0].values():
        shape, dtype = [case.batch, *stated["shape"]], getattr(torch, stated["dtype"])
        if dtype is torch.bool:
            x = torch.rand(shape, generator=draw) < 0.6
            x[..., -1] |= ~x.any(-1)  # something is left of every row
        elif dtype.is_floating_point:
            x = torch.randn(shape, generator=draw).to(dtype)
        else:
            x = torch.randint(case.low, case.high, shape, generator=draw, dtype=dtype)
        found.append(x)
    return found


def flat(outputs: Any) -> list[Tensor]:
    """The tensors of an output, in order; nothing of None, which stands for no mask."""
    if outputs is None or isinstance(outputs, Tensor):
        return [] if outputs is None else [outputs]
    return [leaf for item in (outputs.values() if isinstance(outputs, dict) else outputs) for leaf in flat(item)]


def results(module: nn.Module, inputs: Sequence[Tensor], device: str) -> dict[str, Tensor]:
    """Outputs, gradients of a random linear function of them, and buffers."""
    leaves = [x.detach().to(device).requires_grad_(x.is_floating_point()) for x in inputs]
    outputs = flat(module(*leaves))
    found = {f"output {i}": y for i, y in enumerate(outputs)}
    draw = torch.Generator().manual_seed(1)
    total: Any = 0.0
    for y in outputs:
        weight = torch.randn(y.shape, generator=draw).to(device)
        if y.requires_grad:
            real = y.real if y.is_complex() else y
            total = total + (real.float() * weight).sum() / max(y.numel(), 1) ** 0.5
    if isinstance(total, Tensor) and total.requires_grad:
        total.backward()
    named = {**{f"input {i}": x for i, x in enumerate(leaves)}, **dict(module.named_parameters())}
    found |= {f"gradient of {name}": x.grad for name, x in named.items() if x.grad is not None}
    return found | dict(module.named_buffers())
