"""Layers and models may be called anything: the module, and the source that is emitted, compute what plain names give."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest
import torch

import spec_compiler as sc
from spec_compiler.models import model_from_json

INJECTION = 'x""" + undefined_name + """' * 5
NAMES = [
    "torch", "nn", "F", "math", "self", "x", "y", "float", "operator", "getattr", "device", "training", "forward", "graph",
    "code", "_modules", "__class__", "__a", "_M__x", "__", "weight", "mask", "import", "None", "lambda", "1", "a/b", "d.weight",
    "é", "e\u0301", "ﬁ", "²", "ª", "\U0001d431", "'", '"', "\\", '"""', "a\nb", "\x00", "\u202e", "{x}", "%s", INJECTION,
    "layer_normalization", "h" * 3000,
]  # fmt: skip
ALIKE = ["a/b", "a.b", "a_b", "a b", "a_b_1", "a/b_1", "a_b_2"]
X = [np.random.RandomState(i).normal(size=(3, 4)).astype("float32") for i in range(2)]


def model(first: str, second: str, upper: str, lower: str, name: str) -> dict[str, Any]:
    """Two inputs, a layer on each whose outputs are used again and again, and three outputs."""

    def layer(class_name: str, name: str, *sources: str, **config: Any) -> dict[str, Any]:
        nodes = [[[source, 0, 0, {}] for source in sources]] if sources else []
        return {"class_name": class_name, "name": name, "config": {"name": name, **config}, "inbound_nodes": nodes}

    layers = [
        *(layer("InputLayer", one, batch_shape=[None, 4]) for one in (first, second)),
        layer("Dense", upper, first, units=4, activation="relu"),
        layer("LayerNormalization", lower, second),
        layer("Add", "sum of both", upper, lower),
        layer("Dense", "from upper", upper, units=2, activation="softmax"),
        layer("Dense", "from lower", lower, units=3),
    ]
    outputs = [["sum of both", 0, 0], ["from upper", 0, 0], ["from lower", 0, 0]]
    config = {"name": name, "layers": layers, "input_layers": [[first, 0, 0], [second, 0, 0]], "output_layers": outputs}
    return {"class_name": "Functional", "config": config}


PLAIN = ("in_1", "in_2", "upper", "lower", "model")


def computed(document: dict[str, Any]) -> list[Any]:
    """The outputs, which the emitted source gives too, from the same `state_dict`."""
    made = model_from_json(json.dumps(document))
    made.set_weights([np.random.RandomState(i).normal(size=w.shape) for i, w in enumerate(made.get_weights())])
    inputs = [torch.tensor(x) for x in X]
    outputs = made.module(*inputs)
    source = sc.emit(made.spec)
    assert source.isprintable() or all(char.isprintable() for char in source.replace("\n", ""))
    names: dict[str, Any] = {}
    exec(compile(source, "<emitted>", "exec"), names)  # our own output
    emitted = names[re.findall(r"^class (\w+)\(nn.Module\)", source, re.MULTILINE)[-1]]()
    emitted.load_state_dict(made.module.state_dict())
    torch.testing.assert_close(list(emitted(*inputs)), list(outputs))
    return list(outputs)


@pytest.mark.parametrize("place", range(len(PLAIN)))
@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_any_name_computes_what_a_plain_one_does(name: str, place: int) -> None:
    names = [name if i == place else plain for i, plain in enumerate(PLAIN)]
    torch.testing.assert_close(computed(model(*names)), computed(model(*PLAIN)))


@pytest.mark.parametrize("first", ALIKE)
def test_names_alike_to_python_stay_apart(first: str) -> None:
    for second in ALIKE:
        if second != first:
            torch.testing.assert_close(computed(model(first, second, "c", "d", "m")), computed(model(*PLAIN)))
            torch.testing.assert_close(computed(model("c", "d", first, second, "m")), computed(model(*PLAIN)))


def test_a_number_behind_a_name_shares_no_weights() -> None:
    names = ["a/b", "a.b", "a_b_1", "a/b_1"]
    layers = [{"class_name": "Dense", "config": {"name": name, "units": 4}} for name in names]
    config = {"name": "s", "layers": [{"class_name": "InputLayer", "config": {"batch_shape": [None, 4]}}, *layers]}
    made = model_from_json(json.dumps({"class_name": "Sequential", "config": config}))
    assert len(made.module.state_dict()) == 2 * len(names)


@pytest.mark.parametrize(
    "names", [["x", "y", "h", "hidden", "running"], ["x", "y", "h", "hidden", "running", "running_1"]]
)
def test_inputs_called_as_local_variables_are(names: list[str]) -> None:
    inputs = [{"class_name": "InputLayer", "name": n, "config": {"batch_shape": [None, 4], "name": n}} for n in names]
    first = {
        "class_name": "Dense",
        "name": "d",
        "config": {"name": "d", "units": 4},
        "inbound_nodes": [[[names[0], 0, 0, {}]]],
    }
    calls = [[n, 0, 0, {}] for n in ["d", *names]]
    last = {"class_name": "Add", "name": "add", "config": {"name": "add"}, "inbound_nodes": [calls]}
    ends = {"input_layers": [[n, 0, 0] for n in names], "output_layers": [["add", 0, 0]]}
    layers = [{**one, "inbound_nodes": []} for one in inputs]
    made = sc.parse_spec(
        json.dumps({"class_name": "Functional", "config": {"name": "m", "layers": [*layers, first, last], **ends}})
    )
    module = sc.lower(made)
    space: dict[str, Any] = {}
    exec(sc.emit(made), space)  # our own output
    emitted = space["M"]()
    emitted.load_state_dict(module.state_dict())
    given = [torch.randn(2, 4) for _ in names]
    torch.testing.assert_close(emitted(*given), module(*given))
