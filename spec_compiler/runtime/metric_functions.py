"""What metrics are means of, where it is not a loss: (y_true, y_pred) -> one value, or one truth value, a sample."""

from __future__ import annotations

import torch
from torch import Tensor

from spec_compiler.runtime import loss_functions as losses
from spec_compiler.runtime.loss_functions import same_rank


def _same_shape(y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
    if y_true.dim() != y_pred.dim():
        y_true, y_pred = same_rank(y_true, y_pred)
    if y_true.shape != y_pred.shape:
        raise ValueError("their shapes must be equal")
    return y_true, y_pred


def accuracy(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Whether the two are equal."""
    y_true, y_pred = _same_shape(y_true, y_pred)
    return y_true == y_pred


def binary_accuracy(y_true: Tensor, y_pred: Tensor, threshold: float = 0.5) -> Tensor:
    """Whether `y_pred > threshold` is `y_true`, 0 or 1."""
    y_true, y_pred = _same_shape(y_true, y_pred)
    return (y_pred > threshold) == y_true


def categorical_accuracy(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Whether the largest entries of both stand at the same place."""
    return y_true.argmax(-1) == y_pred.argmax(-1)


def _class_numbers(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Class numbers without a last axis of length 1."""
    if y_true.dim() == y_pred.dim() and y_true.shape[-1] == 1:
        y_true = y_true.squeeze(-1)
    if y_true.shape != y_pred.shape[:-1]:
        raise ValueError("class numbers must have the shape of the predictions without the last axis")
    return y_true


def sparse_categorical_accuracy(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Whether the largest prediction stands at `y_true`."""
    if y_true.dim() == 1 and y_pred.dim() == 2:  # the common case, which the comparison checks
        return y_pred.argmax(-1) == y_true
    matches = y_pred.argmax(-1) == _class_numbers(y_true, y_pred)
    return matches.squeeze(-1) if matches.dim() > 1 and matches.shape[-1] == 1 else matches


def top_k_categorical_accuracy(y_true: Tensor, y_pred: Tensor, k: int = 5) -> Tensor:
    """Whether the prediction where `y_true` is largest is among the k largest, or as large as one of them."""
    return _in_top_k(y_true.argmax(-1), y_pred, k)


def sparse_top_k_categorical_accuracy(
    y_true: Tensor, y_pred: Tensor, k: int = 5, from_sorted_ids: bool = False
) -> Tensor:
    """Whether the prediction at `y_true` is among the k largest, or `y_true` among the first k of sorted numbers."""
    y_true = _class_numbers(y_true, y_pred)
    if from_sorted_ids:
        return (y_true.unsqueeze(-1) == y_pred[..., :k]).any(-1)
    return _in_top_k(y_true.to(torch.int64), y_pred, k)


def _in_top_k(y_true: Tensor, y_pred: Tensor, k: int) -> Tensor:
    smallest = y_pred.topk(min(k, y_pred.shape[-1]), dim=-1).values[..., -1]
    return y_pred.gather(-1, y_true.unsqueeze(-1)).squeeze(-1) >= smallest


def cosine_similarity(y_true: Tensor, y_pred: Tensor, axis: int = -1) -> Tensor:
    """Cosine of the angle between target and prediction: the loss with its sign turned."""
    return -losses.cosine_similarity(y_true, y_pred, axis)


def squared_error(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """`(y_pred - y_true)²`"""
    y_true, y_pred = _same_shape(y_true.to(torch.float32), y_pred.to(torch.float32))
    return torch.square(y_pred - y_true)


def is_not(ignored: int, axis: int, y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Whether each target, a class number, is another than `ignored`."""
    valid = y_true != ignored
    return valid.squeeze(axis) if valid.dim() == y_pred.dim() else valid
