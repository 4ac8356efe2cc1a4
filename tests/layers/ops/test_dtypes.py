"""Operations on every dtype: each computes what Keras does on torch, in the same dtype, or is refused beforehand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import pytest
import torch

from spec_compiler import SpecError, layers, lower, ops, parse_spec, validate_text
from spec_compiler.diagnostics import Reporter
from spec_compiler.lowering.lower import build
from spec_compiler.lowering.to_fx import lower_graph
from spec_compiler.models import Model
from spec_compiler.passes import check
from spec_compiler.specs.functional import Input, trace
from spec_compiler.specs.layers import ops_table
from spec_compiler.specs.layers.ops_table import operations
from spec_compiler.specs.types import TENSOR_DTYPES, kept_as
from tests.layers.ops import oracle
from tests.layers.ops.oracle import Case, flat
from tests.layers.ops.test_ops import FIRST, assert_close

USUAL = ("float32", "float64", "int32", "int64")
"""Tested by the cases; in 64 bits Keras computes in 32."""
RARE = [dtype for dtype in TENSOR_DTYPES if dtype not in USUAL]

WRONG = {
    "nonzero": "Keras's function stacks what its model keeps apart",
    "full": "Keras's function does not stretch the value",
    "count_nonzero": "Keras transposes the counts",
    "gaussian_blur": "Keras's function differs from its model",
    "pad": "Keras drops imaginary parts",
    "segment_max segment_min": "Keras casts an infinity to integers where a segment is empty",
    "scatter": "Keras takes uint8 for masks",
    "linspace logspace geomspace sparse_plus sparse_sigmoid": "Keras subtracts in uint8",
    "polar": "Keras gives complex32 where it says float32",
    "ssim affine_transform": "of half precision hardly a digit is left",
    "prod nanprod": "Keras makes int32 of uint32, which it keeps as int64",
}
NOT_COMPARED = {op for names in WRONG for op in names.split()}
"""Operations whose numbers Keras has wrong for some dtype."""

FAULTS_OF_DATA = (IndexError, torch.linalg.LinAlgError)


@pytest.mark.parametrize("op", FIRST)
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
def test_rare_dtypes_are_computed_with_or_refused(op: str) -> None:
    for dtype in RARE:
        inputs = [{**(x if isinstance(x, dict) else {"shape": x}), "dtype": dtype} for x in FIRST[op].inputs]
        _assert_computed_or_refused(replace(FIRST[op], id=f"{op}, {dtype}", inputs=inputs, gradient=False), dtype)


def _assert_computed_or_refused(case: Case, dtype: str) -> None:
    arrays = oracle.arrays_of(case)
    inputs = [Input(batch_shape=shape, dtype=of) for shape, of in oracle.types_of(case, arrays)]
    try:
        outputs = oracle.called(getattr(ops, case.op), case, inputs)
    except SpecError:
        return
    graph = check(trace(inputs, flat(outputs), "case"), Reporter())
    assert graph is not None
    tensors = oracle.tensors_of(case, arrays)
    try:
        found = flat(build(lower_graph(graph))(*tensors))
    except FAULTS_OF_DATA:
        return
    except RuntimeError as error:
        if "ZeroDivisionError" not in str(error):
            raise AssertionError(f"{case.id}: {error}") from error
        return
    assert [y.dtype for y in found] == [getattr(torch, d) for _, d in oracle.outputs_of(graph)], case.id
    if case.op in NOT_COMPARED or case.wrong or case.held_to != "keras":
        return
    try:
        expected = flat(oracle.called(oracle.keras_function(case.op), case, tensors))
    except Exception:
        return
    said = _symbolic(case, arrays)
    for i, (a, b) in enumerate(zip(found, map(torch.as_tensor, expected), strict=True)):
        # Where Keras gives another dtype than it says, either will do.
        assert a.dtype in (b.dtype, said[i]), f"{case.id}: {a.dtype}, Keras gives {b.dtype}"
        assert_close(a, b, f"{case.id}, output {i}", *(x.dtype for x in tensors))


def _symbolic(case: Case, arrays: Any) -> list[torch.dtype]:
    """The dtypes that Keras says the outputs are of."""
    inputs = [keras.Input(batch_shape=s, dtype=d) for s, d in oracle.types_of(case, arrays)]
    outputs = flat(oracle.called(oracle.keras_function(case.op), case, inputs))
    return [getattr(torch, kept_as(y.dtype)) for y in outputs]


def test_every_operation_says_what_it_makes_of_complex_numbers() -> None:
    """A name in the table that is no operation's would be there for nothing."""
    assert {operation.name for operation in operations()} >= ops_table._of_complex


@pytest.mark.parametrize("dtype", ["uint16", "uint32"])
def test_wide_unsigned_integers_are_kept_as_keras_keeps_them(dtype: str) -> None:
    x = Input((3,), dtype=dtype)
    y = ops.cast(Input((3,)), dtype)
    kept = keras.ops.cast(torch.ones(3), dtype).dtype
    assert [str(kept)] * 2 == [f"torch.{t.dtype}" for t in (x, y)]


@pytest.mark.parametrize("dtype", ["string", "mixed_float16", "uint64", "complex128"])
def test_an_input_of_no_dtype_of_numbers_is_refused(dtype: str) -> None:
    with pytest.raises((SpecError, ValueError), match="dtype"):
        Input((3,), dtype=dtype)


@pytest.mark.parametrize(
    "layer", ["Flatten", "Identity", "{Permute: {dims: [3, 1, 2]}}", "{Reshape: {target_shape: [-1]}}"]
)
def test_layers_that_move_numbers_take_complex_ones(layer: str) -> None:
    x = torch.randn(2, 4, 5, 3, dtype=torch.complex64)
    y = lower(parse_spec(_complex_model(layer)))(x)
    assert y.dtype == torch.complex64 and torch.equal(_sorted(y), _sorted(x))


@pytest.mark.parametrize(
    "layer", ["{Dense: {units: 2}}", "ReLU", "{Resizing: {height: 2, width: 2}}", "GlobalAveragePooling2D"]
)
def test_layers_that_compute_take_no_complex_numbers(layer: str) -> None:
    assert "takes no complex numbers [SC306]" in str(validate_text(_complex_model(layer)))


def _sorted(x: torch.Tensor) -> torch.Tensor:
    return x.flatten().abs().sort().values


def _complex_model(layer: str) -> str:
    return f"inputs: {{x: {{shape: [4, 5, 3], dtype: complex64}}}}\nlayers: [{layer}]"


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "bool"])
@pytest.mark.parametrize("name", ["cumsum", "cumprod", "nancumsum", "nancumprod", "prod"])
def test_what_a_trained_layer_gives_accumulates_in_whole_numbers(name: str, dtype: str) -> None:
    x = Input(shape=(3,))
    module = lower(Model(x, getattr(ops, name)(layers.Dense(4, name="dense")(x), dtype=dtype)).spec)
    with torch.no_grad():
        module.dense.weight.mul_(2.5)
    numbers = torch.rand(2, 3)
    expected = getattr(keras.ops, name)(module.dense(numbers).detach(), dtype=dtype)
    found = module(numbers)
    assert found.dtype == expected.dtype
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32"])
@pytest.mark.parametrize("shape", [(17, 16, 2), (7, 7, 7, 2)])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_maxima_of_more_places_than_the_dtype_counts(dtype: str, shape: tuple[int, ...], padding: str) -> None:
    y = ops.max_pool(x := Input(shape, dtype=dtype), 2, padding=padding)
    given = torch.randint(0, 100, (2, *shape)).to(getattr(torch, dtype))
    found = lower(trace(x, y, "model"))(given)
    assert found.dtype == given.dtype
    expected = lower(trace(x := Input(shape), ops.max_pool(x, 2, padding=padding), "floats"))(given.float())
    assert torch.equal(found.float(), expected)
