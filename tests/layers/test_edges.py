"""Every argument of every layer at its edges: what Keras makes a running model of, we take, and what we take runs alike."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import cache
from typing import Any

import keras
import numpy as np
import pytest
import torch

from spec_compiler.ir import Graph
from spec_compiler.lowering.lower import assign, build, initialize_weights, parameters_of, weights
from spec_compiler.lowering.to_fx import lower_graph
from spec_compiler.specs import layers
from tests.layers import keras_oracle
from tests.layers.cases import Case, all_cases
from tests.layers.check import _flat
from tests.layers.refused import checked
from tests.layers.test_arguments import arguments

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]

VALUES: list[Any] = [None, 0, 1, 2, 3, -1, 2.0, 0.5, True, False, [], [1], [2], [2, 2], [1, 1, 1], [0, 0], "linear"]

REFUSED = {
    "activity_regularizer": "SimpleRNN of Keras forgets it unread",
    "attention_axes": "over the batch, or over the features",
    "axis": "no axis at all, or true for 1",
    "bounding_box_format": "unread without boxes",
    "center": "a flag that is neither true nor false",
    "crop_to_aspect_ratio": "a flag",
    "data_format": "0 and [] for null",
    "dropout": "a rate beyond 0 to 1",
    "epsilon": "a number below 0",
    "factor": "null or nothing, unread until the layer trains",
    "fill_value": "no number, unread until something is filled",
    "gptq_unpacked_column_size": "of quantized layers",
    "height": "a crop to nothing",
    "logit_soft_cap": "unread until the layer is called in reverse",
    "lora_alpha": "no number, unread without adapters",
    "lora_rank": "adapters, which cannot be built",
    "mode": "any mode, unread until the layer trains",
    "momentum": "beyond 0 to 1",
    "noise_shape": "of fewer axes than the input",
    "num_query_heads": "no heads",
    "output_shape": "an axis of no length",
    "padding": "below 0, which cuts off",
    "quantization_config": "of quantized layers",
    "rate": "a flag for a number",
    "recurrent_dropout": "a rate beyond 0 to 1",
    "renorm": "batch renormalization, which cannot be built",
    "renorm_clipping": "of batch renormalization",
    "renorm_momentum": "of batch renormalization",
    "reverse_dtype": "unread until the layer is called in reverse",
    "rms_scaling": "an old flag whose arithmetic was wrong",
    "seed": "no integer, unread until something is drawn",
    "shape": "of inputs",
    "trainable": "a flag",
    "width": "a crop to nothing",
}
"""What Keras takes, and we do not, by argument; beside flags, which are true or false, and booleans for numbers."""


@cache
def plain_cases() -> dict[str, Case]:
    """A case of each class, of inputs alone."""
    found: dict[str, Case] = {}
    for case in all_cases():
        if not (case.tensors or case.mask or case.front or case.unknown or case.batch_shape):
            found.setdefault(getattr(layers, case.class_name).__name__, case)
    return found


@cache
def arguments_of() -> dict[str, list[str]]:
    """The arguments of each class that has a case."""
    found = defaultdict(list)
    for name, argument, _ in arguments():
        if name in plain_cases() and argument not in ("name", "kwargs", "weights"):
            found[name].append(argument)
    return found


@pytest.mark.parametrize("name", sorted(arguments_of()))
def test_edges(name: str) -> None:
    wrong = []
    for argument in arguments_of()[name]:
        for value in VALUES:
            case = plain_cases()[name]
            case = replace(case, layer={case.class_name: {**case.arguments, argument: value}})
            fault = disagreement(case, argument, value)
            if fault is not None:
                wrong.append(f"{argument}={value!r}: {fault}")
    assert not wrong, "\n".join(wrong)


def disagreement(case: Case, argument: str, value: Any) -> str | None:
    """What is wrong with the case; None: nothing, or it is known why."""
    theirs = keras_model(case)
    try:
        graph, faults = checked(case)
    except AssertionError:
        return None  # no layer at all stands where one is inside
    if graph is None:
        flag = isinstance(value, bool) or any("true or false" in d.message or "boolean" in d.message for d in faults)
        known = theirs is None or flag or argument in REFUSED
        return None if known else f"Keras runs it, we say: {faults[0].render()}"
    try:
        return difference(case, graph, theirs)
    except RuntimeError as error:
        return f"taken, and does not run: {error}"


def difference(case: Case, graph: Graph, theirs: tuple[keras.Model, list[torch.Tensor]] | None) -> str | None:
    """How our outputs differ from Keras's, by the same weights; None: not at all, or Keras has none."""
    lowered = lower_graph(graph)
    module = build(lowered)
    initialize_weights(lowered, module)
    integers = "int" in case.input_dtype
    xs = [
        torch.zeros(case.batch, *s, dtype=torch.int32) if integers else torch.randn(case.batch, *s) for s in case.shapes
    ]
    if theirs is None:
        with torch.no_grad():
            module.train()(*xs)
            module.eval()(*xs)
        return None
    model, xs = theirs
    values = keras_oracle.randomize(model, np.random.default_rng(0))
    with torch.no_grad():
        for (layer, _, rules), value in zip(weights(lowered), values, strict=True):
            assign(parameters_of(module, layer, rules), rules, keras_oracle.tensor(value))
        ours = _flat(module.eval()(*xs))
        module.train()(*xs)
        expected = _flat(keras_oracle.run(model, xs, training=False))
    # The graph has the first output alone.
    for a, b in zip(ours, expected, strict=False):
        if a.dtype != b.dtype or not torch.allclose(a, b, rtol=1e-4, atol=1e-5, equal_nan=True):
            return f"other numbers than Keras's: {a.dtype}, {b.dtype}"
    return None


def keras_model(case: Case) -> tuple[keras.Model, list[torch.Tensor]] | None:
    """Keras's model of the case and its inputs; None where it cannot be made, or does not run."""
    try:
        model, _, arrays = keras_oracle.build(case)
        inputs = [torch.from_numpy(array) for array in arrays]
        for training in (True, False):
            keras_oracle.run(model, inputs, training)
    except Exception:
        return None
    return model, inputs
