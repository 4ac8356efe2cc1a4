"""Decoding of label sequences."""

from __future__ import annotations

import torch
from torch import Tensor


def ctc_greedy_decode(
    scores: Tensor, lengths: Tensor, merge_repeated: bool = True, blank: int | None = 0
) -> tuple[Tensor, Tensor]:
    """The likeliest class of each step, repeats merged and blanks left out (Graves et al. 2006).

    (batch, steps, classes) -> labels (1, batch, steps), int32, the rest -1; and the negated sum of the scores, (batch, 1).
    `blank` None: the last class.
    """
    blank = scores.size(-1) - 1 if blank is None else blank
    best, labels = scores.max(-1)
    place = torch.arange(scores.size(1), device=scores.device)
    behind = place >= lengths.unsqueeze(-1)
    labels = torch.where(behind, blank, labels)
    dropped = labels == blank
    if merge_repeated:
        dropped[:, 1:] |= labels[:, 1:] == labels[:, :-1]
    order = torch.argsort(torch.where(dropped, scores.size(1), place), dim=-1, stable=True)
    labels = torch.where(dropped, -1, labels).gather(-1, order)
    return labels.to(torch.int32).unsqueeze(0), -best.masked_fill(behind, 0.0).sum(1, keepdim=True)
