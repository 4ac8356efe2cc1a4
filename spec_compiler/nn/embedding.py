"""Embeddings that torch lacks."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ReversibleEmbedding(nn.Embedding):
    """A table of vectors that also projects vectors back onto its ids: by the table itself where `tied`."""

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        tied: bool = True,
        logit_soft_cap: float | None = None,
        reverse_dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(num_embeddings, embedding_dim)
        self.logit_soft_cap = logit_soft_cap
        self.reverse_dtype = reverse_dtype
        self.reverse_weight = None if tied else nn.Parameter(nn.init.normal_(torch.empty_like(self.weight), std=0.05))

    def forward(self, x: Tensor, reverse: bool = False) -> Tensor:
        if not reverse:
            return super().forward(x)
        weight = self.weight if self.reverse_weight is None else self.reverse_weight
        if self.reverse_dtype is not None:
            x, weight = x.to(self.reverse_dtype), weight.to(self.reverse_dtype)
        logits = F.linear(x, weight)
        return logits if self.logit_soft_cap is None else torch.tanh(logits / self.logit_soft_cap) * self.logit_soft_cap
