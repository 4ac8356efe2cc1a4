"""Layers of Keras 1, which no Keras of today can be asked for: against their formulas, on weights in Keras's layout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from spec_compiler.lowering.lower import build, initialize_weights, parameters_of, read, weights
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.layers.conv import Conv2D
from spec_compiler.specs.layers.core import Dense
from spec_compiler.specs.layers.legacy import Highway, MaxoutDense, ParametricSoftplus, SReLU, ThresholdedReLU
from tests.layers.legacy.formula import check_formula, lowered_of, randomized


def highway(x: Tensor, w: Tensor, w_carry: Tensor, b: Any = 0.0, b_carry: Any = 0.0) -> Tensor:
    t = torch.sigmoid(x @ w_carry + b_carry)
    return torch.tanh(x @ w + b) * t + (1 - t) * x


def maxout(x: Tensor, w: Tensor, b: Any = None) -> Tensor:
    pieces = [x @ w[i] + (0 if b is None else b[i]) for i in range(len(w))]
    return torch.stack(pieces, dim=1).max(dim=1).values


def parametric_softplus(x: Tensor, alphas: Tensor, betas: Tensor) -> Tensor:
    return alphas * torch.log(1 + torch.exp(betas * x))


def srelu(x: Tensor, t_left: Tensor, a_left: Tensor, t_right: Tensor, a_right: Tensor) -> Tensor:
    right = t_left + t_right.abs()
    left_part = t_left + a_left * (x - t_left)
    right_part = right + a_right * (x - right)
    return torch.where(x < t_left, left_part, torch.where(x > right, right_part, x))


CASES: dict[str, tuple[LayerSpec, list[int], Callable[..., Tensor]]] = {
    "highway": (Highway(activation="tanh"), [4], highway),
    "highway without bias": (Highway(activation="tanh", use_bias=False), [4], highway),
    "maxout": (MaxoutDense(units=3), [4], maxout),
    "maxout of two": (MaxoutDense(units=3, nb_feature=2, use_bias=False), [4], maxout),
    "softplus": (ParametricSoftplus(), [4], parametric_softplus),
    "softplus shared": (ParametricSoftplus(shared_axes=[1]), [5, 4], parametric_softplus),
    "srelu": (SReLU(), [3, 2], srelu),
    "srelu shared": (SReLU(shared_axes=[1, 2]), [4, 3, 2], srelu),
    "thresholded": (ThresholdedReLU(theta=0.5), [3, 4], lambda x: x * (x > 0.5)),
}


@pytest.mark.parametrize("name", CASES)
def test_layer_follows_its_formula(name: str) -> None:
    check_formula(*CASES[name])


@pytest.mark.parametrize(
    ("layer", "formula"), [(SReLU(shared_axes=[1]), srelu), (ParametricSoftplus(), parametric_softplus)]
)
def test_weights_follow_the_layout_of_a_convolution(layer: LayerSpec, formula: Callable[..., Tensor]) -> None:
    shape = [4, 3, 2]
    module, values = randomized(lowered_of(Conv2D(3, 1, name="conv"), layer, shape=shape))
    x = torch.randn(5, *shape)
    kernel, bias, *own = values
    torch.testing.assert_close(module(x), formula(x @ kernel[0, 0] + bias, *own), rtol=1e-5, atol=1e-5)


def test_initial_weights() -> None:
    lowered = lowered_of(Highway(), MaxoutDense(2), ParametricSoftplus(), SReLU(), shape=[3])
    module = build(lowered)
    initialize_weights(lowered, module)
    start = {v.name: read(parameters_of(module, layer, rules), v, rules) for layer, v, rules in weights(lowered)}
    for name, value in {"b_carry": 1, "alphas": 0.2, "betas": 5, "t_left": 0, "a_right": 1}.items():
        assert torch.allclose(start[name], torch.tensor(float(value))), name


def test_thresholded_relu_is_an_activation() -> None:
    module, (kernel, bias) = randomized(lowered_of(Dense(3, activation=ThresholdedReLU(0.1)), shape=[4]))
    x = torch.randn(5, 4)
    y = x @ kernel + bias
    torch.testing.assert_close(module(x), F.threshold(y, 0.1, 0.0))
