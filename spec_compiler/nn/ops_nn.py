"""Decoding of label sequences."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def ctc_greedy_decode(
    scores: Tensor, lengths: Tensor, merge_repeated: bool = True, blank: int | None = 0
) -> tuple[Tensor, Tensor]:
    """The likeliest class of each step, repeats merged and blanks left out (Graves et al. 2006).

    (batch, steps, classes) -> labels (1, batch, steps), int32, the rest -1; and the negated sum of the scores,
    (batch, 1). `blank` None: the last class.
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


def ctc_beam_decode(
    scores: Tensor, lengths: Tensor, width: int = 100, paths: int = 1, blank: int | None = 0
) -> tuple[Tensor, Tensor]:
    """The `paths` likeliest labellings, all alignments of each counted together (Graves et al. 2006, prefix search).

    (batch, steps, classes) -> labels (paths, batch, steps), int32, the rest -1; and log-probabilities, (batch, paths).
    At every step the `width` likeliest prefixes are kept. `blank` None: the last class.
    """
    batch, steps, classes = scores.shape
    blank = classes - 1 if blank is None else blank
    labels = scores.new_full((paths, batch, steps), -1, dtype=torch.int32)
    found = scores.new_full((batch, paths), -math.inf)
    for i, (rows, length) in enumerate(zip(scores.log_softmax(-1).tolist(), lengths.tolist(), strict=True)):
        for j, (prefix, score) in enumerate(_beams(rows[:length], blank, width)[:paths]):
            labels[j, i, : len(prefix)] = torch.tensor(prefix, dtype=torch.int32)
            found[i, j] = score
    return labels, found


def _beams(rows: list[list[float]], blank: int, width: int) -> list[tuple[tuple[int, ...], float]]:
    """The likeliest prefixes and their log-probabilities, best first."""
    # Of each prefix: the alignments that end in a blank, and those that end in its last label.
    beams: dict[tuple[int, ...], tuple[float, float]] = {(): (0.0, -math.inf)}
    for row in rows:
        grown: dict[tuple[int, ...], tuple[float, float]] = {}
        for prefix, (after_blank, after_label) in beams.items():
            either = _sum(after_blank, after_label)
            for label, score in enumerate(row):
                if label == blank:
                    _add(grown, prefix, either + score, -math.inf)
                elif prefix and label == prefix[-1]:
                    _add(grown, prefix, -math.inf, after_label + score)
                    _add(grown, (*prefix, label), -math.inf, after_blank + score)
                else:
                    _add(grown, (*prefix, label), -math.inf, either + score)
        beams = dict(sorted(grown.items(), key=lambda beam: _sum(*beam[1]), reverse=True)[:width])
    return sorted(((prefix, _sum(*ends)) for prefix, ends in beams.items()), key=lambda beam: beam[1], reverse=True)


def _add(
    beams: dict[tuple[int, ...], tuple[float, float]], prefix: tuple[int, ...], blank: float, label: float
) -> None:
    before = beams.get(prefix, (-math.inf, -math.inf))
    beams[prefix] = (_sum(before[0], blank), _sum(before[1], label))


def _sum(a: float, b: float) -> float:
    """Logarithm of the sum of two probabilities."""
    most = max(a, b)
    return most if most == -math.inf else most + math.log1p(math.exp(min(a, b) - most))
