"""Integers where a layer computes with floats. Keras fails there, or cuts its result to integers again."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.layers.cases import Case
from tests.layers.check import make_pair

LAYERS: list[dict[str, Any]] = [
    {"Activation": {"activation": "gelu"}},
    {"Activation": {"activation": "softmax"}},
    {"LeakyReLU": {}},
    {"Softmax": {}},
    {"LayerNormalization": {}},
    {"GroupNormalization": {"groups": 2}},
    {"RMSNormalization": {}},
    {"UnitNormalization": {}},
    {"GaussianNoise": {"stddev": 0.5}},
    {"EinsumDense": {"equation": "abc,bcd->abd", "output_shape": [3, 2]}},
]


@pytest.mark.parametrize("layer", LAYERS, ids=[next(iter(layer)) for layer in LAYERS])
def test_integers_are_taken_as_floats(layer: dict[str, Any]) -> None:
    cases = (Case("integers", layer, input=[3, 4], input_dtype=dtype) for dtype in ("int32", "float32"))
    of_ints, of_floats = (make_pair(case).module for case in cases)
    for a, b in zip(of_ints.parameters(), of_floats.parameters(), strict=True):
        torch.nn.init.uniform_(a)
        b.data.copy_(a)
    x = torch.randint(-3, 4, (2, 3, 4), dtype=torch.int32)
    y = of_ints.eval()(x)
    assert y.dtype == torch.float32
    assert torch.equal(y, of_floats.eval()(x.float()))
    assert of_ints.train()(x).isfinite().all()
