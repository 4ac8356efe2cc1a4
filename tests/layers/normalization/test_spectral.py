"""The spectral norm of a weight of zeros, and what the power iteration converges to."""

from __future__ import annotations

import torch
from torch import nn

from spec_compiler.nn.normalization import SpectralNorm


def test_the_largest_singular_value_becomes_one() -> None:
    torch.manual_seed(0)
    norm = SpectralNorm(nn.Conv2d(3, 5, 2), 5, axes=(2, 3, 1, 0), power_iterations=100).train()
    norm(torch.randn(2, 3, 4, 4))
    singular = torch.linalg.svdvals(norm.layer.weight.flatten(1))
    torch.testing.assert_close(singular[0], torch.tensor(1.0))


def test_a_weight_of_zeros_stays() -> None:
    norm = SpectralNorm(nn.Linear(3, 2), 2, axes=(1, 0)).train()
    nn.init.zeros_(norm.layer.weight)
    before = norm.vector_u.clone()
    norm(torch.randn(2, 3))
    assert not norm.layer.weight.any()
    assert torch.equal(norm.vector_u, before)


def test_inference_changes_nothing() -> None:
    norm = SpectralNorm(nn.Linear(3, 2), 2, axes=(1, 0)).eval()
    before = norm.layer.weight.clone()
    norm(torch.randn(2, 3))
    assert torch.equal(norm.layer.weight, before)
