"""Attention as Keras projects and masks it, through torch's scaled_dot_product_attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class MultiHeadAttention(nn.Module):
    """Multi-head attention over (batch, steps, features), Vaswani et al. 2017; masks are true where to attend."""

    def __init__(
        self,
        query_dim: int,
        key_dim: int,
        value_dim: int,
        num_heads: int,
        head_dim: int,
        head_value_dim: int,
        out_dim: int,
        bias: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.dropout = dropout
        self.query = nn.Linear(query_dim, num_heads * head_dim, bias)
        self.key = nn.Linear(key_dim, num_heads * head_dim, bias)
        self.value = nn.Linear(value_dim, num_heads * head_value_dim, bias)
        self.attention_output = nn.Linear(num_heads * head_value_dim, out_dim, bias)

    def forward(  # type: ignore[no-untyped-def]
        self, query_bte, value_bse, key_bse=None, mask_bts=None, is_causal: bool = False, return_scores: bool = False
    ):
        key_bse = value_bse if key_bse is None else key_bse
        q, k, v = (self.heads(p(x)) for p, x in ((self.query, query_bte), (self.key, key_bse), (self.value, value_bse)))
        if mask_bts is not None:
            mask_bts = mask_bts.unsqueeze(-3)
            if is_causal:
                mask_bts = mask_bts & torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool, device=q.device).tril()
        if return_scores:
            y, scores = self.attend(q, k, v, mask_bts, is_causal)
            return self.attention_output(y.transpose(1, 2).flatten(2)), scores
        dropout = self.dropout if self.training else 0.0
        causal = is_causal and mask_bts is None
        y = F.scaled_dot_product_attention(q, k, v, mask_bts, dropout, is_causal=causal)
        return self.attention_output(y.transpose(1, 2).flatten(2))

    def heads(self, x_btf: Tensor) -> Tensor:
        """(batch, steps, heads * dim) -> (batch, heads, steps, dim)."""
        return x_btf.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
