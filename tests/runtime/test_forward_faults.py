"""Lengths that a model leaves open, and data too short for it: the message names the layer, and says what validation would."""

from __future__ import annotations

import copy
import pickle
import types
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import torch

import spec_compiler
from spec_compiler import layers
from spec_compiler.diagnostics import SpecError
from spec_compiler.models import Sequential

pytestmark = [pytest.mark.filterwarnings("ignore::UserWarning")]

THEIRS = types.SimpleNamespace(L=keras.layers, Input=keras.Input, Sequential=keras.Sequential)
OURS = types.SimpleNamespace(L=layers, Input=spec_compiler.Input, Sequential=Sequential)

CASES: dict[str, tuple[Callable[[Any], Any], tuple[int, ...]]] = {
    "Conv1D": (lambda k: k.Conv1D(2, 5, name="l"), (3, 4)),
    "dilated": (lambda k: k.Conv1D(2, 3, dilation_rate=4, name="l"), (3, 4)),
    "Conv2D": (lambda k: k.Conv2D(2, 5, name="l"), (9, 3, 4)),
    "Conv3D": (lambda k: k.Conv3D(2, 3, name="l"), (2, 5, 5, 2)),
    "DepthwiseConv1D": (lambda k: k.DepthwiseConv1D(5, name="l"), (3, 4)),
    "DepthwiseConv2D": (lambda k: k.DepthwiseConv2D(5, name="l"), (3, 9, 4)),
    "SeparableConv1D": (lambda k: k.SeparableConv1D(2, 5, name="l"), (3, 4)),
    "SeparableConv2D": (lambda k: k.SeparableConv2D(2, 5, name="l"), (3, 3, 4)),
    "Conv1DTranspose": (
        lambda k: k.Conv1DTranspose(2, 2, strides=2, padding="same", output_padding=0, name="l"),
        (1, 4),
    ),
    "Conv2DTranspose": (
        lambda k: k.Conv2DTranspose(2, 2, strides=2, padding="same", output_padding=0, name="l"),
        (3, 1, 4),
    ),
    "MaxPooling1D": (lambda k: k.MaxPooling1D(5, name="l"), (3, 4)),
    "AveragePooling2D": (lambda k: k.AveragePooling2D(5, name="l"), (9, 3, 4)),
    "MaxPooling3D": (lambda k: k.MaxPooling3D(3, name="l"), (2, 5, 5, 2)),
    "cropped": (lambda k: k.Cropping1D((2, 2), name="l"), (3, 4)),
    "cropped image": (lambda k: k.Cropping2D(2, name="l"), (3, 9, 4)),
}


def leaves_nothing(kind: str) -> bool:
    """Whether the layer itself runs, and has an output without elements: what follows cannot."""
    return kind.startswith("cropped") or kind.endswith("Transpose")


def model_of(kind: str, n: Any, known: bool = False, inside: str = "") -> Any:
    """The case's layer behind another and before one that wants something of it, lengths open or known."""
    build, fed = CASES[kind]
    shape = fed if known else (*[None] * (len(fed) - 1), fed[-1])
    stack = [n.Input(shape, name="x"), n.L.ReLU(name="before"), build(n.L)]
    if leaves_nothing(kind):
        stack.append((n.L.MaxPooling1D if len(fed) == 2 else n.L.MaxPooling2D)(2, name="pool"))
    if inside == "model":
        return n.Sequential([n.Input(shape, name="y"), n.Sequential(stack, name="inner")])
    if inside == "steps":
        return n.Sequential([n.Input((2, *shape), name="y"), n.L.TimeDistributed(build(n.L), name="l")])
    return n.Sequential(stack)


DOORS: dict[str, Callable[[Any, Any], Any]] = {
    "call": lambda model, x: model(x),
    "predict": lambda model, x: model.predict(x, verbose=0),
    "evaluate": lambda model, x: model.evaluate(x, x, verbose=0),
    "fit": lambda model, x: model.fit(x, x, verbose=0),
    "train_on_batch": lambda model, x: model.train_on_batch(x, x),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("inside", ["", "model", "steps"])
@pytest.mark.parametrize("kind", CASES)
def test_what_is_too_short_is_said_of_the_layer(kind: str, inside: str, door: str) -> None:
    if inside == "steps" and leaves_nothing(kind):
        pytest.skip("no layer follows")
    model = model_of(kind, OURS, inside=inside)
    model.compile(optimizer="sgd", loss="mse")
    fed = CASES[kind][1]
    x = np.zeros((2, *([2] if inside == "steps" else []), *fed), "float32")
    with pytest.raises(SpecError) as caught:
        DOORS[door](model, x)
    (found,) = caught.value.diagnostics
    assert f"inputs of these shapes: '{'y' if inside else 'x'}' {x.shape}: layer 'l': " in found.message
    # The same, had the lengths been known.
    with pytest.raises(SpecError) as known:
        model_of(kind, OURS, known=True, inside=inside)
    (wanted,) = known.value.diagnostics
    assert wanted.message in found.message and found.help == wanted.help


@pytest.mark.parametrize("kind", CASES)
def test_keras_cannot_compute_it_either(kind: str) -> None:
    model = model_of(kind, THEIRS)
    with pytest.raises(Exception, match=r"(?i)size|dimension|negative|kernel|empty"):
        model.predict(np.zeros((2, *CASES[kind][1]), "float32"), verbose=0)


@pytest.mark.parametrize("build", [lambda k: k.UpSampling1D(2, name="l"), lambda k: k.LSTM(2, name="l")])
def test_a_layer_that_is_given_nothing_is_named(build: Callable[[Any], Any]) -> None:
    model = Sequential([layers.Input((None, 4), name="x"), layers.Cropping1D(1, name="crop"), build(layers)])
    with pytest.raises(SpecError, match="layer 'crop': "):
        model.predict(np.zeros((2, 2, 4), "float32"), verbose=0)
    model = Sequential([layers.Input((None, 4), name="x"), build(layers)])
    with pytest.raises(SpecError, match=r"layer 'l' is given nothing: its input is \(2, 0, 4\)"):
        model.predict(np.zeros((2, 0, 4), "float32"), verbose=0)


@pytest.mark.parametrize("penalty", [None, "l2"])
@pytest.mark.parametrize("inside", ["", "model"])
def test_nothing_is_printed_besides(inside: str, penalty: str | None, capfd: pytest.CaptureFixture[str]) -> None:
    """torch.fx prints a traceback, and the code that it made, where that itself is what fails."""
    stack = [layers.Input((None, 4), name="x"), layers.GlobalMaxPooling1D(name="l")]
    stack += [layers.Dense(2, activity_regularizer=penalty)]
    model = Sequential([layers.Input((None, 4)), Sequential(stack)] if inside else stack)
    model.compile("sgd", "mse")
    for door in ("call", "predict", "evaluate", "fit"):
        with pytest.raises(SpecError, match="layer 'l' is given nothing"):
            DOORS[door](model, np.zeros((2, 0, 4), "float32"))
    assert capfd.readouterr() == ("", "")


def test_the_module_still_compiles_exports_and_pickles() -> None:
    inner = Sequential([layers.Input((4,)), layers.Dense(3), layers.BatchNormalization()])
    module = Sequential([layers.Input((4,)), inner, layers.Dense(2)]).module.eval()
    x = torch.randn(5, 4)
    y = module(x)
    for again in (
        torch.compile(module, fullgraph=True, backend="eager"),
        torch.export.export(module, (x,)).module(),
        pickle.loads(pickle.dumps(module)),
        copy.deepcopy(module),
    ):
        torch.testing.assert_close(again(x), y)
