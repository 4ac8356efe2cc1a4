"""Attention under an added mask, held to torch's own steps: the fused kernels' gradients are wrong in rows masked whole."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from spec_compiler.nn.attention import DotProductAttention, additive_mask, masked_attention

TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-6, torch.bfloat16: 2**-7, torch.float16: 2**-10}


def drawn(dtype: torch.dtype, heads: int) -> tuple[list[Tensor], Tensor]:
    """Query, key and value of 4 heads, the others of `heads`; and a mask that leaves some rows nothing."""
    draw = torch.Generator().manual_seed(0)
    shapes = (2, 4, 5, 8), (2, heads, 6, 8), (2, heads, 6, 8)
    mask = torch.rand(2, 1, 5, 6, generator=draw) < 0.5
    mask[0, :, 2] = mask[1, :, 4] = False
    return [torch.randn(shape, generator=draw).to(dtype).requires_grad_() for shape in shapes], mask


@pytest.mark.parametrize("heads", [4, 2])
@pytest.mark.parametrize("scale", [None, 1.0])
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_masked_attention_is_torch_s(dtype: torch.dtype, scale: float | None, heads: int) -> None:
    inputs, mask = drawn(dtype, heads)
    added = additive_mask(mask, dtype)
    found = masked_attention(*inputs, added, 0.0, scale, heads < 4)
    with sdpa_kernel(SDPBackend.MATH):
        expected = F.scaled_dot_product_attention(*inputs, added, scale=scale, enable_gqa=heads < 4)
    with torch.no_grad():
        fused = masked_attention(*inputs, added, 0.0, scale, heads < 4)
    near = {"rtol": 4 * TOLERANCE[dtype], "atol": 4 * TOLERANCE[dtype]}
    torch.testing.assert_close(found, expected, **near)
    torch.testing.assert_close(fused, expected, **near)
    weight = torch.randn(found.shape, generator=torch.Generator().manual_seed(1)).to(dtype)
    gradients = [torch.autograd.grad(y, inputs, weight) for y in (found, expected)]
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, **near)


def test_values_of_a_row_that_attends_to_nothing_move_its_output_by_their_mean() -> None:
    (q, k, v), mask = drawn(torch.float32, 4)
    y = DotProductAttention(0.5).eval()(q, k, v, additive_mask(mask, q.dtype))
    (gradient,) = torch.autograd.grad(y[0, :, 2].sum(), v)
    torch.testing.assert_close(gradient[0], torch.full_like(gradient[0], 1 / 6))
