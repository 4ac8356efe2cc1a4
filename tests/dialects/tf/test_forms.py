"""The forms that calls of TensorFlow's functions have in files, and what becomes of them when a model changes."""

from __future__ import annotations

import copy
import json
import random
import time
from typing import Any

import keras
import pytest
import torch

import spec_compiler as sc
from spec_compiler.diagnostics import Reporter, SpecError
from spec_compiler.dialects import read_data
from spec_compiler.dialects.write import to_dict, to_json
from spec_compiler.loading import parse_spec, validate_text
from spec_compiler.passes import check
from spec_compiler.specs.layers.ops import OpSpec
from spec_compiler.specs.model import Ref
from spec_compiler.summary import summary
from tests.dialects.test_keras_hostile import at, places
from tests.dialects.tf import cases, test_chains


def given(name: str, *shape: int | None) -> dict[str, Any]:
    config = {"batch_input_shape": [None, *shape], "dtype": "float32", "sparse": False, "ragged": False, "name": name}
    return {"class_name": "InputLayer", "config": config, "name": name, "inbound_nodes": []}


def function(name: str, symbol: str, *nodes: Any) -> dict[str, Any]:
    config = {"name": name, "trainable": True, "dtype": "float32", "function": symbol}
    return {"class_name": "TFOpLambda", "config": config, "name": name, "inbound_nodes": list(nodes)}


def raw(name: str, node_def: Any, constants: dict[str, Any] | None, *inputs: str) -> dict[str, Any]:
    config = {"name": name, "trainable": True, "dtype": "float32", "node_def": node_def, "constants": constants}
    entries = [[one, 0, 0, {}] for one in inputs]
    return {
        "class_name": "TensorFlowOpLayer",
        "config": config,
        "name": f"tf_op_layer_{name}",
        "inbound_nodes": [entries],
    }


def model(layers: list[dict[str, Any]], inputs: list[str], outputs: list[Any]) -> dict[str, Any]:
    ends = {"input_layers": [[one, 0, 0] for one in inputs], "output_layers": outputs}
    return {"class_name": "Functional", "config": {"name": "m", "trainable": True, "layers": layers, **ends}}


def read(document: dict[str, Any]) -> Any:
    return parse_spec(json.dumps({**document, "keras_version": "2.8.0", "backend": "tensorflow"}))


def written(spec: Any) -> dict[str, Any]:
    found = json.loads(json.dumps(to_dict(spec, "keras2")))
    return {key: found[key] for key in ("class_name", "config")}


X = torch.randn(3, 4)
TEXT = """
name: "add"
op: "AddV2"
input: "x"
input: "add/y"
attr {
  key: "T"
  value { type: DT_FLOAT }
}
"""
JSON = {"name": "add", "op": "AddV2", "input": ["x", "add/y"], "attr": {"T": {"type": "DT_FLOAT"}}}


@pytest.mark.parametrize("node_def", [JSON, json.dumps(JSON), TEXT], ids=["mapping", "json", "text"])
def test_raw_operation_is_stated_in_each_of_protobufs_forms(node_def: Any) -> None:
    document = model([given("x", 4), raw("add", node_def, {"1": 1.5}, "x")], ["x"], [["tf_op_layer_add", 0, 0]])
    spec = read(document)
    torch.testing.assert_close(sc.lower(spec)(X), X + 1.5)
    assert written(spec) == document


@pytest.mark.parametrize(
    ("node_def", "constants", "wanted"),
    [
        ('op: "Mean" attr { key: "keep_dims" value { b: true } }', {"1": [1]}, X.mean(1, keepdim=True)),
        ('op: "Mean" attr: < key: "keep_dims", value: < b: false > >', {"1": [1]}, X.mean(1)),
        ('op: "LeakyRelu" attr { key: "alpha" value { f: 0.5 } } # a slope', None, torch.where(X > 0, X, X / 2)),
        ('op: "Squeeze" attr { key: "squeeze_dims" value { list { i: [-1] } } }', None, None),
        (
            "op: 'StridedSlice' attr { key: 'end_mask' value { i: 3 } }",
            {"1": [0, 1], "2": [0, 0], "3": [1, 2]},
            X[:, 1::2],
        ),
    ],
)
def test_attributes_in_protobufs_text(node_def: str, constants: Any, wanted: Any) -> None:
    squeezed = wanted is None
    layers = [given("x", 4, 1) if squeezed else given("x", 4), raw("y", node_def, constants, "x")]
    spec = read(model(layers, ["x"], [["tf_op_layer_y", 0, 0]]))
    torch.testing.assert_close(sc.lower(spec)(X[..., None] if squeezed else X), X if squeezed else wanted)


@pytest.mark.parametrize("text", ["{", "op", "op: {", "a: [", "\x00\x03add", "{" * 10_000, "a { " * 10_000, "op: 3"])
def test_broken_node_def_is_a_diagnostic(text: str) -> None:
    document = model([given("x", 4), raw("y", text, None, "x")], ["x"], [["tf_op_layer_y", 0, 0]])
    report = validate_text(json.dumps(document))
    assert [fault.code.id for fault in report.diagnostics] in (["SC104"], ["SC902"])


def test_output_that_a_function_does_not_have_is_a_diagnostic() -> None:
    document = model([given("x", 4), function("f", "nn.relu", ["x", 0, 0, {}])], ["x"], [["f", 0, 10**9]])
    report = validate_text(json.dumps(document))
    assert [(fault.code.id, fault.message) for fault in report.errors] == [
        ("SC204", "layer 'f' has 1 outputs, so there is no output 1000000000")
    ]


def test_function_called_twice_is_two_operations() -> None:
    layers = [given("x", 4), function("f", "math.add", ["x", 0, 0, {"y": 1.0}], ["f", 0, 0, {"y": 2.0}])]
    document = model(layers, ["x"], [["f", 0, 0], ["f", 1, 0]])
    spec = read(document)
    once, twice = sc.lower(spec)(X)
    torch.testing.assert_close(once, X + 1)
    torch.testing.assert_close(twice, X + 3)
    assert written(spec) == document


def test_nested_models_and_layers_between_keep_their_calls() -> None:
    inner = model(
        [given("a", 4), function("double", "math.multiply", ["a", 0, 0, {"y": 2.0, "name": None}])],
        ["a"],
        [["double", 0, 0]],
    )
    inner["config"]["name"] = "inner"
    inner |= {"name": "inner", "inbound_nodes": [[["x", 0, 0, {}]], [["tf.nn.relu", 0, 0, {}]]]}
    layers = [given("x", 4), function("tf.nn.relu", "nn.relu", ["x", 0, 0, {}]), inner]
    layers.append(function("joined", "concat", [["inner", 1, 0, {"axis": -1}], ["inner", 2, 0, {"axis": -1}]]))
    document = model(layers, ["x"], [["joined", 0, 0]])
    spec = read(document)
    torch.testing.assert_close(sc.lower(spec)(X), torch.cat([2 * X, 2 * X.relu()], dim=-1))
    assert written(spec) == document
    again = keras.models.model_from_json(to_json(spec, "keras3"))
    torch.testing.assert_close(again(X).detach(), torch.cat([2 * X, 2 * X.relu()], dim=-1))


def test_summary_names_the_operations_as_keras_does() -> None:
    spec = read(
        model([given("x", 4), function("tf.nn.relu", "nn.relu", ["x", 0, 0, {}])], ["x"], [["tf.nn.relu", 0, 0]])
    )
    graph = check(spec, Reporter())
    assert graph is not None
    lines: list[str] = []
    summary(graph, print_fn=lines.append)
    assert "tf.nn.relu (Relu)" in "\n".join(lines)


def test_layers_out_of_order_are_read() -> None:
    layers = [
        function("b", "nn.relu", ["a", 0, 0, {}]),
        function("a", "math.add", ["x", 0, 0, {"y": -0.5}]),
        given("x", 4),
    ]
    document = model(layers, ["x"], [["b", 0, 0]])
    spec = read(document)
    torch.testing.assert_close(sc.lower(spec)(X), (X - 0.5).relu())
    assert written(spec) == document


def test_names_with_a_slash_are_none_in_keras3() -> None:
    layers = [given("x", 4), raw("block/add", JSON, {"1": 1.5}, "x")]
    document = model(layers, ["x"], [["tf_op_layer_block/add", 0, 0]])
    spec = read(document)
    assert written(spec) == document
    torch.testing.assert_close(keras.models.model_from_json(to_json(spec, "keras3"))(X), X + 1.5)


def changed_outputs(spec: Any) -> None:
    spec.outputs = Ref("x")


def changed_argument(spec: Any) -> None:
    next(layer for layer in spec.walk() if isinstance(layer, OpSpec)).arguments = {"axis": 0}


def changed_call(spec: Any) -> None:
    spec.placed[1].calls[0].args = (Ref("x"),)
    spec.placed[1].calls[0].kwargs = {"extra": 1}


def renamed(spec: Any) -> None:
    spec.placed[1].layer.name = "other"
    spec.outputs = Ref("other")


@pytest.mark.parametrize("change", [changed_outputs, changed_argument, renamed])
def test_changed_model_is_written_as_it_is_now(change: Any) -> None:
    layers = [given("x", 4), function("f", "math.reduce_sum", ["x", 0, 0, {"axis": 1, "keepdims": True}])]
    document = model(layers, ["x"], [["f", 0, 0]])
    spec = read(document)
    change(spec)
    assert written(spec) != document
    torch.testing.assert_close(sc.lower(read(written(spec)))(X), sc.lower(spec)(X))


def test_operation_that_cannot_be_called_is_not_written() -> None:
    layers = [given("x", 4), function("f", "math.reduce_sum", ["x", 0, 0, {"axis": 1, "keepdims": True}])]
    spec = read(model(layers, ["x"], [["f", 0, 0]]))
    changed_call(spec)
    with pytest.raises(SpecError, match="no argument 'extra'"):
        to_dict(spec, "keras2")


def test_a_change_of_a_layer_beside_is_written() -> None:
    dense = {
        "class_name": "Dense",
        "config": {"units": 2, "name": "d"},
        "name": "d",
        "inbound_nodes": [[["f", 0, 0, {}]]],
    }
    spec = read(model([given("x", 4), function("f", "nn.relu", ["x", 0, 0, {}]), dense], ["x"], [["d", 0, 0]]))
    spec.placed[2].layer.units = 3
    layers = written(spec)["config"]["layers"]
    assert [layer["class_name"] for layer in layers] == ["InputLayer", "TFOpLambda", "Dense"]
    assert layers[2]["config"]["units"] == 3


@pytest.mark.parametrize(
    ("symbol", "why"),
    [
        ("random.normal", "random"),
        ("compat.v1.random_uniform", "random"),
        ("boolean_mask", "only from the data"),
        ("py_function", "not in the file"),
    ],
)
def test_refusal_gives_its_reason(symbol: str, why: str) -> None:
    report = validate_text(
        json.dumps(model([given("x", 4), function("f", symbol, ["x", 0, 0, {}])], ["x"], [["f", 0, 0]]))
    )
    (fault,) = report.diagnostics
    assert fault.code.id == "SC902" and symbol in fault.message and why in fault.message


def bombs() -> dict[str, list[dict[str, Any]]]:
    first = function("n0", "shape", ["x", 0, 0, {}])
    n = lambda i: [f"n{i}", 0, 0]  # noqa: E731

    def chain(symbol: str, entry: Any, count: int = 80) -> list[dict[str, Any]]:
        return [first, *(function(f"n{i + 1}", symbol, entry(i)) for i in range(count))]

    return {
        "products": chain("math.multiply", lambda i: [*n(i), {"y": n(i)}]),
        "powers": chain("math.pow", lambda i: [*n(i), {"y": n(i)}]),
        "lists": chain("concat", lambda i: [[*n(i), {"axis": 0}], [*n(i), {"axis": 0}]]),
        "nests": chain("stack", lambda i: [[*n(i), {}], [*n(i), {}]]),
        "axes": chain("expand_dims", lambda i: [*n(i), {"axis": 0}], 5000),
        "floats": [
            first,
            function("n1", "cast", [*n(0), {"dtype": "float64"}]),
            *chain("math.multiply", lambda i: [*n(i + 1), {"y": n(i + 1)}])[1:],
        ],
        "fill": [function("n0", "fill", ["_CONSTANT_VALUE", -1, [10**6, 10**6], {"value": 0}])],
        "eye": [function("n0", "eye", ["_CONSTANT_VALUE", -1, 10**9, {}])],
        "resize": [function("n0", "image.resize", ["x", 0, 0, {"size": [10**9, 10**9], "method": "area"}])],
    }


@pytest.mark.parametrize("name", bombs())
def test_arithmetic_on_constants_is_bounded(name: str) -> None:
    layers = bombs()[name]
    for i, layer in enumerate(layers[1:] if name == "floats" else []):
        layer["name"] = layer["config"]["name"] = f"n{i + 1}"
    last = layers[-1]["name"]
    document = model([given("x", 4, 4, 3), *layers], ["x"], [[last, 0, 0]])
    start = time.process_time()
    report = validate_text(json.dumps(document))
    assert time.process_time() - start < 5
    assert any(fault.code.id == "SC902" for fault in report.diagnostics)
    assert len(report.diagnostics) < 4


def test_a_long_chain_is_read_in_linear_time() -> None:
    def seconds(count: int) -> float:
        layers = [function(f"f{i}", "math.add", [f"f{i - 1}" if i else "x", 0, 0, {"y": 1.0}]) for i in range(count)]
        layers.append(function("r", "reshape", [f"f{count - 1}", 0, 0, {"shape": ["s", 0, 0]}]))
        layers.append(function("s", "shape", [f"f{count - 1}", 0, 0, {}]))
        text = json.dumps(model([given("x", 4), *layers], ["x"], [["r", 0, 0]]))
        start = time.process_time()
        assert validate_text(text).ok
        return time.process_time() - start

    seconds(10)
    short, long = seconds(500), seconds(2000)
    assert long < 8 * short + 0.5


JUNK: list[Any] = [
    None, True, 0, -1, 3, 2.5, "x", "1", [], {}, [1, 2], [[1, 2], [3]], ["x", 0, 0], ["y", 0, 0], [None], "float32", "SAME",
    [-1], [0, 0, 0, 0], 10**12, {"class_name": "__ellipsis__"}, {"start": None, "stop": 2, "step": None},
]  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_calls_with_any_arguments_never_raise(seed: int) -> None:
    rng = random.Random(seed)
    documents = [cases.document(case) for case in cases.all_cases()] + 5 * [
        test_chains.document(c) for c in test_chains.CHAINS
    ]
    for _ in range(400):
        document = copy.deepcopy(rng.choice(documents))
        layer = rng.choice([one for one in document["config"]["layers"] if one["class_name"] != "InputLayer"])
        for _ in range(rng.choice([1, 1, 2])):
            path = rng.choice(
                [p for p in places(layer) if p[0] in ("inbound_nodes", "config") and len(p) > 1] or [("config",)]
            )
            parent = at(layer, path[:-1])
            if rng.random() < 0.25:
                del parent[path[-1]]
                break
            parent[path[-1]] = copy.deepcopy(rng.choice(JUNK))
        reporter = Reporter()
        spec = read_data(document, reporter)
        assert (spec is None) == (not reporter.ok)
        if spec is not None and check(spec, reporter) is not None:
            assert read_data(json.loads(to_json(spec, "keras3")), reporter) is not None
            assert read_data(json.loads(to_json(spec, "keras2")), reporter) is not None
