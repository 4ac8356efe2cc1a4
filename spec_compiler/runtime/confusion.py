"""Metrics from counts of true and false positives and negatives at thresholds: precision, recall, areas under curves.

The counts are weights where there are any. Keras lets no mask count here, and so neither do we.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from spec_compiler.runtime.loss_functions import EPSILON, quotient, same_rank
from spec_compiler.specs import metrics as specs

_LOWEST = -1e10
"""What predictions beyond the `top_k` become."""


class Counts:
    """Sums of `tp`, `fp`, `tn`, `fn`, as named, one a threshold."""

    def __init__(self, thresholds: float | Sequence[float] | None, names: Sequence[str], default: float = 0.5) -> None:
        given = default if thresholds is None else thresholds
        self.thresholds = [given] if isinstance(given, (int, float)) else list(given)
        self.names = tuple(names)
        self._at: Tensor | None = None
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        self.sums: dict[str, Tensor] = {}

    def update(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None, mask: Tensor | None) -> None:
        """Add a batch."""
        positive, scores, weight = _flat(y_true, y_pred, sample_weight, *self.selection())
        if self._at is None or self._at.device != scores.device:
            self._at = torch.tensor(self.thresholds, dtype=torch.float32, device=scores.device)
        self.add(self.count(positive, scores, weight, self._at))

    def selection(self) -> tuple[int | None, int | None]:
        """`top_k` and `class_id`."""
        return None, None

    def count(self, positive: Tensor, scores: Tensor, weight: Tensor | None, at: Tensor) -> dict[str, Tensor]:
        """All four counts of a batch."""
        above = (scores > at.unsqueeze(1)).float()
        p = positive if weight is None else positive * weight
        n = 1.0 - positive if weight is None else (1.0 - positive) * weight
        tp, fp = above @ p, above @ n
        return {"tp": tp, "fp": fp, "tn": n.sum() - fp, "fn": p.sum() - tp}

    def add(self, counts: dict[str, Tensor]) -> None:
        """Add the counts that are kept."""
        for name in self.names:
            self.sums[name] = self.sums[name] + counts[name] if name in self.sums else counts[name]

    def kept(self, name: str) -> Tensor:
        """The count so far."""
        return self.sums.get(name, torch.zeros(len(self.thresholds)))

    def result(self) -> Tensor:
        """The one count that is kept: a number, or one a threshold."""
        return self._one(self.kept(self.names[0]))

    def _one(self, result: Tensor) -> Tensor:
        return result[0] if len(self.thresholds) == 1 else result


class Ratio(Counts):
    """`a / (a + b)` of two counts, 0 where both are 0."""

    def __init__(self, spec: Any, names: Sequence[str]) -> None:
        super().__init__(spec.thresholds, names, default=0.5 if spec.top_k is None else _LOWEST)
        self.spec = spec

    def selection(self) -> tuple[int | None, int | None]:
        return self.spec.top_k, self.spec.class_id

    def result(self) -> Tensor:
        """The ratio: a number, or one a threshold."""
        a, b = (self.kept(name) for name in self.names)
        return self._one(quotient(a, a + b))


class AreaUnderCurve(Counts):
    """Area under the ROC or the precision-recall curve through the counts."""

    def __init__(self, spec: specs.AUC) -> None:
        inner = spec.thresholds
        last = spec.num_thresholds - 1
        self.even = inner is None
        between = [i / last for i in range(1, last)] if inner is None else sorted(inner)
        super().__init__([-EPSILON, *between, 1 + EPSILON], ("tp", "fp", "tn", "fn"))
        self.spec = spec

    def count(self, positive: Tensor, scores: Tensor, weight: Tensor | None, at: Tensor) -> dict[str, Tensor]:
        """All four counts of a batch; with even thresholds in time that does not grow with their number."""
        if self.spec.from_logits:
            scores = torch.sigmoid(scores)
        if not self.even:
            return super().count(positive, scores, weight, at)
        p = positive if weight is None else positive * weight
        n = 1.0 - positive if weight is None else (1.0 - positive) * weight
        buckets = torch.ceil(scores.clamp(0.0, 1.0) * (len(self.thresholds) - 1)).clamp_(min=1.0)
        # A score that is not a number is above no threshold.
        buckets = buckets.nan_to_num_(nan=0.0).to(torch.int64)
        tp, fp = (_sums_from(values, buckets, len(self.thresholds)) for values in (p, n))
        return {"tp": tp, "fp": fp, "tn": n.sum() - fp, "fn": p.sum() - tp}

    def result(self) -> Tensor:
        """The area."""
        tp, fp, tn, fn = (self.kept(name) for name in self.names)
        if self.spec.curve == "PR" and self.spec.summation_method == "interpolation":
            return _interpolated_pr_area(tp, fp, fn)
        recall = quotient(tp, tp + fn)
        x, y = (quotient(fp, fp + tn), recall) if self.spec.curve == "ROC" else (recall, quotient(tp, tp + fp))
        heights = {
            "interpolation": lambda: (y[:-1] + y[1:]) / 2,
            "minoring": lambda: torch.minimum(y[:-1], y[1:]),
            "majoring": lambda: torch.maximum(y[:-1], y[1:]),
        }[self.spec.summation_method]()
        return ((x[:-1] - x[1:]) * heights).sum()


def _flat(
    y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None, top_k: int | None, class_id: int | None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Targets as 0 and 1, scores and weights, each a list of all elements."""
    y_pred, y_true = same_rank(y_pred.float(), y_true.float())
    if y_pred.shape != y_true.shape:
        raise ValueError("their shapes must be equal")
    if top_k is not None:
        chosen = torch.zeros_like(y_pred).scatter_(-1, y_pred.topk(top_k, dim=-1).indices, 1.0)
        y_pred = y_pred * chosen + _LOWEST * (1 - chosen)
    if class_id is not None:
        if y_pred.dim() == 1 or class_id >= y_pred.shape[-1]:
            raise ValueError(f"there is no class {class_id} on the last axis")
        y_true, y_pred = y_true[..., class_id, None], y_pred[..., class_id, None]
    weight = None
    if sample_weight is not None:
        weight = sample_weight.float()
        weight = weight.reshape(*weight.shape, *[1] * (y_pred.dim() - weight.dim())).expand(y_pred.shape).reshape(-1)
    return (y_true.reshape(-1) != 0).float(), y_pred.reshape(-1), weight


def _sums_from(values: Tensor, buckets: Tensor, number: int) -> Tensor:
    """For each bucket from 1 to `number`, the sum of the values in it and above."""
    sums = torch.zeros(number + 1, dtype=values.dtype, device=values.device).index_add_(0, buckets, values)
    return sums.flip(0).cumsum(0).flip(0)[1:]


def _interpolated_pr_area(tp: Tensor, fp: Tensor, fn: Tensor) -> Tensor:
    """Area under the precision-recall curve, interpolated as Davis & Goadrich (2006) do."""
    dtp = tp[:-1] - tp[1:]
    p = tp + fp
    slope = quotient(dtp, (p[:-1] - p[1:]).clamp(min=0))
    intercept = tp[1:] - slope * p[1:]
    both = (p[:-1] > 0) & (p[1:] > 0)
    ratio = torch.where(both, quotient(p[:-1], p[1:].clamp(min=0)), 1.0)
    return quotient(slope * (dtp + intercept * torch.log(ratio)), (tp[1:] + fn[1:]).clamp(min=0)).sum()
