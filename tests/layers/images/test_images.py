"""Image layers where a Keras model says otherwise than its layer does, or draws at random: the layer decides."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch

from spec_compiler import Input, layers
from spec_compiler.lowering.lower import lower
from spec_compiler.models import Model
from spec_compiler.nn.images import RandomRotation
from spec_compiler.nn.ops_image import affine_transform


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("dtype", ["uint8", "int32"])
def test_resized_integers_are_rounded_as_the_layer_of_keras_does(interpolation: str, dtype: str) -> None:
    # Of a symbolic input Keras infers float32, and then gives what came in.
    x = np.random.default_rng(0).integers(0, 256, (2, 6, 5, 3)).astype(dtype)
    expected = keras.layers.Resizing(4, 7, interpolation=interpolation)(x)
    symbol = Input(shape=(6, 5, 3), dtype=dtype)
    module = lower(Model(symbol, layers.Resizing(4, 7, interpolation=interpolation)(symbol)).spec)
    found = module(torch.from_numpy(x))
    assert found.dtype == expected.dtype
    assert torch.equal(found, expected)


def test_about_half_of_the_images_are_mirrored_whole() -> None:
    symbol = Input(shape=(2, 3, 1))
    module = lower(Model(symbol, layers.RandomFlip("horizontal_and_vertical")(symbol)).spec).train()
    x = torch.arange(6.0).reshape(1, 2, 3, 1).expand(2000, 2, 3, 1)
    y = module(x)
    mirrored = (y == x.flip(1, 2)).flatten(1).all(1)
    assert (mirrored | (y == x).flatten(1).all(1)).all()
    assert abs(mirrored.float().mean() - 0.5) < 0.05
    assert torch.equal(module.eval()(x), x)


@pytest.mark.parametrize("fill_mode", ["reflect", "wrap", "constant", "nearest"])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_a_turn_by_one_angle_matches_keras(fill_mode: str, interpolation: str) -> None:
    # The least and the largest angle are the same, so that nothing is drawn.
    layer = keras.layers.RandomRotation((0.13, 0.13), fill_mode, interpolation, fill_value=0.5)
    x = torch.randn(3, 6, 5, 2)
    module = RandomRotation(affine_transform, 0.13, 0.13, interpolation == "bilinear", fill_mode, 0.5)
    torch.testing.assert_close(module(x), layer(x, training=True), rtol=1e-5, atol=1e-5)


def test_angles_are_drawn_between_the_two() -> None:
    seen = []
    module = RandomRotation(lambda x, matrices, *_: seen.append(matrices), -0.1, 0.2)
    module(torch.zeros(4000, 3, 3, 1))
    angle = torch.atan2(seen[0][:, 3], seen[0][:, 0]) / (2 * torch.pi)
    assert angle.min() >= -0.1 - 1e-6 and angle.max() <= 0.2 + 1e-6
    assert abs(angle.mean() - 0.05) < 0.01 and abs(angle.std() - 0.3 / 12**0.5) < 0.01
