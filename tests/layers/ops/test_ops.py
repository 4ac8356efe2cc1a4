"""Every operation against Keras: types, numbers, gradients, what is written, what is emitted."""

from __future__ import annotations

import importlib
import pickle
import pkgutil
import types
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
import torch
from keras.src.ops.function import Function
from keras.src.ops.math import SegmentReduction
from keras.src.ops.operation import Operation

from spec_compiler.codegen import emit
from spec_compiler.diagnostics import Reporter
from spec_compiler.dialects.read import read_data
from spec_compiler.lowering.lower import build
from spec_compiler.lowering.names import class_name
from spec_compiler.lowering.to_fx import lower_graph
from spec_compiler.specs.layers.ops_table import REFUSED, operations
from tests.layers.keras_oracle import exact_attention
from tests.layers.ops import oracle, substitutes
from tests.layers.ops.oracle import Case, Pair, flat

CASES = oracle.all_cases()
FIRST = {case.op: case for case in reversed(CASES)}
"""The first case of each operation."""
RTOL, ATOL = 1e-5, 1e-6
HALF = {torch.float16: 2e-3, torch.bfloat16: 2e-2}
"""Half precision has 11 and 8 bits; Keras rounds between the steps of an operation, we do not."""


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_operation_matches_keras(case: Case) -> None:
    pair = oracle.make_pair(case)
    _assert_written(pair)
    lowered = lower_graph(pair.graph)
    module = build(lowered)
    ours, theirs = oracle.tensors_of(case, pair.arrays), oracle.tensors_of(case, pair.arrays)
    found = flat(module(*ours))
    with exact_attention():
        expected = [y for y in flat(_expected(pair, theirs)) if y is not None]
    _assert_types(pair, found, expected)
    for i, (a, b) in enumerate(zip(found, expected, strict=True)):
        if "numbers" not in case.wrong:
            assert_close(a, b, f"output {i}")
    if case.gradient and case.held_to != "numpy":
        _assert_gradients(found, ours, expected, theirs)
    _assert_emitted(pair, lowered, ours, found)


@pytest.mark.parametrize("case", FIRST.values(), ids=FIRST)
def test_operation_survives_pickling(case: Case) -> None:
    pair = oracle.make_pair(case)
    module = build(lower_graph(pair.graph))
    again = pickle.loads(pickle.dumps(module))
    tensors = oracle.tensors_of(case, pair.arrays)
    for a, b in zip(flat(again(*tensors)), flat(module(*tensors)), strict=True):
        torch.testing.assert_close(a, b, equal_nan=True)
    assert len(again.graph.nodes) == len(module.graph.nodes), "functions of ours are steps, and not traced into"


def test_every_operation_has_a_case() -> None:
    assert not {op.function for op in operations()} - {case.op for case in CASES}


def test_every_operation_of_keras_is_in_the_table_or_refused() -> None:
    ours = {(op.module, op.name) for op in operations()}
    theirs = set(_operations_of_keras())
    assert ours <= theirs
    assert {name for _, name in theirs - ours} == REFUSED.keys()


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_refused_operation_is_named_with_the_reason(name: str) -> None:
    case = Case("refused", "relu", [[3]])
    document = oracle.make_pair(case).document
    (item,) = oracle.operations_in(document)
    (module,) = (module for module, known in _operations_of_keras() if known == name)
    item.update(class_name=name, module=module)
    reporter = Reporter()
    read_data(document, reporter)
    assert f"the operation '{module}.{name}' cannot be built: {REFUSED[name]}" in [
        d.message for d in reporter.diagnostics
    ]


def _operations_of_keras() -> Iterator[tuple[str, str]]:
    """Module and name of every operation that has a function in `keras.ops`."""
    for found in pkgutil.iter_modules(keras.src.ops.__path__, "keras.src.ops."):
        if found.name.endswith("_test"):
            continue
        for name, cls in vars(importlib.import_module(found.name)).items():
            own = isinstance(cls, type) and issubclass(cls, Operation) and cls.__module__ == found.name
            if own and cls not in (Operation, Function, SegmentReduction):
                yield found.name, name


def _expected(pair: Pair, tensors: list[torch.Tensor]) -> Any:
    if pair.case.held_to == "numpy":
        return oracle.in_numpy(pair.case, pair.arrays)
    if pair.case.held_to == "substitutes":
        return oracle.called(substitutes.find(pair.case.op), pair.case, tensors)
    if "model" in pair.case.wrong:
        return oracle.called(oracle.keras_function(pair.case.op), pair.case, tensors)
    return pair.model(tensors)


def _assert_types(pair: Pair, found: list[torch.Tensor], expected: list[torch.Tensor]) -> None:
    inferred = oracle.outputs_of(pair.graph)
    stated = [(tuple(t.shape), t.dtype) for t in pair.model.outputs]
    if "shape" not in pair.case.wrong:
        assert [s for s, _ in inferred] == [s for s, _ in stated], "shapes, and Keras's"
    if "dtype" not in pair.case.wrong:
        assert [d for _, d in inferred] == [d for _, d in stated], "dtypes, and Keras's"
    for (shape, dtype), tensor in zip(inferred, found, strict=True):
        assert tensor.dtype == getattr(torch, dtype), f"{tensor.dtype} was inferred as {dtype}"
        assert len(shape) == tensor.dim(), f"{tuple(tensor.shape)} was inferred as {shape}"
        assert all(n in (None, m) for n, m in zip(shape, tensor.shape, strict=True)), f"{tensor.shape} as {shape}"
    if "dtype" not in pair.case.wrong and pair.case.held_to == "keras":
        assert [t.dtype for t in found] == [t.dtype for t in expected]


def assert_close(a: torch.Tensor, b: torch.Tensor, what: str, *through: torch.dtype) -> None:
    """Assert that two tensors agree, to the precision of their dtypes and of those they were computed `through`."""
    a, b = a.detach(), b.detach()
    tolerance = max(HALF.get(dtype, RTOL) for dtype in (a.dtype, b.dtype, *through))
    scale = max(1.0, float(b.abs().double().nan_to_num(0, 0, 0).max())) if b.numel() and b.dtype != torch.bool else 1.0
    atol = ATOL * scale if tolerance == RTOL else tolerance * scale
    torch.testing.assert_close(
        a, b.to(a.dtype), rtol=tolerance, atol=atol, equal_nan=True, msg=lambda m: f"{what}: {m}"
    )


def _assert_gradients(found: Any, ours: Any, expected: Any, theirs: Any) -> None:
    losses = [_loss(outputs) for outputs in (found, expected)]
    assert (losses[0] is None) == (losses[1] is None), "one has no gradient"
    if losses[0] is None or losses[1] is None:
        return
    grads = [
        torch.autograd.grad(loss, [x for x in inputs if x.requires_grad], allow_unused=True)
        for loss, inputs in zip(losses, (ours, theirs), strict=True)
    ]
    for i, (a, b) in enumerate(zip(*grads, strict=True)):
        assert (a is None) == (b is None) or not (a if b is None else b).any(), f"gradient {i}"
        if a is not None and b is not None:
            assert_close(a, b, f"gradient {i}", *(output.dtype for output in expected))


def _loss(outputs: list[torch.Tensor]) -> torch.Tensor | None:
    total = None
    rng = np.random.default_rng(0)
    for output in outputs:
        if output.requires_grad:
            weight = torch.from_numpy(rng.standard_normal(tuple(output.shape)).astype("float32"))
            real = output.real if output.is_complex() else output
            part = (real.float() * weight).sum() / max(output.numel(), 1) ** 0.5
            total = part if total is None else total + part
    return total


def _assert_written(pair: Pair) -> None:
    theirs = oracle.operations_in(pair.document)
    ours = oracle.operations_in(pair.written)
    for a, b in zip(ours, theirs, strict=True):
        b.pop("build_config", None)
        if "shape" in pair.case.wrong or "dtype" in pair.case.wrong:
            assert _bare(a) == _bare(b)
        else:
            assert a == b
    made = oracle.written_in_python(pair.case, pair)
    assert made == [{key: item[key] for key in made[0]} for item in theirs]


def _bare(item: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key != "inbound_nodes"}


def _assert_emitted(pair: Pair, lowered: Any, inputs: list[torch.Tensor], expected: list[torch.Tensor]) -> None:
    source = emit(lowered)
    emitted = types.ModuleType("emitted")
    exec(compile(source, "<emitted>", "exec"), emitted.__dict__)
    module = getattr(emitted, class_name(pair.graph.name))()
    found = flat(module(*inputs))
    # To the last bit, but for LAPACK, whose last bit hangs on where in memory a matrix lies.
    bound = 1e-6 if pair.case.id.startswith("linalg") else 0.0
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a.detach(), b.detach(), rtol=bound, atol=bound, equal_nan=True, msg=source)
