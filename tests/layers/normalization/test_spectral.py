"""The spectral norm of a weight of zeros, and what the power iteration converges to."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch
from keras import layers as k
from torch import nn

from spec_compiler.models import model_from_json
from spec_compiler.nn.normalization import SpectralNorm
from tests.models.oracle import randomize


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


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("inner", ["float32", "float64", "mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("outer", ["float32", "float64", "mixed_bfloat16", "mixed_float16"])
def test_a_mask_goes_as_far_as_in_keras(outer: str, inner: str) -> None:
    """Keras loses it where it casts the output."""
    norm = k.SpectralNormalization(k.Dense(3, dtype=inner), dtype=outer)
    theirs = keras.Sequential([keras.Input((5, 4)), k.Masking(), norm, k.GRU(2)])
    ours = model_from_json(theirs.to_json())
    ours.set_weights(randomize(theirs))
    x = np.random.default_rng(0).standard_normal((6, 5, 4)).astype("float32")
    x[:, 3:] = 0.0
    tolerance = 2e-2 if "16" in outer + inner else 1e-5
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x, verbose=0), rtol=tolerance, atol=tolerance)
