"""Values of every kind where Python's own calls take a configuration: an error that says so, at once."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

import spec_compiler as sc
from spec_compiler import Input, Model, Sequential, initializers, layers, losses, metrics, optimizers
from spec_compiler.diagnostics import SpecError
from spec_compiler.models import model_from_config, model_from_json, model_from_yaml


def cycle() -> dict[str, Any]:
    value: dict[str, Any] = {"class_name": "Sequential"}
    value["config"] = value
    return value


def cyclic_list() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def nested(times: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(times):
        value = {"config": value}
    return value


def doubled(times: int) -> list[Any]:
    """A list that, written out, would have 2 ** times members."""
    value: list[Any] = []
    for _ in range(times):
        value = [value, value]
    return value


def endless() -> Iterator[dict[str, Any]]:
    while True:
        yield {}


VALUES: dict[str, Any] = {
    "a mapping in itself": cycle(),
    "a list in itself": cyclic_list(),
    "100,000 mappings": nested(100_000),
    "2 to the 60 lists": doubled(60),
    "an integer of 5,000 digits": 10**5000,
    "a negative one": -(10**5000),
    "a generator": endless(),
    "a range": range(10**9),
    "an integer of numpy's": np.int64(4),
    "a float of numpy's": np.float32(2.5),
    "a string of numpy's": np.str_("relu"),
    "a boolean of numpy's": np.bool_(True),
    "an array": np.arange(3),
    "an array of objects": np.array([{}, None], object),
    "a tensor": torch.ones(3),
    "a tensor of no axes": torch.tensor(3),
    "bytes": b"relu",
    "a memoryview": memoryview(b"relu"),
    "a set": {1},
    "a class": int,
    "a function": print,
    "NaN": float("nan"),
    "infinity": float("inf"),
    "a complex number": 1j,
    "a boolean": True,
    "None": None,
    "an ellipsis": ...,
    "half a character": "\ud800",
    "a zero byte": "a\0b",
    "a long string": "x" * 10**4,
    "other keys": {1: 2, None: 3, (1, 2): 4},
    "a layer": {"class_name": "Dense", "config": {"units": 1}},
    "a decimal": Decimal(1),
    "a fraction": Fraction(1, 2),
}

MODEL = Sequential([Input((3,)), layers.Dense(2, name="d")])
DOCUMENT: dict[str, Any] = {"class_name": "Sequential", "config": MODEL.get_config()}
DENSE = ("config", "layers", 1, "config")
PLACES: dict[str, tuple[Any, ...]] = {
    "class_name": ("class_name",),
    "config": ("config",),
    "layers": ("config", "layers"),
    "layer": ("config", "layers", 1),
    "module": ("config", "layers", 1, "module"),
    "batch_shape": ("config", "layers", 0, "config", "batch_shape"),
    **{name: (*DENSE, name) for name in ("units", "activation", "kernel_initializer", "name", "dtype", "use_bias")},
}

CALLS: dict[str, Callable[[Any], Any]] = {
    "load_spec": sc.load_spec,
    "validate": sc.validate,
    "parse_spec": sc.parse_spec,
    "validate_text": sc.validate_text,
    "model_from_config": model_from_config,
    "model_from_json": model_from_json,
    "model_from_yaml": model_from_yaml,
    "Model.from_config": Model.from_config,
    "Sequential.from_config": Sequential.from_config,
    "Dense.from_config": layers.Dense.from_config,
    "compile_from_config": MODEL.compile_from_config,
    "initializers.get": initializers.get,
    "optimizers.deserialize": optimizers.deserialize,
    "losses.get": losses.get,
    "metrics.get": metrics.get,
    "Dense": layers.Dense,
    "Dense(activation)": lambda value: layers.Dense(2, activation=value),
    "Dense(kernel_initializer)": lambda value: layers.Dense(2, kernel_initializer=value),
    "Dense(name)": lambda value: layers.Dense(2, name=value),
    "Dense(what)": lambda value: layers.Dense(2, what=value),
    "Input": Input,
    "Constant": initializers.Constant,
    "register_layer": sc.register_layer,
    "get_layer": MODEL.get_layer,
}
for _key in ("optimizer", "loss", "metrics", "loss_weights", "weighted_metrics"):
    CALLS[f"compile_from_config({_key})"] = lambda value, key=_key: MODEL.compile_from_config(
        {"optimizer": "sgd", "loss": "mse", key: value}
    )


def put(place: tuple[Any, ...], value: Any) -> dict[str, Any]:
    document: Any = copy.deepcopy(DOCUMENT)
    at = document
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = value
    return document  # type: ignore[no-any-return]


def check(call: Callable[[Any], Any], value: Any) -> None:
    """The call returns or says what is wrong, soon."""
    started = time.process_time()
    try:
        call(value)
    except SpecError as error:
        assert error.diagnostics
        assert len(str(error)) < 100_000
    except (TypeError, ValueError, AttributeError) as error:
        # Of Python's own errors, those that a wrong argument is due.
        assert not isinstance(error, AttributeError) or "has no attribute" not in str(error)
    assert time.process_time() - started < 3


@pytest.mark.parametrize("value", VALUES)
def test_calls_take_any_value(value: str) -> None:
    for call in CALLS.values():
        check(call, VALUES[value])


@pytest.mark.parametrize("value", VALUES)
def test_documents_in_hand_take_any_value(value: str) -> None:
    for place in PLACES.values():
        document = put(place, VALUES[value])
        check(sc.load_spec, document)
        assert sc.validate(document).ok in (True, False)


def test_text_is_not_taken_for_a_mapping_nor_a_mapping_for_text() -> None:
    with pytest.raises(TypeError, match="expected text or bytes, got dict"):
        model_from_json(DOCUMENT)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="takes what get_config"):
        Sequential.from_config("{}")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="takes a mapping of arguments"):
        layers.Dense.from_config(3)  # type: ignore[arg-type]


def test_faults_of_a_layers_config_are_said_as_those_of_its_call() -> None:
    with pytest.raises(SpecError) as called:
        layers.Dense(0, activation="rel")
    with pytest.raises(SpecError) as read:
        layers.Dense.from_config({"units": 0, "activation": "rel"})
    assert str(read.value) == str(called.value)
