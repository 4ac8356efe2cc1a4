"""Documents of Keras 0.x: read, given weights, and held to their old definitions."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from spec_compiler import load_spec, validate
from spec_compiler.models import model_from_json


def inline(name: str, **arguments: Any) -> dict[str, Any]:
    return {"name": name, "cache_enabled": True, "trainable": True, **arguments}


def test_names_that_were_given_are_kept() -> None:
    layers = [
        inline("Dense", custom_name="first", output_dim=4, input_shape=[3]),
        inline("Dense", custom_name="dense", output_dim=4),
        inline("Dense", custom_name="dense", output_dim=4),
        inline("Dense", custom_name="first", output_dim=4),
        inline("MaxoutDense", custom_name="maxoutdense", output_dim=4),
        inline("Activation", custom_name="", activation="relu"),
        inline("Activation", activation="tanh"),
    ]
    spec = load_spec({"name": "Sequential", "layers": layers})
    names = ["first_input", "first", "dense", "dense_1", "dense_2", "maxout_dense", "activation", "activation_1"]
    assert [layer.name for layer in spec.layers] == names
    text = json.dumps({"name": "Sequential", "layers": layers})
    assert [layer.name for layer in load_spec(json.loads(text)).layers] == names


def graph(
    version: str | None, inputs: dict[str, list[int]], nodes: list[dict[str, Any]], outputs: list[dict[str, Any]]
) -> str:
    """A Graph as Keras 0.3 wrote it, or Keras 1.0, where a version is given, and be it "". An entry's `layer` is a class name and its arguments."""
    ends = {"merge_mode": "concat", "concat_axis": -1, "dot_axes": -1}
    stored, entries = {}, []
    for node in nodes:
        entry = {**ends, **node}
        name, arguments = entry.pop("layer")
        shared = entry.pop("shared", False)
        if version is None:
            layer = inline(name, custom_name=entry["name"], **arguments)
            if shared:
                layer = inline("Siamese", layer=layer, inputs=[], is_graph=True)
        else:
            layer = {"class_name": name, "config": {"name": "any", **arguments}}
            if shared:
                entry["layer"], layer = layer, {"class_name": "Merge", "config": {}, "shared": True}
                entry.setdefault("outputs", [])
        if not shared:
            entry = {"input": None, "inputs": [], **entry}
        elif version is None:
            for i, head in enumerate(entry.pop("outputs", [])):
                entries.append({"name": head, "inputs": [entry["name"]]})
                stored[head] = inline("SiameseHead", head=i)
        stored[entry["name"]] = layer
        at = len(entries) - sum(one.get("inputs") == [entry["name"]] for one in entries)
        entries.insert(at, entry)
    body = {
        "input_config": [{"name": name, "input_shape": shape, "dtype": "float"} for name, shape in inputs.items()],
        "node_config": entries,
        "output_config": [{"input": None, "inputs": [], **ends, **one} for one in outputs],
        "nodes": stored,
    }
    if version is None:
        return json.dumps({"name": "Graph", **body})
    stated = {"keras_version": version} if version else {}
    return json.dumps({"class_name": "Graph", "config": body, **stated})


rng = np.random.default_rng(0)


def dense(n: int, m: int) -> list[np.ndarray]:
    return [rng.standard_normal(shape).astype("float32") for shape in ((n, m), (m,))]


@pytest.mark.parametrize("version", [None, "1.0.8", ""])
def test_graph(version: str | None) -> None:
    nodes: list[dict[str, Any]] = [
        {"name": "left", "input": "a", "layer": ("Dense", {"output_dim": 5, "activation": "tanh"})},
        {"name": "right", "input": "b", "layer": ("Dense", {"output_dim": 5})},
        {"name": "sum", "inputs": ["left", "right"], "merge_mode": "sum", "layer": ("Dense", {"output_dim": 2})},
        {"name": "all", "inputs": ["right", "sum", "a"], "layer": ("Dense", {"output_dim": 6})},
    ]
    outputs: list[dict[str, Any]] = [
        {"name": "one", "input": "sum"},
        {"name": "many", "inputs": ["left", "right"], "merge_mode": "mul"},
        {"name": "all", "input": "all"},
    ]
    model = model_from_json(graph(version, {"a": [4], "b": [3]}, nodes, outputs))
    left, right, summed, joined = dense(4, 5), dense(3, 5), dense(5, 2), dense(11, 6)
    # The order of the nodes, as in Keras 0's weights.
    model.set_weights([*left, *right, *summed, *joined])
    a, b = (rng.standard_normal((3, n)).astype("float32") for n in (4, 3))
    at_left, at_right = np.tanh(a @ left[0] + left[1]), b @ right[0] + right[1]
    at_sum = (at_left + at_right) @ summed[0] + summed[1]
    at_all = np.concatenate([at_right, at_sum, a], axis=1) @ joined[0] + joined[1]
    expected = [at_sum, at_left * at_right, at_all]
    for found, one in zip(model.predict({"b": b, "a": a}, verbose=0), expected, strict=True):
        np.testing.assert_allclose(found, one, rtol=1e-5, atol=1e-5)
    assert model.output_names == ["one", "many", "all"]


@pytest.mark.parametrize("version", [None, "1.0.8"])
@pytest.mark.parametrize("merged", [True, False])
def test_shared_nodes_of_a_graph(version: str | None, merged: bool) -> None:
    shared: dict[str, Any] = {"name": "s", "inputs": ["a", "b"], "shared": True, "layer": ("Dense", {"output_dim": 3})}
    shared |= {"merge_mode": "concat"} if merged else {"merge_mode": None, "outputs": ["sa", "sb"]}
    last = {"input": "s"} if merged else {"inputs": ["sb", "sa"], "merge_mode": "concat"}
    nodes = [shared, {"name": "d", "layer": ("Dense", {"output_dim": 2}), **last}]
    model = model_from_json(graph(version, {"a": [4], "b": [4]}, nodes, [{"name": "o", "input": "d"}]))
    first, second = dense(4, 3), dense(6, 2)
    model.set_weights([*first, *second])
    a, b = rng.standard_normal((2, 3, 4)).astype("float32")
    ends = [x @ first[0] + first[1] for x in ((a, b) if merged else (b, a))]
    expected = np.concatenate(ends, axis=1) @ second[0] + second[1]
    np.testing.assert_allclose(model.predict([a, b], verbose=0), expected, rtol=1e-5, atol=1e-5)


def test_a_graph_of_models_and_recurrent_layers() -> None:
    inner = {
        "name": "Sequential",
        "layers": [inline("Dense", output_dim=4, input_shape=[3]), inline("Activation", activation="relu")],
    }
    text = graph(None, {"x": [3]}, [{"name": "inner", "input": "x", "layer": ("Dense", {"output_dim": 1})},
                                    {"name": "out", "input": "inner", "layer": ("Dense", {"output_dim": 2})}], [{"name": "o", "input": "out"}])  # fmt: skip
    document = json.loads(text)
    document["nodes"]["inner"] = inner
    model = model_from_json(json.dumps(document))
    first, second = dense(3, 4), dense(4, 2)
    model.set_weights([*first, *second])
    x = rng.standard_normal((5, 3)).astype("float32")
    expected = np.maximum(x @ first[0] + first[1], 0) @ second[0] + second[1]
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-5, atol=1e-5)


def test_a_compiled_graph_trains_by_the_names_of_its_outputs() -> None:
    nodes: list[dict[str, Any]] = [{"name": "d", "input": "a", "layer": ("Dense", {"output_dim": 2})}]
    document = json.loads(graph(None, {"a": [4]}, nodes, [{"name": "o", "input": "d"}, {"name": "p", "input": "d"}]))
    document |= {"optimizer": {"name": "SGD", "lr": 0.1}, "loss": {"o": "mse", "p": "mae"}}
    spec = load_spec(document)
    assert spec.training is not None
    assert set(spec.training.loss) == {"o", "p"}


@pytest.mark.parametrize("version", [None, "1.0.5", "1.0.8"])
def test_moving_deviations_of_the_time_can_be_set_as_variances(version: str | None) -> None:
    arguments = {"epsilon": 0.01, "momentum": 0.9, "mode": 0, "axis": -1}
    if version is None:
        document: dict[str, Any] = {
            "name": "Sequential",
            "layers": [inline("BatchNormalization", input_shape=[4], **arguments)],
        }
    else:
        config = {"name": "b", "batch_input_shape": [None, 4], "input_dtype": "float32", **arguments}
        layers = [
            {"class_name": "BatchNormalization", "config": config},
            {"class_name": "Dropout", "config": {"name": "d", "p": 0.5}},
        ]
        document = {"class_name": "Sequential", "keras_version": version, "config": layers}
    report = validate(document)
    assert report.ok
    assert [warning.code.id for warning in report.warnings] == ([] if version == "1.0.8" else ["SC115"])
    if version == "1.0.8":
        return
    assert "(deviation + epsilon) ** 2 - epsilon" in str(report)
    model = model_from_json(json.dumps(document))
    gamma, beta, mean = rng.standard_normal((3, 4)).astype("float32")
    deviation = rng.uniform(0.3, 2, 4).astype("float32")
    model.set_weights([gamma, beta, mean, (deviation + 0.01) ** 2 - 0.01])
    x = rng.standard_normal((5, 4)).astype("float32")
    expected = gamma * (x - mean) / (deviation + 0.01) + beta
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "name", ["ZeroPadding3D", "UpSampling3D", "MaxPooling3D", "ZeroPadding2D", "UpSampling2D", "MaxPooling2D"]
)
def test_theanos_order_of_axes_where_none_is_stated(name: str) -> None:
    shape = [3, 4, 4, 4] if name.endswith("3D") else [3, 4, 4]
    spec = load_spec({"name": "Sequential", "layers": [inline(name, input_shape=shape)]})
    assert spec.layers[-1].data_format == "channels_first"


EARLY = {"name": "LSTM", "output_dim": 5, "truncate_gradient": -1, "return_sequences": False, "activation": "tanh",
         "inner_activation": "hard_sigmoid", "init": "glorot_uniform", "inner_init": "orthogonal"}  # fmt: skip


def test_dropout_before_keras_0_3_scaled_down_outside_of_training() -> None:
    layers = [
        {**EARLY, "input_shape": [3, 5]},
        {"name": "Dropout", "p": 0.3},
        {"name": "Dense", "output_dim": 2},
        {"name": "Dropout", "p": 0.0},
    ]
    model = model_from_json(json.dumps({"name": "Sequential", "layers": layers}))
    kernel, bias = dense(5, 2)
    model.set_weights([*model.get_weights()[:3], kernel, bias])
    x = rng.standard_normal((4, 3, 5)).astype("float32")
    recurrent = model_from_json(json.dumps({"name": "Sequential", "layers": layers[:1]}))
    recurrent.set_weights(model.get_weights()[:3])
    states = recurrent.predict(x, verbose=0)
    np.testing.assert_allclose(model.predict(x, verbose=0), 0.7 * states @ kernel + bias, rtol=1e-5, atol=1e-5)


def test_dropout_before_keras_0_3_kept_values_as_they_were_in_training() -> None:
    layers = [
        {"name": "MaxPooling2D", "pool_size": [1, 1], "ignore_border": True, "input_shape": [8, 8, 8]},
        {"name": "Dropout", "p": 0.25},
    ]
    model = model_from_json(json.dumps({"name": "Sequential", "layers": layers}))
    y = model(np.full((4, 8, 8, 8), 3, "float32"), training=True).numpy()
    values, counts = np.unique(y.round(5), return_counts=True)
    assert values.tolist() == [0.0, 3.0]
    assert abs(counts[1] / y.size - 0.75) < 0.05


@pytest.mark.parametrize(
    ("layer", "early"),
    [
        (EARLY, True),
        ({"name": "MaxPooling1D", "pool_length": 1, "ignore_border": True}, True),
        ({"name": "Convolution2D", "nb_filter": 1, "nb_row": 1, "nb_col": 1}, True),
        ({"name": "Convolution2D", "nb_filter": 1, "nb_row": 1, "nb_col": 1, "dim_ordering": "th"}, False),
        ({"name": "Dense", "output_dim": 1, "custom_name": "dense"}, False),
        ({"name": "Dense", "output_dim": 1}, False),
        ({"name": "GRU", "output_dim": 1, "go_backwards": False}, False),
    ],
)
def test_documents_before_keras_0_3_are_told_by_what_their_layers_state(layer: dict[str, Any], early: bool) -> None:
    shape = [1, 4, 4] if "2D" in layer["name"] else [4] if layer["name"] == "Dense" else [4, 3]
    dropping = {
        "name": "Sequential",
        "layers": [{"name": "Dense", "output_dim": 2, "input_shape": [3]}, {"name": "Dropout", "p": 0.5}],
    }
    document = {"name": "Graph",
                "input_config": [{"name": "a", "input_shape": shape}, {"name": "b", "input_shape": [3]}],
                "node_config": [{"name": "first", "input": "a"}, {"name": "drop", "input": "b"}, {"name": "last", "input": "drop"}],
                "output_config": [{"name": "first", "input": "first"}, {"name": "last", "input": "last"}],
                "nodes": {"first": layer, "drop": {"name": "Dropout", "p": 0.5}, "last": dropping}}  # fmt: skip
    spec = load_spec(document)
    assert sum(type(one).__name__ == "Rescaling" for one in spec.walk()) == (2 if early else 0)
    if early:
        x = rng.standard_normal((2, 3)).astype("float32")
        model = model_from_json(json.dumps(document))
        kernel, bias = dense(3, 2)
        model.get_layer("last").set_weights([kernel, bias])
        _, found = model.predict([np.zeros((2, *shape), "float32"), x], verbose=0)
        np.testing.assert_allclose(found, 0.5 * ((0.5 * x) @ kernel + bias), rtol=1e-5, atol=1e-6)


def test_names_of_layers_that_keras_0_3_renamed() -> None:
    layers = [{"name": "UpSample1D", "length": 2, "input_shape": [3, 4]}, {"name": "Flatten"}]
    assert [type(layer).__name__ for layer in load_spec({"name": "Sequential", "layers": layers}).layers] == [
        "InputLayer",
        "UpSampling1D",
        "Flatten",
    ]
    layers = [{"name": "UpSample2D", "size": [2, 1], "input_shape": [3, 4, 4]}]
    spec = load_spec({"name": "Sequential", "layers": layers})
    assert spec.layers[-1].data_format == "channels_first"


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        # Its `input_shape` was the number of words, whatever the length.
        ({"input_shape": [7], "input_length": 5}, (None, 5)),
        ({"input_shape": [7], "input_length": None}, (None, None)),
        ({"batch_input_shape": [3, 7], "input_length": 5}, (3, 5)),
        ({"input_length": 5}, (None, 5)),
    ],
)
def test_length_of_what_an_embedding_takes(stated: dict[str, Any], expected: tuple[int | None, ...]) -> None:
    layers = [
        inline("Embedding", input_dim=7, output_dim=3, mask_zero=False, **stated),
        inline("TimeDistributedDense", output_dim=2),
    ]
    model = model_from_json(json.dumps({"name": "Sequential", "layers": layers}))
    assert model.input_shape == expected
    words, (kernel, bias) = rng.standard_normal((7, 3)).astype("float32"), dense(3, 2)
    model.set_weights([words, kernel, bias])
    x = rng.integers(0, 7, (3, 5))
    np.testing.assert_allclose(
        model.predict(x, batch_size=3, verbose=0), words[x] @ kernel + bias, rtol=1e-5, atol=1e-6
    )


FULL = [
    # class, arguments, input
    ("Convolution1D", {"filter_length": 3, "subsample_length": 1}, [5, 2]),
    ("Convolution1D", {"filter_length": 4, "subsample_length": 2}, [6, 2]),
    ("Convolution2D", {"nb_row": 2, "nb_col": 3, "subsample": [1, 1]}, [2, 4, 5]),
    ("Convolution2D", {"nb_row": 3, "nb_col": 4, "subsample": [2, 3]}, [2, 6, 5]),
]


@pytest.mark.parametrize(("name", "arguments", "shape"), FULL)
@pytest.mark.parametrize("form", ["keras0", "keras1", "graph"])
def test_full_convolutions(name: str, arguments: dict[str, Any], shape: list[int], form: str) -> None:
    arguments = {"nb_filter": 3, "border_mode": "full", "activation": "linear", **arguments}
    if name == "Convolution2D":
        arguments["dim_ordering"] = "th"
    if form == "keras0":
        document: dict[str, Any] = {"name": "Sequential", "layers": [inline(name, input_shape=shape, **arguments)]}
    elif form == "keras1":
        config = {"name": "c", "batch_input_shape": [None, *shape], "input_dtype": "float32", **arguments}
        document = {
            "class_name": "Sequential",
            "keras_version": "1.1.0",
            "config": [{"class_name": name, "config": config}],
        }
    else:
        nodes = [{"name": "c", "input": "a", "layer": (name, arguments)}]
        document = json.loads(graph(None, {"a": shape}, nodes, [{"name": "o", "input": "c"}]))
    model = model_from_json(json.dumps(document))
    kernel, bias = (rng.standard_normal(w.shape).astype("float32") for w in model.get_weights())
    model.set_weights([kernel, bias])
    x = rng.standard_normal((2, *shape)).astype("float32")
    # Each element of the input is spread over all places whose window holds it, also where the window hangs over.
    last = x if name == "Convolution1D" else x.transpose(0, 2, 3, 1)
    sides, lengths = kernel.shape[:-2], last.shape[1:-1]
    whole = np.zeros((2, *(n + k - 1 for n, k in zip(lengths, sides, strict=True)), 3))
    for offset in np.ndindex(*sides):
        places = tuple(slice(k - 1 - o, k - 1 - o + n) for o, k, n in zip(offset, sides, lengths, strict=True))
        whole[(slice(None), *places)] += last @ kernel[offset]
    steps = arguments.get("subsample", [arguments.get("subsample_length")])
    expected = whole[(slice(None), *(slice(None, None, s) for s in steps))] + bias
    expected = expected if name == "Convolution1D" else expected.transpose(0, 3, 1, 2)
    assert model.output_shape == (None, *expected.shape[1:])
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-5, atol=1e-5)


def test_merge_of_steps() -> None:
    layers = [
        inline("TimeDistributedDense", output_dim=2, input_shape=[5, 3]),
        inline("TimeDistributedMerge", mode="ave"),
    ]
    model = model_from_json(json.dumps({"name": "Sequential", "layers": layers}))
    kernel, bias = dense(3, 2)
    model.set_weights([kernel, bias])
    x = rng.standard_normal((2, 5, 3)).astype("float32")
    np.testing.assert_allclose(model.predict(x, verbose=0), (x @ kernel + bias).mean(1), rtol=1e-5, atol=1e-6)
    layers[1]["mode"] = "mul"
    assert "TimeDistributedMerge with mode='mul' cannot be built" in str(
        validate({"name": "Sequential", "layers": layers})
    )
