"""Kernels that a GPU has for larger sizes than the grid's alone, held to the CPU in float64."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from spec_compiler.nn.attention import additive_mask, masked_attention
from spec_compiler.nn.normalization import BatchNorm2d
from spec_compiler.nn.pooling import AvgPool2d
from tests.devices import cuda

pytestmark = cuda.needs_cuda


def masked(dtype: torch.dtype, device: str, function: Callable[..., Tensor] = masked_attention) -> dict[str, Tensor]:
    """Output and gradients of an attention some of whose rows are masked whole; heads are long enough for fused kernels."""
    draw = torch.Generator().manual_seed(0)
    inputs = [torch.randn(2, 4, n, 64, generator=draw).to(dtype) for n in (40, 48, 48)]
    leaves = [x.to(device, torch.float64 if device == "cpu" else dtype).requires_grad_() for x in inputs]
    mask = torch.rand(2, 1, 40, 48, generator=draw) < 0.5
    mask[0, :, 7] = mask[1, :, 30:] = False
    y = function(*leaves, additive_mask(mask, torch.float32).to(device, leaves[0].dtype))
    weight = torch.randn(y.shape, generator=draw).to(y)
    gradients = torch.autograd.grad(y, leaves, weight)
    return {"output": y, **{f"gradient {i}": g for i, g in enumerate(gradients)}}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rows_masked_whole_have_right_gradients(dtype: torch.dtype) -> None:
    expected = masked(dtype, "cpu")
    for what, y in masked(dtype, cuda.NAME).items():
        cuda.assert_close(y, expected[what].to(dtype), what)


@pytest.mark.parametrize("size", [(32, 17, 17), (1, 9, 9), (32, 1, 1), (1, 1, 1)])
def test_means_of_padded_windows_have_right_gradients(size: tuple[int, int, int]) -> None:
    pool = AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
    channels, height, width = size
    x = torch.randn(2, height, width, channels, generator=torch.Generator().manual_seed(0))
    found = []
    for device in ("cpu", cuda.NAME):
        leaf = x.detach().to(device).requires_grad_()
        y = pool(leaf.permute(0, 3, 1, 2))
        found.append(torch.autograd.grad(y.square().sum(), leaf)[0])
    cuda.assert_close(found[1], found[0], "gradient")


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("scale, center", [(True, False), (False, True)])
def test_a_weight_or_a_bias_alone_is_learned(scale: bool, center: bool, training: bool) -> None:
    x = torch.randn(8, 5, 5, 16, generator=torch.Generator().manual_seed(0))
    found = []
    for device in ("cpu", cuda.NAME):
        norm = BatchNorm2d(16, scale=scale, center=center).to(device).train(training)
        leaf = x.detach().to(device).requires_grad_()
        norm(leaf.permute(0, 3, 1, 2)).relu().square().sum().backward()
        found.append([leaf.grad, *(p.grad for p in norm.parameters()), *norm.buffers()])
    for i, (a, b) in enumerate(zip(*found, strict=True)):
        cuda.assert_close(b, a, f"number {i}")
