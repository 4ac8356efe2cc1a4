"""Activations: their names, values and gradients, against Keras's; and as torch.fx records them."""

from __future__ import annotations

from typing import Any, ClassVar

import keras
import numpy as np
import pytest
import torch
from keras.src.activations import ALL_OBJECTS_DICT
from pydantic import BaseModel, ValidationError
from torch.fx import symbolic_trace

from spec_compiler.lowering.activations import CUSTOM, activate
from spec_compiler.specs import registry
from spec_compiler.specs.activations import ACTIVATIONS, ALIASES, activated_shape, resolve, takes_axis
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.shapes import ShapeError
from spec_compiler.specs.types import Activation, Float

ALONG_AN_AXIS = [name for name in ACTIVATIONS if takes_axis(name)]
# Every kink and its neighbours, both ends of float32's exponential, zeros of both signs, and what lies between.
POINTS = np.concatenate(
    [
        np.linspace(-12, 12, 193),
        [
            -1e4,
            -120,
            -88,
            -30,
            -20.5,
            -1.0001,
            -0.9999,
            -0.5001,
            -0.0,
            0.0,
            1e-30,
            0.4999,
            0.9999,
            1.0001,
            20.5,
            30,
            88,
        ],
        [120, 1e4],
    ]
).astype("float32")


class Leaky(LayerSpec):
    """An activation layer for these tests."""

    is_activation: ClassVar[bool] = True

    negative_slope: Float = 0.3


@pytest.fixture
def leaky(monkeypatch: pytest.MonkeyPatch) -> type[Leaky]:
    monkeypatch.setattr(registry, "_registered_layers", {"Leaky": Leaky})
    return Leaky


class Holder(BaseModel):
    activation: Activation = "linear"


def in_keras(name: str, x: torch.Tensor, **kwargs: Any) -> torch.Tensor:
    return getattr(keras.activations, name)(x, **kwargs)


def test_table_is_that_of_keras() -> None:
    assert {*ACTIVATIONS, *ALIASES, "threshold"} == set(ALL_OBJECTS_DICT)


@pytest.mark.parametrize("name", [*ACTIVATIONS, *ALIASES])
def test_names_resolve_to_what_keras_writes(name: str) -> None:
    written = keras.activations.serialize(keras.activations.get(name))
    assert resolve(name) == written
    function = {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}
    assert resolve(function) == written


def test_none_is_linear() -> None:
    assert resolve(None) == "linear" == Holder(activation=None).activation


@pytest.mark.parametrize(
    ("value", "help"),
    [
        ("reul", "'relu'"),
        ("Swish", "'swish'"),
        ("relu ", "'relu'"),
        ("threshold", "two arguments"),
        ("os.system", ""),
        ({"module": "builtins", "class_name": "function", "config": "rleu"}, "'relu'"),
    ],
)
def test_unknown_names_are_refused_with_a_suggestion(value: Any, help: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Holder(activation=value)
    (fault,) = caught.value.errors()
    assert (fault["type"], fault["ctx"]["kind"]) == ("unknown_object", "activation")
    hint = fault["ctx"]["help"]
    assert help in ((hint() if callable(hint) else hint) or "")


@pytest.mark.parametrize("value", [3, ["relu"], True, b"relu"])
def test_what_states_no_activation_is_refused(value: Any) -> None:
    with pytest.raises(ValidationError, match="activation"):
        Holder(activation=value)


def test_activation_layers_stay_layers(leaky: type[Leaky]) -> None:
    layer = leaky(negative_slope=0.1)
    assert resolve(layer) is layer
    serialized = {
        "module": "keras.layers",
        "class_name": "Leaky",
        "config": {"negative_slope": 0.1},
        "registered_name": None,
    }
    for stated in (serialized, {"Leaky": {"negative_slope": 0.1}}):
        resolved = resolve(stated)
        assert isinstance(resolved, leaky)
        assert resolved.negative_slope == 0.1
    with pytest.raises(TypeError, match="Leaky"):
        activate(layer, torch.ones(2))


def test_layers_that_are_no_activations_are_refused(leaky: type[Leaky], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaky, "is_activation", False, raising=False)
    with pytest.raises(ValidationError, match="not the layer Leaky"):
        Holder(activation=leaky())


@pytest.mark.parametrize("name", [*ACTIVATIONS])
def test_values_and_gradients_match_keras(name: str) -> None:
    shape = (-1, 4)
    ours, theirs = (torch.tensor(POINTS).reshape(shape).requires_grad_() for _ in range(2))
    a, b = activate(name, ours), in_keras(name, theirs)
    assert a.dtype == torch.float32
    torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)
    cotangent = torch.tensor(np.random.default_rng(0).normal(size=b.shape).astype("float32"))
    a.backward(cotangent)
    b.backward(cotangent)
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-6, atol=1e-6, equal_nan=True)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2])
@pytest.mark.parametrize("name", ALONG_AN_AXIS)
def test_axes_match_keras(name: str, axis: int) -> None:
    values = np.random.default_rng(0).normal(size=(4, 2, 6)).astype("float32") * 2
    ours, theirs = (torch.tensor(values).requires_grad_() for _ in range(2))
    a, b = activate(name, ours, axis), in_keras(name, theirs, axis=axis)
    torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)
    assert activated_shape(name, (4, 2, 6), axis) == tuple(b.shape)
    cotangent = torch.tensor(np.random.default_rng(1).normal(size=b.shape).astype("float32"))
    a.backward(cotangent)
    b.backward(cotangent)
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_takes_axis_says_whether_elements_see_each_other(name: str) -> None:
    x = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    apart = activate(name, x).shape == x.shape and all(
        torch.allclose(activate(name, x)[:, i : i + 1], activate(name, x[:, i : i + 1])) for i in range(4)
    )
    assert takes_axis(name) is not apart


def test_glu_halves_its_axis() -> None:
    assert activated_shape("glu", (None, 6, 8)) == (None, 6, 4)
    assert activated_shape("glu", (None, 6, None)) == (None, 6, None)
    assert activated_shape("glu", (None, 6, 7), 1) == (None, 3, 7)
    assert activated_shape("relu", (None, 7)) == (None, 7)
    with pytest.raises(ShapeError, match="odd"):
        activated_shape("glu", (None, 7))
    with pytest.raises(ShapeError, match="axis 3"):
        activated_shape("glu", (None, 8), 3)


class Activated(torch.nn.Module):
    def __init__(self, name: str, axis: int) -> None:
        super().__init__()
        self.name = name
        self.axis = axis

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return activate(self.name, x, self.axis)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("axis", [-1, 1])
def test_recorded_activations_compute_the_same(name: str, axis: int) -> None:
    x = torch.tensor(POINTS).reshape(-1, 2, 2)
    module = Activated(name, axis)
    recorded = symbolic_trace(module)
    torch.testing.assert_close(recorded(x), module(x), rtol=0, atol=0)
    steps = [node for node in recorded.graph.nodes if node.op not in ("placeholder", "output")]
    assert len(steps) == (0 if name == "linear" else 1)


def test_functions_of_ours_are_single_steps() -> None:
    targets = {name: _targets(name) for name in ACTIVATIONS}
    ours = {name for name, steps in targets.items() if any(step in CUSTOM for step in steps)}
    assert ours == {"sparse_plus", "sparse_sigmoid", "sparsemax", "squareplus"}


def _targets(name: str) -> list[Any]:
    return [node.target for node in symbolic_trace(Activated(name, -1)).graph.nodes]


def test_linear_gives_its_input_back() -> None:
    x = torch.ones(3)
    assert activate("linear", x) is x
