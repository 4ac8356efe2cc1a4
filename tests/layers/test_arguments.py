"""Every argument of every layer of Keras 3.15.1 that we build stands in a case, with a value that is not its default."""

from __future__ import annotations

import ast
import json
from typing import Any

import pytest

from spec_compiler.specs import layers
from tests.conftest import SHARED
from tests.layers.cases import all_cases

INVENTORY = SHARED / "reference" / "keras-3.15.1-inventory.json"

EXCEPTED: dict[str, dict[str, str]] = {
    "*": {
        "kwargs": "holds the arguments below, which every layer has",
        "name": "every case has one: Keras makes it",
        "dtype": "tests/layers/test_policies.py runs every class under every policy",
        "lora_rank": "a kernel of another form than the layer's own: anything but null is refused",
        "lora_alpha": "goes with lora_rank",
        "quantization_config": "a kernel of another form than the layer's own: anything but null is refused",
        "gptq_unpacked_column_size": "goes with quantization_config",
        "flash_attention": "which of Keras's kernels is to run; on the torch backend it needs a GPU",
        "weights": "first weights, which a config does not hold: set_weights() takes them",
        "stateful": "one call cannot show it: tests/layers/recurrent/test_states.py and test_conv_lstm.py",
    },
    "InputLayer": {
        "shape": "every case's inputs are such layers; this one is written as batch_shape",
        "batch_size": "written as batch_shape",
        "batch_shape": "every case's inputs",
        "sparse": "torch runs no layer on such a tensor: anything but false is refused",
        "ragged": "torch runs no layer on such a tensor: anything but false is refused",
        "input_tensor": "a config does not hold it",
        "optional": "an input that may be None: every tensor of a spec is there",
    },
    "Resizing": {"fill_mode": "Keras takes one value alone"},
    "BatchNormalization": {
        "renorm": "batch renormalization is refused",
        "renorm_clipping": "goes with renorm",
        "renorm_momentum": "goes with renorm",
        "synchronized": "changes something between devices alone",
    },
}
"""What no case can show, and why."""

pytestmark = pytest.mark.skipif(not INVENTORY.exists(), reason="the inventory is not at hand")


def arguments() -> list[tuple[str, str, str]]:
    """Class, argument and the default's source text, of every layer that can be built, under its own name."""
    if not INVENTORY.exists():
        return []
    inventory = json.loads(INVENTORY.read_text())["layers"]
    own = [name for name in inventory if name in layers.__all__ and getattr(layers, name).__name__ == name]
    return [(name, argument, default) for name in own for argument, default in inventory[name]["args"].items()]


def stated_values() -> dict[tuple[str, str], list[Any]]:
    """The values of each class's arguments in the cases, inner layers' too."""
    found: dict[tuple[str, str], list[Any]] = {}

    def visit(value: Any) -> None:
        if isinstance(value, list):
            for item in value:
                visit(item)
        elif isinstance(value, dict) and len(value) == 1 and next(iter(value)) in layers.__all__:
            ((name, stated),) = value.items()
            for argument, given in (stated or {}).items():
                found.setdefault((getattr(layers, name).__name__, argument), []).append(given)
                visit(given)

    for case in all_cases():
        visit([case.layer, case.front])
    return found


def is_default(value: Any, default: str) -> bool:
    """Whether a case's value is the default, or says it in another form: 1 for (1, 1)."""
    if default == "REQUIRED":
        return False
    known = ast.literal_eval(default)
    if isinstance(value, list):
        value = tuple(tuple(item) if isinstance(item, list) else item for item in value)
    return bool(value == known or (isinstance(known, tuple) and known == (value,) * len(known)))


def test_every_argument_stands_in_a_case_with_another_value_than_its_default() -> None:
    stated = stated_values()
    missing = [
        f"{name}.{argument}"
        for name, argument, default in arguments()
        if argument not in EXCEPTED["*"] and argument not in EXCEPTED.get(name, {})
        if all(is_default(value, default) for value in stated.get((name, argument), []))
    ]
    assert not missing


def test_no_exception_is_out_of_date() -> None:
    """An exception of one class is of an argument that it has, and that no case shows."""
    stated = stated_values()
    known = {(name, argument): default for name, argument, default in arguments()}
    for name, reasons in EXCEPTED.items():
        for argument in reasons if name != "*" else ():
            assert (name, argument) in known
            assert all(is_default(value, known[name, argument]) for value in stated.get((name, argument), []))
