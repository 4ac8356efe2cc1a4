"""Random graphs of operations and layers against Keras: types, numbers, what is written, what is emitted."""

from __future__ import annotations

import itertools
import json
import random
import types
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import torch
from keras import ops

from spec_compiler.codegen import emit
from spec_compiler.diagnostics import Reporter
from spec_compiler.dialects.keras3_writer import as_it_is
from spec_compiler.dialects.read import read_data
from spec_compiler.lowering.lower import assign, build, parameters_of, weights
from spec_compiler.lowering.names import class_name
from spec_compiler.lowering.to_fx import lower_graph
from spec_compiler.passes import check
from tests.layers.ops.oracle import flat, outputs_of

BATCH = 3
GRAPHS = 120


def _reshaped(x: Any) -> Any:
    return ops.reshape(x, [-1, int(np.prod(x.shape[1:]))])


STEPS: list[Callable[[random.Random, Any, Any, int], Any]] = [
    lambda r, x, y, axis: x + r.choice([1, 2.5, -1]),
    lambda r, x, y, axis: r.choice([ops.add, ops.multiply, ops.maximum, ops.subtract, ops.arctan2])(x, y),
    lambda r, x, y, axis: r.choice([ops.sum, ops.mean, ops.max, ops.var])(x, axis=axis, keepdims=r.random() < 0.5),
    lambda r, x, y, axis: ops.concatenate([x, y, x][: r.choice([2, 3])], axis=axis),
    lambda r, x, y, axis: ops.stack([x, y], axis=axis),
    lambda r, x, y, axis: r.choice(ops.split(x, r.choice([2, 3]), axis=axis)),
    lambda r, x, y, axis: r.choice([ops.transpose(x), ops.moveaxis(x, axis, 0), ops.swapaxes(x, -1, axis)]),
    lambda r, x, y, axis: ops.expand_dims(x, axis),
    lambda r, x, y, axis: r.choice([x[..., 0], x[:, -1], x[:, 1:], x[..., None, :2]]),
    lambda r, x, y, axis: r.choice([ops.cumsum, ops.flip, ops.sort, ops.argsort])(x, axis=axis),
    lambda r, x, y, axis: r.choice([ops.roll(x, 1, axis=axis), ops.repeat(x, 2, axis=axis), ops.take(x, [1, 0], axis)]),
    lambda r, x, y, axis: ops.pad(x, [[0, 0]] + [[r.randrange(2), r.randrange(2)] for _ in x.shape[1:]]),
    lambda r, x, y, axis: ops.where(x > 0, x, r.choice([0, 0.5, y])),
    lambda r, x, y, axis: r.choice([ops.matmul(x, y), ops.einsum("b...d->bd...", x)]),
    lambda r, x, y, axis: ops.cast(x, r.choice(["int32", "float32", "bool"])),
    lambda r, x, y, axis: r.choice([ops.tanh(x), ops.softmax(x), _reshaped(x)]),
    lambda r, x, y, axis: keras.layers.MaxPooling2D()(x),
    lambda r, x, y, axis: keras.layers.Conv2D(3, 2, padding="same")(x),
    lambda r, x, y, axis: keras.layers.Dense(4)(x),
]


def _model(r: random.Random) -> keras.Model | None:
    """A model of a few steps, each on what came before; None where no step could be taken."""
    keras.utils.clear_session(free_memory=False)
    shapes = [tuple(r.choice([2, 3, 4]) for _ in range(r.choice([1, 2, 3, 3]))) for _ in range(2)]
    inputs = [keras.Input(shape, dtype=r.choice(["float32"] * 4 + ["int32"])) for shape in shapes[: r.choice([1, 2])]]
    known = list(inputs)
    for _ in range(r.randrange(3, 10)):
        x, y = r.choice(known), r.choice(known)
        try:
            found = r.choice(STEPS)(r, x, y, r.randrange(-len(x.shape), len(x.shape)))
        except Exception:
            continue  # Keras refuses what does not go together, in every way.
        if 0 not in found.shape and len(found.shape) > 0:
            known.append(found)
    outputs = known[len(inputs) :][-2:]
    return keras.Model(inputs, outputs, name="graph") if outputs else None


def _run(seed: int) -> tuple[keras.Model, list[torch.Tensor], list[torch.Tensor]]:
    """The seed's first model that Keras can run, what it is run on, and what comes out."""
    for attempt in itertools.count():
        r, rng = random.Random(f"{seed} {attempt}"), np.random.default_rng(seed)
        torch.manual_seed(seed)
        model = _model(r)
        if model is None:
            continue
        tensors = [_numbers(rng, (BATCH, *x.shape[1:]), x.dtype) for x in model.inputs]
        try:
            return model, tensors, flat(model(tensors))
        except Exception:
            continue  # Lengths that were unknown differ.
    raise AssertionError


def _numbers(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> torch.Tensor:
    array = rng.integers(-2, 3, shape) if "int" in dtype else rng.normal(size=shape)
    return torch.from_numpy(array.astype(dtype))


@pytest.mark.parametrize("seed", range(GRAPHS))
def test_random_graph_matches_keras(seed: int) -> None:
    model, tensors, expected = _run(seed)
    document = json.loads(model.to_json())
    reporter = Reporter()
    spec = read_data(document, reporter)
    graph = None if spec is None else check(spec, reporter)
    assert spec is not None and graph is not None, [d.render() for d in reporter.diagnostics]
    assert outputs_of(graph) == [(tuple(y.shape), y.dtype) for y in model.outputs]
    assert _layers(as_it_is(spec)) == _layers(document)

    lowered = lower_graph(graph)
    module = build(lowered)
    with torch.no_grad():
        for (layer, _, rules), value in zip(weights(lowered), model.get_weights(), strict=True):
            assign(parameters_of(module, layer, rules), rules, torch.from_numpy(value))
        found = flat(module(*tensors))
        for a, b, stated in zip(found, expected, model.outputs, strict=True):
            # Keras pools integers as integers, having stated floats.
            torch.testing.assert_close(a, b.detach().to(getattr(torch, stated.dtype)), rtol=1e-5, atol=1e-5)
        emitted = types.ModuleType("emitted")
        exec(emit(lowered), emitted.__dict__)
        again = getattr(emitted, class_name(graph.name))()
        again.load_state_dict(module.state_dict())
        for a, b in zip(flat(again(*tensors)), found, strict=True):
            torch.testing.assert_close(a, b)


def _layers(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {key: value for key, value in item.items() if key != "build_config"} for item in document["config"]["layers"]
    ]
