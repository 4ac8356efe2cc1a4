"""tf_keras's side: models of the same random weights, and how outputs are held together."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from spec_compiler.lowering.lower import assign, build, parameters_of, weights
from spec_compiler.lowering.lowered import LoweredGraph


def with_weights_of(theirs: Any, lowered: LoweredGraph) -> torch.nn.Module:
    """Our module and tf_keras's model, given the same random weights in the order both have them in."""
    ours = [(v.name, v.shape) for _, v, _ in weights(lowered)]
    found = [(v.name, tuple(v.shape)) for v in theirs.weights]
    assert [shape for _, shape in ours] == [shape for _, shape in found], f"{ours} became {found}"
    values = _random(theirs.weights)
    theirs.set_weights(values)
    for layer in theirs._flatten_layers():
        if hasattr(layer, "finalize_state") and layer.built:
            layer.finalize_state()
    module = build(lowered).eval()
    with torch.no_grad():
        for (layer, _, rules), value in zip(weights(lowered), values, strict=True):
            assign(parameters_of(module, layer, rules), rules, torch.from_numpy(np.array(value)))
    return module


def _random(variables: list[Any]) -> list[np.ndarray[Any, Any]]:
    rng = np.random.default_rng(0)
    values = []
    for variable in variables:
        value = np.asarray(variable)
        if value.dtype.kind == "f":
            # Deep models neither fade nor blow up when a kernel is scaled by the number of its inputs.
            scale = min(0.3, float(np.prod(value.shape[:-1])) ** -0.5)
            value = (rng.standard_normal(value.shape) * scale).astype(value.dtype)
            value = np.abs(value) + np.asarray(0.5, value.dtype) if "variance" in variable.name else value
        values.append(value)
    return values


def outputs_of(model: Any, arrays: list[np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
    """What tf_keras's model gives in inference."""
    return [np.asarray(one) for one in flat(model(arrays if len(arrays) > 1 else arrays[0], training=False))]


def run(module: torch.nn.Module, arrays: list[np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
    """What our module gives."""
    with torch.no_grad():
        return [one.numpy() for one in flat(module(*map(torch.from_numpy, arrays)))]


def flat(outputs: Any) -> list[Any]:
    """The tensors among a model's outputs."""
    if isinstance(outputs, dict):
        outputs = list(outputs.values())
    return [leaf for item in outputs for leaf in flat(item)] if isinstance(outputs, (list, tuple)) else [outputs]


def assert_close(ours: list[np.ndarray[Any, Any]], theirs: list[np.ndarray[Any, Any]], rtol: float = 2e-5) -> None:
    """The same shapes and dtypes, and the same numbers: to 2e-5 for a layer; layers in a row add their roundings up."""
    for a, b in zip(ours, theirs, strict=True):
        assert (a.shape, str(a.dtype)) == (b.shape, str(b.dtype))
        if b.dtype.kind in "biu":
            np.testing.assert_array_equal(a, b)
            continue
        scale = max(1.0, float(np.nanmax(np.abs(b), initial=0)))
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol / 10 * scale)
