"""Operations of `keras.ops` written for Keras 2, as calls of TensorFlow's functions: reading them gives the same numbers.

That tf_keras computes the same is shown in `tf_keras_oracle`.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

import spec_compiler as sc
from spec_compiler import ops
from spec_compiler.diagnostics import SpecError
from spec_compiler.dialects.tensorflow import table
from spec_compiler.dialects.write import to_dict, to_json
from spec_compiler.loading import parse_spec
from spec_compiler.specs.authoring import clear_names
from spec_compiler.specs.functional import Input, trace
from spec_compiler.specs.layers.ops import OpSpec
from spec_compiler.specs.layers.ops_table import by_function, operations
from tests.layers.ops import oracle
from tests.layers.ops.test_graphs import GRAPHS, _run

WRITTEN = [op.name for op in operations() if table.writing(op.name) is not None]
PER_OPERATION = 3
"""Cases of each that are run here: tf_keras is given all of them."""

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:keras")


def cases_of(op: str) -> list[oracle.Case]:
    found = [case for case in oracle.all_cases() if (known := by_function().get(case.op)) and known.name == op]
    # Halves are rounded between the functions that one operation becomes.
    return [case for case in found if "float16" not in str(case)]


def document_of(case: oracle.Case) -> tuple[Any, str | None]:
    """The case's model, and its document for Keras 2; None where that is refused."""
    spec = oracle.make_pair(case).graph.spec
    try:
        return spec, to_json(spec, "keras2")
    except SpecError as error:
        assert all("Keras 2 has no form for the operation" in fault.message for fault in error.diagnostics)
        return spec, None


@pytest.mark.parametrize("op", WRITTEN)
def test_operation_comes_back_with_the_same_numbers(op: str) -> None:
    done = 0
    for case in cases_of(op):
        spec, text = document_of(case)
        if text is None:
            continue
        tensors = oracle.tensors_of(case, oracle.arrays_of(case))
        assert_same(spec, parse_spec(text), [t.detach() for t in tensors])
        done += 1
        if done == PER_OPERATION:
            break
    assert done, "every case is refused"


def assert_same(spec: Any, again: Any, tensors: list[torch.Tensor]) -> None:
    torch.manual_seed(0)
    first, second = sc.lower(spec).eval(), sc.lower(again).eval()
    second.load_state_dict(first.state_dict())
    with torch.no_grad():
        for a, b in zip(oracle.flat(first(*tensors)), oracle.flat(second(*tensors)), strict=True):
            torch.testing.assert_close(b, a, rtol=1e-5, atol=1e-5, equal_nan=True)


@pytest.mark.parametrize("given", ["bool", "int8", "float32"])
@pytest.mark.parametrize("wanted", ["bool", "uint8", "float32"])
def test_booleans_have_no_range_in_tensorflow(given: str, wanted: str) -> None:
    x = Input((4,), dtype=given)
    spec = trace(x, ops.saturate_cast(x, wanted), "model")
    if wanted == "bool" and given != "bool":
        with pytest.raises(SpecError, match="no range of booleans"):
            to_json(spec, "keras2")
        return
    text = to_json(spec, "keras2")
    assert ('dtypes.saturate_cast"' in text) == (given != "bool")
    assert_same(spec, parse_spec(text), [torch.tensor([[0, 1, 0, 1]]).to(getattr(torch, given))])


@pytest.mark.parametrize("seed", range(0, GRAPHS, 2))
def test_graph_of_operations_comes_back_with_the_same_numbers(seed: int) -> None:
    model, tensors, _ = _run(seed)
    spec = parse_spec(model.to_json())
    try:
        text = to_json(spec, "keras2")
    except SpecError as error:
        pytest.skip(error.diagnostics[0].message)
    assert_same(spec, parse_spec(text), tensors)


def stated(document: dict[str, Any]) -> list[Any]:
    """Name, function and calls of each operation, in order."""
    layers = json.loads(json.dumps(document))["config"]["layers"]
    return [
        (layer["class_name"], layer["name"], layer["config"]["function"], layer["inbound_nodes"])
        for layer in layers
        if "function" in layer["config"]
    ]


def test_arithmetic_and_slices_are_what_tf_keras_itself_writes() -> None:
    clear_names()
    x = Input((4, 6), name="x")
    y = ops.concatenate([(1 - x[:, 1:, ..., 0:2]) / 3, x[:, :3, 4:]], axis=-1)
    assert stated(to_dict(trace(x, y, "m"), "keras2")) == [
        (
            "SlicingOpLambda", "get_item", "__operators__.getitem",
            [["x", 0, 0, {"slice_spec": [
                {"start": None, "stop": None, "step": None}, {"start": 1, "stop": None, "step": None},
                {"class_name": "__ellipsis__"}, {"start": 0, "stop": 2, "step": None},
            ]}]],
        ),
        ("TFOpLambda", "subtract", "math.subtract", [["_CONSTANT_VALUE", -1, 1.0, {"y": ["get_item", 0, 0]}]]),
        ("TFOpLambda", "true_divide", "math.truediv", [["subtract", 0, 0, {"y": 3.0}]]),
        (
            "SlicingOpLambda", "get_item_1", "__operators__.getitem",
            [["x", 0, 0, {"slice_spec": [
                {"start": None, "stop": None, "step": None}, {"start": None, "stop": 3, "step": None},
                {"start": 4, "stop": None, "step": None},
            ]}]],
        ),
        (
            "TFOpLambda", "concatenate", "concat",
            [[["true_divide", 0, 0, {"axis": -1}], ["get_item_1", 0, 0, {"axis": -1}]]],
        ),
    ]  # fmt: skip


def test_dtypes_that_keras_promotes_are_cast_for_tensorflow() -> None:
    x, n = Input((4,), name="x"), Input((4,), dtype="int32", name="n")
    functions = [function for _, _, function, _ in stated(to_dict(trace([x, n], x + n, "m"), "keras2"))]
    assert functions == ["cast", "math.add"]


def test_calls_outputs_and_nested_models_keep_their_wiring() -> None:
    x = Input((4,), name="x")
    a = Input((4,), name="a")
    inner = sc.Model(a, ops.split(a * 2, 2, axis=-1), name="inner")
    low, high = inner(x)
    first, second = ops.split(ops.concatenate([high, low, x], axis=-1), [3], axis=-1)
    values, places = ops.top_k(second, 2)
    spec = sc.Model(x, [first, values, places, low], name="outer").spec
    assert_same(spec, parse_spec(to_json(spec, "keras2")), [torch.randn(3, 4)])


def test_operation_called_twice_is_two_calls() -> None:
    add = OpSpec(op="Add", name="add")
    x = Input((4,), name="x")
    y = add(x, 1.0)
    spec = trace(x, [add(y, x), y], "m")
    layers = stated(to_dict(spec, "keras2"))
    assert [name for _, name, _, _ in layers] == ["add", "add_1"]
    assert_same(spec, parse_spec(to_json(spec, "keras2")), [torch.randn(3, 4)])


def test_operations_that_tensorflow_has_no_function_for_are_named_all_of_them() -> None:
    x = Input((4, 6), name="x")
    y = ops.median(x, axis=-1) + ops.norm(x, ord=1, axis=-1)
    with pytest.raises(SpecError) as error:
        to_dict(trace(x, y, "m"), "keras2")
    assert [fault.message for fault in error.value.diagnostics] == [
        "layer 'median': Keras 2 has no form for the operation Median of keras.src.ops.numpy: "
        "no function of TensorFlow's is known that computes it",
        "layer 'norm': Keras 2 has no form for the operation Norm of keras.src.ops.linalg: a norm of order 1",
    ]
