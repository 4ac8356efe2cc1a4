"""The states of metrics that are means or sums: they add up on the device, and no update waits for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from spec_compiler.runtime.loss_functions import Values, same_rank
from spec_compiler.runtime.losses import apply_mask


class Accumulator(Protocol):
    """A metric's state."""

    def update(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None, mask: Tensor | None) -> None:
        """Add a batch."""

    def result(self) -> Tensor:
        """The metric over all batches, on the device."""

    def reset(self) -> None:
        """Forget all batches."""


class Mean:
    """Mean of `values(y_true, y_pred)` over samples; the values of one sample are averaged first.

    Half-precision predictions are cast to float32. `masked` says whether a mask of the predictions counts, and `valid`
    which targets do; Keras asks the latter only where there are weights. `finish` turns the mean into the result.
    """

    def __init__(
        self,
        values: Values,
        masked: bool = True,
        valid: Values | None = None,
        finish: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.values, self.masked, self.valid, self.finish = values, masked, valid, finish
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        self._total: Tensor | None = None
        self._weights: Tensor | None = None
        self._samples = 0

    def update(
        self,
        y_true: Tensor,
        y_pred: Tensor,
        sample_weight: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> None:
        """Add a batch."""
        if y_pred.dtype is not torch.float32 and y_pred.dtype in (torch.bfloat16, torch.float16):
            y_pred = y_pred.float()
        values = self.values(y_true, y_pred)
        total = self._total
        if total is None:
            total = self._total = torch.zeros((), dtype=torch.float32, device=values.device)
        if sample_weight is None and (mask is None or not self.masked):
            elements = values.numel()
            samples = elements if values.dim() == 1 else values.size(0) if values.dim() else 1
            total.add_(values.sum(), alpha=1 if samples == elements else samples / elements)
            self._samples += samples
            return
        if mask is not None and self.masked:
            sample_weight = apply_mask(sample_weight, mask, torch.float32, "sum")
        if self.valid is not None:
            sample_weight = apply_mask(sample_weight, self.valid(y_true, y_pred), torch.float32, "sum")
        self._add_weighted(total, values.float(), sample_weight.float())  # type: ignore[union-attr]

    def _add_weighted(self, total: Tensor, values: Tensor, weight: Tensor) -> None:
        values, weight = same_rank(values, weight)
        if values.dim() > weight.dim():
            values = values.mean(tuple(range(weight.dim(), values.dim())))
        weight = weight.expand(values.shape)
        each = values.shape[0] / values.numel() if values.dim() else 1.0
        total.add_((values * weight).sum(), alpha=each)
        if self._weights is None:
            self._weights = torch.zeros((), dtype=torch.float32, device=values.device)
        self._weights.add_(weight.sum(), alpha=each)

    def result(self) -> Tensor:
        """The mean so far; 0 if nothing has been counted."""
        if self._total is None:
            mean = torch.zeros(())
        elif self._weights is None:
            mean = self._total / self._samples
        else:
            weights = self._weights + self._samples
            mean = torch.where(weights == 0, 0.0, self._total / weights)
        return mean if self.finish is None else self.finish(mean)


class Sum:
    """Sum of values, each times its weight."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        self._total = torch.zeros(())

    def update(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None, mask: Tensor | None) -> None:
        """Add a batch of values, given as `y_true`."""
        values = y_true.float()
        if sample_weight is not None:
            values, sample_weight = same_rank(values, sample_weight.float())
            if values.dim() > sample_weight.dim():
                values = values.sum(tuple(range(sample_weight.dim(), values.dim())))
            values = values * sample_weight
        self._total = self._total.to(values.device) + values.sum()

    def result(self) -> Tensor:
        """The sum so far."""
        return self._total
