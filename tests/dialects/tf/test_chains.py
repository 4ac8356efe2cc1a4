"""Graphs of several calls of TensorFlow's: arithmetic on shapes is worked out while the file is read."""

from __future__ import annotations

import json
import types
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch
import yaml

import spec_compiler as sc
from spec_compiler.diagnostics import Reporter
from spec_compiler.dialects.write import to_dict, to_json
from spec_compiler.ir import build_graph
from spec_compiler.loading import parse_spec
from spec_compiler.lowering.names import class_name
from spec_compiler.specs.model import ModelSpec
from tests.dialects.tf.test_functions import close, flat

CHAINS = yaml.safe_load((Path(__file__).parent / "chains.yaml").read_text())
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:keras")


def document(chain: dict[str, Any]) -> dict[str, Any]:
    """The model of tf.keras's that makes the calls."""
    layers = [
        {
            "class_name": "InputLayer",
            "config": {
                "batch_input_shape": [None, *shape],
                "dtype": "float32",
                "sparse": False,
                "ragged": False,
                "name": name,
            },
            "name": name,
            "inbound_nodes": [],
        }
        for name, shape in chain["inputs"].items()
    ]
    names = {name: name for name in chain["inputs"]}
    for own, function, first, kwargs in chain["calls"]:
        raw = function.startswith("raw:")
        names[own] = (
            f"tf_op_layer_{own}"
            if raw
            else f"tf.{function}{sum(n.startswith(f'tf.{function}') for n in names.values()) or ''}"
        )
        layers.append((_raw if raw else _function)(own, function, first, kwargs, names))
    ends = [f"${chain['calls'][-1][0]}"] if "outputs" not in chain else chain["outputs"]
    config = {
        "name": "chain",
        "trainable": True,
        "layers": layers,
        "input_layers": [[name, 0, 0] for name in chain["inputs"]],
        "output_layers": [_ref(end, names) for end in ends],
    }
    return {"class_name": "Functional", "config": config, "keras_version": "2.15.0", "backend": "tensorflow"}


def _function(own: str, function: str, first: Any, kwargs: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    class_name = "SlicingOpLambda" if function.endswith("getitem") else "TFOpLambda"
    config = {"name": names[own], "trainable": True, "dtype": "float32", "function": function}
    node = _entry(first, {key: _keyword(value, names) for key, value in kwargs.items()}, names)
    return {"class_name": class_name, "config": config, "name": names[own], "inbound_nodes": [node]}


def _raw(own: str, function: str, inputs: Any, said: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    op = function.removeprefix("raw:")
    node = {"name": own, "op": op, "input": ["a"], "attr": said.get("attr", {})}
    constants = {str(key): value for key, value in said.get("constants", {}).items()}
    config = {"name": own, "trainable": True, "dtype": "float32", "node_def": node, "constants": constants}
    entries = [[*_ref(one, names), {}] for one in inputs]
    return {"class_name": "TensorFlowOpLayer", "config": config, "name": names[own], "inbound_nodes": [entries]}


def _ref(value: str, names: dict[str, str]) -> list[Any]:
    name, _, tensor = value.removeprefix("$").partition(":")
    return [names[name], 0, int(tensor or 0)]


def _entry(value: Any, kwargs: dict[str, Any], names: dict[str, str]) -> Any:
    if isinstance(value, str):
        return [*_ref(value, names), kwargs]
    if isinstance(value, list) and any(isinstance(item, str) for item in value):
        return [_entry(item, kwargs, names) for item in value]
    return ["_CONSTANT_VALUE", -1, value, kwargs]


def _keyword(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, str) and value.startswith("$"):
        return _ref(value, names)
    if isinstance(value, dict) and set(value) == {"slice"}:
        return dict(zip(("start", "stop", "step"), [_keyword(end, names) for end in value["slice"]], strict=True))
    return [_keyword(item, names) for item in value] if isinstance(value, list) else value


def printed(spec: ModelSpec) -> str:
    """The graph: the layers that the outputs need, and what each is called on."""
    return str(build_graph(spec, Reporter()))


@pytest.mark.parametrize("chain", CHAINS, ids=[chain["about"].replace(" ", "_") for chain in CHAINS])
def test_calls_compute_what_tensorflow_documents(chain: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    sizes = {name: chain.get("size", {}).get(name, [3, *shape]) for name, shape in chain["inputs"].items()}
    arrays = {name: rng.uniform(-2, 2, size).astype("float32") for name, size in sizes.items()}
    stated = document(chain)
    spec = parse_spec(json.dumps(stated))
    inputs = [torch.from_numpy(array) for array in arrays.values()]
    module = sc.lower(spec).eval()
    found = flat(module(*inputs))
    wide = {name: array.astype("float64") for name, array in arrays.items()}
    wanted = eval(chain["numpy"], {"np": np, **wide})  # noqa: S307 - the formulas are ours
    for ours, theirs in zip(found, wanted if isinstance(wanted, list) else [wanted], strict=True):
        assert tuple(ours.shape) == theirs.shape
        close(ours.numpy(), theirs)
    model = keras.models.model_from_json(to_json(spec, "keras3"))
    for ours, theirs in zip(found, flat(model(inputs)), strict=True):
        close(theirs.detach().numpy(), ours.numpy())
    assert json.loads(json.dumps(to_dict(spec, "keras2"))) == stated
    assert printed(parse_spec(to_json(spec, "short"))) == printed(spec)
    emitted = types.ModuleType("emitted")
    exec(sc.emit(spec), emitted.__dict__)
    for ours, theirs in zip(flat(getattr(emitted, class_name("chain"))()(*inputs)), found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
