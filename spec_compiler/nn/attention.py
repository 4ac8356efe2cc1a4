"""What attention needs beside torch's scaled_dot_product_attention. Masks are true where to attend."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def causal_mask(query: Tensor, value: Tensor, dim: int = 1) -> Tensor:
    """(steps of the query, steps of the value), which are axis `dim`: each attends to itself and those before it."""
    return torch.ones(query.shape[dim], value.shape[dim], dtype=torch.bool, device=query.device).tril()


def window_mask(query_bte: Tensor, value_bse: Tensor, width: int) -> Tensor:
    """(steps of the query, steps of the value): each position attends to those less than `width` from it."""
    t = torch.arange(query_bte.shape[1], device=query_bte.device)
    s = torch.arange(value_bse.shape[1], device=query_bte.device)
    return (t.unsqueeze(1) - s).abs() < width


def additive_mask(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """0 where to attend, else near the least number: a position that attends to none takes the mean of all values."""
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill(~mask, 0.7 * torch.finfo(dtype).min)


FEW_SCORES = 2**14
"""As many scores a head as the CPU computes one step after another in the time of a fused kernel, which keeps none."""


def masked_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor,
    dropout_p: float = 0.0,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """`softmax(query @ keyᵀ * scale + mask) @ value`, with a fraction of the softmax dropped.

    torch's fused kernels go back from the logarithm of the softmax's sum. It is lost beside the large numbers of a
    row that attends to nothing, whose gradients are then as many times too large as there are values. Such a row
    takes the mean of all values, and is computed apart. Where some are dropped, and on the CPU where scores are few,
    everything is computed step by step.
    """
    if mask.dtype is torch.bool or not torch.is_grad_enabled():
        return F.scaled_dot_product_attention(query, key, value, mask, dropout_p, scale=scale, enable_gqa=enable_gqa)
    scale = query.size(-1) ** -0.5 if scale is None else scale
    if enable_gqa:
        key, value = (x.repeat_interleave(query.size(-3) // x.size(-3), -3) for x in (key, value))
    # A compiled graph is not to hang on how many they are.
    few = not torch.compiler.is_compiling() and query.size(-2) * key.size(-2) <= FEW_SCORES
    if dropout_p or (few and not query.is_cuda):
        # In float32 at least, as in torch's kernels.
        scores = (query * scale @ key.transpose(-2, -1)).to(torch.promote_types(query.dtype, torch.float32))
        weights = F.softmax(scores + mask, dim=-1).to(value.dtype)
        return (F.dropout(weights, dropout_p) if dropout_p else weights) @ value
    y = F.scaled_dot_product_attention(query, key, value, mask, scale=scale)
    # Beside the least of float16 scores still count, as the kernels compute in float32.
    nothing = mask.amax(-1, keepdim=True) < -1e30
    return torch.where(nothing, mean_attended(query, key, value, scale), y)


def mean_attended(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """The mean of all values, with the gradients of a softmax of equal shares: query and key move those, too."""
    mean = value.mean(-2, keepdim=True)
    moved = query @ (key.transpose(-2, -1) @ (value - mean).detach() * (scale / value.size(-2)))
    return mean + (moved - moved.detach())


class DotProductAttention(nn.Module):
    """`softmax(query @ keyᵀ * scale) @ value`, with a fraction of the softmax dropped in training."""

    def __init__(self, dropout: float, scale: float | None = None, enable_gqa: bool = False) -> None:
        super().__init__()
        self.dropout = dropout
        self.scale = scale
        self.enable_gqa = enable_gqa

    def forward(  # type: ignore[no-untyped-def]
        self, query, key, value, attn_mask=None, is_causal: bool = False
    ):
        rate = self.dropout if self.training else 0.0
        if attn_mask is not None:
            return masked_attention(query, key, value, attn_mask, rate, self.scale, self.enable_gqa)
        return F.scaled_dot_product_attention(
            query, key, value, dropout_p=rate, is_causal=is_causal, scale=self.scale, enable_gqa=self.enable_gqa
        )


class Scale(nn.Module):
    """`x * weight`."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(shape))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight
