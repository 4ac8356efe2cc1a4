"""One layer called on inputs of two shapes: what validation passes runs, and gives what Keras gives where Keras runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
import torch

from spec_compiler.codegen import emit
from spec_compiler.diagnostics import Reporter
from spec_compiler.dialects.write import to_json
from spec_compiler.ir import Graph, values_in
from spec_compiler.lowering.lower import assign, build, initialize_weights, parameters_of, weights
from spec_compiler.lowering.to_fx import lower_graph
from spec_compiler.passes import check
from spec_compiler.specs.layers.core import InputLayer, Masking
from spec_compiler.specs.model import CallSpec, FunctionalSpec, Placed, Ref
from tests.layers import keras_oracle
from tests.layers.cases import Case, all_cases, one_a_class
from tests.layers.check import _flat, assert_close
from tests.layers.refused import layer_of

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

BATCH = 3


def variants(shape: list[int]) -> Iterator[list[int]]:
    """Other shapes: one length another, an axis more, an axis less."""
    for i in range(len(shape)):
        yield [n + (j == i) for j, n in enumerate(shape)]
    yield [n + 1 for n in shape[:-1]] + shape[-1:]
    if shape:
        yield [*shape[:-1], 2, shape[-1]]
        yield [2, *shape]
    if len(shape) > 1:
        yield shape[1:]
        yield [*shape[:-2], shape[-1]]


def model_of(case: Case, other: list[list[int]], masked: bool) -> FunctionalSpec:
    """The case's layer called on the case's inputs, and on inputs of other shapes, perhaps masked."""
    layer, placed, calls = layer_of(case), [], []
    for side, shapes in enumerate((case.shapes, other)):
        refs = []
        for i, shape in enumerate(shapes):
            name = f"input_{side}_{i}"
            source = InputLayer(name=name, batch_shape=(None, *shape), dtype=case.input_dtype)
            placed.append(Placed(source, []))
            if masked and side and len(shape) > 1:
                placed.append(Placed(Masking(name=f"masking_{i}"), [CallSpec((Ref(name),))]))
                name = f"masking_{i}"
            refs.append(Ref(name))
        calls.append(CallSpec((refs,) if type(layer).takes_list else tuple(refs), dict(case.call)))
    inputs = [Ref(str(one.layer.name)) for one in placed if isinstance(one.layer, InputLayer)]
    placed.append(Placed(layer, calls))
    return FunctionalSpec(name="model", placed=placed, inputs=inputs, outputs=[Ref("layer", 0), Ref("layer", 1)])


def assert_runs(graph: Graph, oracle: bool = True) -> None:
    """Assert that the checked graph runs, in shapes as inferred, and as Keras's model of it does, where that runs."""
    lowered = lower_graph(graph)
    module = build(lowered)
    initialize_weights(lowered, module)
    emit(lowered)
    rng = np.random.default_rng(0)
    arrays = [
        rng.integers(0, 2, (BATCH, *value.shape[1:])).astype(value.dtype)  # type: ignore[index]
        if "int" in value.dtype
        else rng.standard_normal((BATCH, *value.shape[1:])).astype(value.dtype)  # type: ignore[index]
        for value in graph.inputs
    ]
    theirs = keras_model(graph, arrays) if oracle else None
    if theirs is not None:
        values = keras_oracle.randomize(theirs, rng)
        with torch.no_grad():
            for (layer, _, rules), value in zip(weights(lowered), values, strict=True):
                assign(parameters_of(module, layer, rules), rules, keras_oracle.tensor(value))
    inputs = [torch.from_numpy(array) for array in arrays]
    with torch.no_grad():
        found = _flat(module.eval()(*inputs))
        expected = None if theirs is None else _flat(keras_oracle.run(theirs, inputs, training=False))
        module.train()(*inputs)
    for i, (value, y) in enumerate(zip(values_in(graph.outputs), found, strict=True)):
        assert value.shape is not None
        fits = len(value.shape) == y.dim() and all(n in (None, m) for n, m in zip(value.shape, y.shape, strict=True))
        assert fits, f"inferred {value.shape}, found {tuple(y.shape)}"
        if expected is not None:
            # Keras passes some integers on as they are where it says that floats come out.
            assert_close(y, expected[i].to(y.dtype), f"output {i}")


def keras_model(graph: Graph, arrays: list[Any]) -> keras.Model | None:
    """Keras's model of the graph; None where Keras cannot make it, run it, or say what shapes come out of it."""
    try:
        model = keras.models.model_from_json(to_json(graph.spec, "keras3"))
        outputs = _flat(keras_oracle.run(model, [torch.from_numpy(array) for array in arrays], training=False))
    except Exception:
        return None
    shapes = [tuple(tensor.shape) for tensor in model.outputs]
    alike = all(len(a) == y.dim() for a, y in zip(shapes, outputs, strict=True))
    return model if alike else None


def assert_shared(case: Case, masked: bool) -> None:
    """Assert it of the case's layer, its first input's shape another in the second call."""
    first = case.shapes[0]
    for shape in variants(first):
        other = [shape if one == first else one for one in case.shapes]
        graph = check(model_of(case, other, masked), Reporter())
        if graph is not None:
            assert_runs(graph)


CASES = [case for case in all_cases() if not case.tensors]


@pytest.mark.parametrize("masked", [False, True], ids=["plain", "masked"])
@pytest.mark.parametrize("case", one_a_class(CASES), ids=lambda case: case.id)
def test_a_layer_called_on_two_shapes_runs(case: Case, masked: bool) -> None:
    assert_shared(case, masked)


@pytest.mark.slow
@pytest.mark.parametrize("masked", [False, True], ids=["plain", "masked"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_every_case_called_on_two_shapes_runs(case: Case, masked: bool) -> None:
    assert_shared(case, masked)


@pytest.mark.parametrize("affine", [{}, {"center": False}, {"scale": False}, {"center": False, "scale": False}])
@pytest.mark.parametrize(
    ("axis", "shapes"),
    [
        ([-1, 1], [[5, 3, 4], [5, 4]]),
        ([-1, 1], [[5, 4], [5, 3, 4]]),
        ([1, 3], [[5, 3, 4], [5, 3, 4, 2]]),
        ([-3, -1], [[5, 2, 3, 4], [2, 3, 4]]),
        ([-1, -2], [[5, 3, 4], [3, 4]]),
        ([-3, 2], [[5, 4, 3], [2, 4, 5, 3, 2]]),
    ],
)
def test_one_layer_normalization_of_two_ranks_is_keras(
    axis: Any, shapes: list[list[int]], affine: dict[str, bool]
) -> None:
    arguments = {"axis": axis, "epsilon": 0.1, **affine}
    case = Case("shared", {"LayerNormalization": arguments}, input=shapes[0])
    graph = check(model_of(case, [shapes[1]], False), Reporter())
    assert graph is not None
    lowered = lower_graph(graph)
    module, rng = build(lowered), np.random.default_rng(0)
    xs = [rng.standard_normal((BATCH, *shape)).astype("float32") for shape in shapes]
    # Keras's own layer takes the second rank or not, as the axes are stated: here each rank has a layer of its own.
    theirs = [keras.layers.LayerNormalization(**arguments) for _ in shapes]
    expected = []
    values = [rng.standard_normal(v.shape).astype("float32") for _, v, _ in weights(lowered)]
    for layer, x in zip(theirs, xs, strict=True):
        layer.build(x.shape)
        layer.set_weights(values)
        expected.append(layer(x))
    with torch.no_grad():
        for (layer, _, rules), value in zip(weights(lowered), values, strict=True):
            assign(parameters_of(module, layer, rules), rules, keras_oracle.tensor(value))
    for i, (y, wanted) in enumerate(zip(module(*map(torch.from_numpy, xs)), expected, strict=True)):
        assert_close(y, wanted, f"output {i}")


@pytest.mark.parametrize("mean", [None, [1.0, 2.0, 3.0, 4.0]])
@pytest.mark.parametrize(("axis", "other"), [(1, [4, 2, 3]), (-1, [2, 4]), (-1, [4])])
def test_one_normalization_of_two_ranks_divides_along_its_axis(axis: int, other: list[int], mean: Any) -> None:
    arguments = {"axis": axis} if mean is None else {"axis": axis, "mean": mean, "variance": [4.0, 9.0, 16.0, 25.0]}
    case = Case("shared", {"Normalization": arguments}, input=[4, 3] if axis == 1 else [3, 4])
    for turned in (case, replace(case, input=other)):
        given = [case.shapes[0], other] if turned is case else [other, case.shapes[0]]
        graph = check(model_of(turned, given[1:], False), Reporter())
        assert graph is not None
        lowered = lower_graph(graph)
        module = build(lowered)
        initialize_weights(lowered, module)
        xs = [torch.randn(BATCH, *shape) for shape in given]
        for x, y in zip(xs, module(*xs), strict=True):
            wanted = x if mean is None else _normalized(x, axis)
            torch.testing.assert_close(y, wanted)


def _normalized(x: torch.Tensor, axis: int) -> torch.Tensor:
    mean, deviation = torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([2.0, 3.0, 4.0, 5.0])
    return ((x.movedim(axis, -1) - mean) / deviation).movedim(-1, axis)
