"""What random layers draw in training: the distribution's moments, the mask's shape, the generator it comes from."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.layers.cases import Case
from tests.layers.check import make_pair

RATES = {"Dropout": 0.3, "SpatialDropout1D": 0.3, "GaussianNoise": 0.4, "GaussianDropout": 0.3, "AlphaDropout": 0.3}


def assert_rate(dropped: Tensor, rate: float, draws: int) -> None:
    """Assert that the share that is true is what so many draws make of `rate`: within five standard deviations."""
    assert abs(dropped.double().mean().item() - rate) < 5 * math.sqrt(rate * (1 - rate) / draws)


def trained(name: str, shape: list[int], seed: int, x: Tensor | None = None, **arguments: Any) -> tuple[Tensor, Tensor]:
    """An input of ones, or `x`, and what the layer makes of it in training."""
    first = {"GaussianNoise": "stddev"}.get(name, "rate")
    case = Case("noise", {name: {first: RATES[name], **arguments}}, input=shape)
    module = make_pair(case).module.train()
    x = torch.ones(64, *shape) if x is None else x
    torch.manual_seed(seed)
    return x, module(x)


@pytest.mark.parametrize("name", RATES)
def test_draws_come_from_the_global_generator(name: str) -> None:
    a, b, c = (trained(name, [5, 4], seed)[1] for seed in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


@pytest.mark.parametrize("noise_shape", [None, [None, 1, 400], [None, 50, 1], [1, 50, 400]])
def test_dropout_zeroes_its_rate_and_keeps_the_mean(noise_shape: list[int] | None) -> None:
    _, y = trained("Dropout", [50, 400], seed=0, noise_shape=noise_shape)
    zeros, kept = (y == 0), y[y != 0]
    assert torch.allclose(kept, torch.tensor(1 / 0.7))
    assert_rate(zeros, 0.3, math.prod(n or m for n, m in zip(noise_shape or y.shape, y.shape, strict=True)))
    for axis, length in enumerate(noise_shape or ()):
        same = (zeros == zeros.select(axis, 0).unsqueeze(axis)).all().item()
        assert same == (length == 1), f"axis {axis}"


def test_rate_one_drops_all() -> None:
    for shape in (None, [None, 1, 4]):
        _, y = trained("Dropout", [5, 4], seed=0, rate=1, noise_shape=shape)
        assert not y.any()


@pytest.mark.parametrize(
    ("name", "shape", "arguments", "channels"),
    [
        ("SpatialDropout1D", [20, 300], {}, -1),
        ("SpatialDropout2D", [6, 5, 300], {}, -1),
        ("SpatialDropout2D", [300, 6, 5], {"data_format": "channels_first"}, 1),
        ("SpatialDropout3D", [2, 6, 5, 300], {}, -1),
        ("SpatialDropout3D", [300, 2, 6, 5], {"data_format": "channels_first"}, 1),
    ],
)
def test_spatial_dropout_drops_whole_channels(
    name: str, shape: list[int], arguments: dict[str, Any], channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RATES, name, 0.3)
    _, y = trained(name, shape, seed=0, **arguments)
    by_channel = (y == 0).movedim(channels, 1).flatten(2)
    assert (by_channel.all(-1) | ~by_channel.any(-1)).all()
    assert_rate(by_channel, 0.3, 64 * 300)
    assert torch.allclose(y[y != 0], torch.tensor(1 / 0.7))


def assert_normal(draws: Tensor, mean: float, stddev: float) -> None:
    """Assert that the draws are of N(mean, stddev²), within five standard errors of mean, deviation and quantile."""
    n, z = draws.numel(), (draws.double() - mean) / stddev
    assert abs(z.mean().item()) < 5 / math.sqrt(n)
    assert abs(z.std().item() - 1) < 5 / math.sqrt(2 * n)
    for edge in (0.5, 1.0, 2.0):
        assert_rate(z.abs() < edge, math.erf(edge / math.sqrt(2)), n)
    assert_rate(z < 0, 0.5, n)


def test_gaussian_noise_is_normal_around_the_input() -> None:
    x, y = trained("GaussianNoise", [50, 400], seed=0)
    assert_normal(y.double() - x.double(), 0, 0.4)


def test_gaussian_dropout_multiplies_with_dropouts_variance() -> None:
    x, y = trained("GaussianDropout", [50, 400], seed=0, x=torch.full((64, 50, 400), 3.0))
    assert_normal(y.double() / x.double(), 1, math.sqrt(0.3 / 0.7))


@pytest.mark.parametrize("noise_shape", [None, [None, 50, 1], [None, 1, 400]])
def test_alpha_dropout_keeps_mean_and_variance(noise_shape: list[int] | None) -> None:
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(64, 50, 400, generator=generator)
    _, y = trained("AlphaDropout", [50, 400], seed=0, x=x, noise_shape=noise_shape)
    assert y.mean().item() == pytest.approx(0, abs=0.02)
    assert y.std().item() == pytest.approx(1, rel=0.02)
    lowest = y.flatten().mode().values
    dropped = y == lowest
    assert_rate(dropped, 0.3, math.prod(n or m for n, m in zip(noise_shape or y.shape, y.shape, strict=True)))
    for axis, length in enumerate(noise_shape or ()):
        same = (dropped == dropped.select(axis, 0).unsqueeze(axis)).all().item()
        assert same == (length == 1), f"axis {axis}"
