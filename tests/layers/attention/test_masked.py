"""Attention under an added mask, held to torch's own steps: the fused kernels' gradients are wrong in rows masked whole."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from spec_compiler.nn.attention import DotProductAttention, additive_mask, masked_attention
from tests.devices.pretended import PretendedCuda

DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]


def drawn(dtype: torch.dtype, heads: int, lengths: tuple[int, int] = (5, 6)) -> tuple[list[Tensor], Tensor]:
    """Query, key and value of 4 heads, the others of `heads`; and a mask that leaves some rows nothing."""
    draw = torch.Generator().manual_seed(0)
    n, m = lengths
    shapes = (2, 4, n, 8), (2, heads, m, 8), (2, heads, m, 8)
    mask = torch.rand(2, 1, n, m, generator=draw) < 0.5
    mask[0, :, 2] = mask[1, :, 4] = False
    return [torch.randn(shape, generator=draw).to(dtype).requires_grad_() for shape in shapes], mask


def results(inputs: list[Tensor], mask: Tensor, *how: Any, math: bool = False, rate: float = 0.0) -> list[Tensor]:
    """The output, and the gradients of a random linear function of it, in float64."""
    added = additive_mask(mask, inputs[0].dtype)
    scale, grouped = how
    if math:
        with sdpa_kernel(SDPBackend.MATH):
            y = F.scaled_dot_product_attention(*inputs, added, scale=scale, enable_gqa=grouped)
    else:
        y = masked_attention(*inputs, added, rate, scale, grouped)
    weight = torch.randn(y.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return [x.detach().double() for x in (y, *torch.autograd.grad(y, inputs, weight.to(y.dtype)))]


@pytest.mark.parametrize("lengths", [(5, 6), (200, 300)])
@pytest.mark.parametrize("heads", [4, 2])
@pytest.mark.parametrize("scale", [None, 1.0])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_masked_attention_is_torch_s(
    dtype: torch.dtype, scale: float | None, heads: int, lengths: tuple[int, int]
) -> None:
    """As far from what float64 gives as torch's own steps are, for its fused kernels add up in another order."""
    inputs, mask = drawn(dtype, heads, lengths)
    how = scale, heads < 4
    # The least of float16 is no such number in float64: scores count beside it.
    exact = results(
        inputs if dtype is torch.float16 else [x.detach().double().requires_grad_() for x in inputs],
        mask,
        *how,
        math=True,
    )
    math = results(inputs, mask, *how, math=True)
    with PretendedCuda():
        # Beyond the CPU it is a fused kernel, but where some are dropped; a rate as small as this drops nothing.
        fused, stepwise = results(inputs, mask, *how), results(inputs, mask, *how, rate=1e-17)
    for found in (fused, stepwise, results(inputs, mask, *how)):
        for a, b, c in zip(exact, math, found, strict=True):
            near = 4 * (b - a).abs().max() + 16 * torch.finfo(dtype).eps * a.abs().max()
            assert (c - a).abs().max() <= near
    with torch.no_grad():
        untrained = masked_attention(*inputs, additive_mask(mask, dtype), 0.0, *how)
    torch.testing.assert_close(
        untrained.double(), exact[0], rtol=0, atol=float(16 * torch.finfo(dtype).eps * exact[0].abs().max())
    )


def test_values_of_a_row_that_attends_to_nothing_move_its_output_by_their_mean() -> None:
    (q, k, v), mask = drawn(torch.float32, 4)
    y = DotProductAttention(0.5).eval()(q, k, v, additive_mask(mask, q.dtype))
    (gradient,) = torch.autograd.grad(y[0, :, 2].sum(), v)
    torch.testing.assert_close(gradient[0], torch.full_like(gradient[0], 1 / 6))
