"""The arithmetic of the losses: (y_true, y_pred) -> one value a sample (or a timestep, or a pixel), not yet reduced.

Values and gradients are those of Keras 3's functions of the same names on its torch backend. Targets are cast to the
predictions' dtype; `EPSILON` is Keras's, and so are the places where it clips.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

EPSILON = 1e-7

# torch ignores targets of -100 unless told otherwise; here, as any other number that is no class, they are an error.
_NO_CLASS = -(2**31)

Values = Callable[[Tensor, Tensor], Tensor]


def quotient(a: Tensor, b: Tensor) -> Tensor:
    """`a / b`, and 0 where b is 0."""
    return torch.where(b == 0, 0.0, a / torch.where(b == 0, 1.0, b))


def same_rank(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """`a` and `b` with a last axis of length 1 removed from one, or added to the other if that has rank 1."""
    difference = a.dim() - b.dim()
    if difference == 1 and a.shape[-1] == 1:
        return (a, b.unsqueeze(-1)) if b.dim() == 1 else (a.squeeze(-1), b)
    if difference == -1 and b.shape[-1] == 1:
        return (a.unsqueeze(-1), b) if a.dim() == 1 else (a, b.squeeze(-1))
    return a, b


def _alike(y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
    """Targets and predictions in one dtype and rank."""
    if y_true.dtype is not y_pred.dtype:
        y_true = y_true.to(y_pred.dtype)
    return (y_true, y_pred) if y_true.dim() == y_pred.dim() else same_rank(y_true, y_pred)


def _at_least(x: Tensor, low: float) -> Tensor:
    # Not clamp: where x is `low` exactly, maximum halves the gradient, as Keras's does.
    return torch.maximum(x, torch.full((), low, dtype=x.dtype, device=x.device))


def _probabilities(y_pred: Tensor, axis: int) -> Tensor:
    """Predictions that sum to 1 along `axis`, kept away from 0 and 1."""
    return (y_pred / y_pred.sum(axis, keepdim=True)).clamp(EPSILON, 1.0 - EPSILON)


def _smoothed_binary(y_true: Tensor, smoothing: float) -> Tensor:
    return y_true * (1.0 - smoothing) + 0.5 * smoothing if smoothing else y_true


def _smoothed_categorical(y_true: Tensor, smoothing: float) -> Tensor:
    return y_true * (1.0 - smoothing) + smoothing / y_true.shape[-1] if smoothing else y_true


def _mean(values: Tensor, axis: int | tuple[int, ...] | None) -> Tensor:
    return values.mean() if axis is None else values.mean(axis)


def mean_squared_error(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """`mean((y_true - y_pred)²)` over the last axis."""
    y_true, y_pred = _alike(y_true, y_pred)
    return torch.square(y_true - y_pred).mean(-1)


def mean_absolute_error(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """`mean(|y_true - y_pred|)` over the last axis."""
    y_true, y_pred = _alike(y_true, y_pred)
    return (y_true - y_pred).abs().mean(-1)


def mean_absolute_percentage_error(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """`100 · mean(|y_true - y_pred| / max(|y_true|, EPSILON))` over the last axis."""
    y_true, y_pred = _alike(y_true, y_pred)
    return 100.0 * ((y_true - y_pred) / _at_least(y_true.abs(), EPSILON)).abs().mean(-1)


def mean_squared_logarithmic_error(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """`mean((log(y_pred + 1) - log(y_true + 1))²)` over the last axis, both at least EPSILON."""
    y_true, y_pred = _alike(y_true, y_pred)
    logs = torch.log(_at_least(y_pred, EPSILON) + 1.0) - torch.log(_at_least(y_true, EPSILON) + 1.0)
    return torch.square(logs).mean(-1)


def cosine_similarity(y_true: Tensor, y_pred: Tensor, axis: int = -1) -> Tensor:
    """Minus the cosine of the angle between target and prediction along `axis`."""
    y_true, y_pred = _alike(y_true, y_pred)
    return -(_unit(y_true, axis) * _unit(y_pred, axis)).sum(axis)


def _unit(x: Tensor, axis: int) -> Tensor:
    inverse = torch.rsqrt(torch.square(x).sum(axis, keepdim=True))
    return x * torch.minimum(inverse, torch.full((), 1.0 / EPSILON, dtype=x.dtype, device=x.device))


def huber(y_true: Tensor, y_pred: Tensor, delta: float = 1.0) -> Tensor:
    """A parabola within `delta` of the target and a line beyond; mean over the last axis."""
    y_true, y_pred = _alike(y_true, y_pred)
    error = y_pred - y_true
    size = error.abs()
    return torch.where(size <= delta, 0.5 * torch.square(error), delta * size - 0.5 * delta * delta).mean(-1)


def log_cosh(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """`mean(log(cosh(y_pred - y_true)))` over the last axis."""
    y_true, y_pred = _alike(y_true, y_pred)
    error = y_pred - y_true
    return (error + F.softplus(error * -2.0) - 0.6931471805599453).mean(-1)


def _signs(y_true: Tensor) -> Tensor:
    """Targets as -1 and 1, if all are 0 or 1; decided on the device."""
    binary = ((y_true == 0) | (y_true == 1)).all()
    return torch.where(binary, 2.0 * y_true - 1.0, y_true)


def hinge(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """`mean(max(1 - y_true·y_pred, 0))` over the last axis."""
    y_true, y_pred = _alike(y_true, y_pred)
    return _at_least(1.0 - _signs(y_true) * y_pred, 0.0).mean(-1)


def squared_hinge(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """`mean(max(1 - y_true·y_pred, 0)²)` over the last axis."""
    y_true, y_pred = _alike(y_true, y_pred)
    return torch.square(_at_least(1.0 - _signs(y_true) * y_pred, 0.0)).mean(-1)


def categorical_hinge(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """`max(max((1 - y_true)·y_pred) - sum(y_true·y_pred) + 1, 0)` over the last axis."""
    y_true, y_pred = _alike(y_true, y_pred)
    wrong = ((1.0 - y_true) * y_pred).amax(-1)
    return _at_least(wrong - (y_true * y_pred).sum(-1) + 1.0, 0.0)


def kl_divergence(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """`sum(y_true · log(y_true / y_pred))` over the last axis."""
    y_true, y_pred = _alike(y_true, y_pred)
    y_true, y_pred = y_true.clamp(EPSILON, 1), y_pred.clamp(EPSILON, 1)
    return (y_true * torch.log(y_true / y_pred)).sum(-1)


def poisson(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """`mean(y_pred - y_true · log(y_pred + EPSILON))` over the last axis."""
    y_true, y_pred = _alike(y_true, y_pred)
    return (y_pred - y_true * torch.log(y_pred + EPSILON)).mean(-1)


def binary_crossentropy(
    y_true: Tensor,
    y_pred: Tensor,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int | tuple[int, ...] | None = -1,
) -> Tensor:
    """Cross-entropy of 0/1 targets and probabilities or logits, averaged over `axis`."""
    y_true, y_pred = _alike(y_true, y_pred)
    y_true = _smoothed_binary(y_true, label_smoothing)
    return _mean(_bernoulli(y_true, y_pred, from_logits, "none"), axis)


def _bernoulli(y_true: Tensor, y_pred: Tensor, from_logits: bool, reduction: str) -> Tensor:
    _need_equal_shapes(y_true, y_pred)
    if from_logits:
        return F.binary_cross_entropy_with_logits(y_pred, y_true, reduction=reduction)
    p = y_pred.clamp(EPSILON, 1.0 - EPSILON)
    if p.device.type == "cpu" and not p.isnan().any():
        return F.binary_cross_entropy(p, y_true, reduction=reduction)
    # torch's own fails where a prediction is not a number, on a GPU for good: here, that is then the loss.
    values = -torch.lerp(torch.log1p(-p), torch.log(p), y_true)
    return values.mean() if reduction == "mean" else values


def binary_focal_crossentropy(
    y_true: Tensor,
    y_pred: Tensor,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int | tuple[int, ...] | None = -1,
) -> Tensor:
    """Binary cross-entropy times `(1 - p)^gamma`, p the probability given to the true class; mean over `axis`."""
    y_true, y_pred = _alike(y_true, y_pred)
    y_true = _smoothed_binary(y_true, label_smoothing)
    if from_logits:
        y_pred = torch.sigmoid(y_pred)
    of_true = y_true * y_pred + (1 - y_true) * (1 - y_pred)
    values = torch.pow(1.0 - of_true, gamma) * _bernoulli(y_true, y_pred, False, "none")
    if apply_class_balancing:
        values = (y_true * alpha + (1 - y_true) * (1 - alpha)) * values
    return _mean(values, axis)


def categorical_crossentropy(
    y_true: Tensor, y_pred: Tensor, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Tensor:
    """`-sum(y_true · log(p))` over `axis`, p the predicted probabilities."""
    y_true, y_pred = _alike(y_true, y_pred)
    _need_equal_shapes(y_true, y_pred)
    y_true = _smoothed_categorical(y_true, label_smoothing)
    log_p = F.log_softmax(y_pred, axis) if from_logits else torch.log(_probabilities(y_pred, axis))
    return -(y_true * log_p).sum(axis)


def categorical_focal_crossentropy(
    y_true: Tensor,
    y_pred: Tensor,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Tensor:
    """`-sum(alpha · (1 - p)^gamma · y_true · log(p))` over `axis`."""
    y_true, y_pred = _alike(y_true, y_pred)
    y_true = _smoothed_categorical(y_true, label_smoothing)
    p = _probabilities(F.softmax(y_pred, axis) if from_logits else y_pred, axis)
    return (torch.pow(1.0 - p, gamma) * alpha * (-y_true * torch.log(p))).sum(axis)


def sparse_categorical_crossentropy(
    y_true: Tensor, y_pred: Tensor, from_logits: bool = False, ignore_class: int | None = None, axis: int = -1
) -> Tensor:
    """`-log(p[y_true])`, p along `axis` the predicted probabilities; 0 where `y_true` is `ignore_class`."""
    y_true, y_pred = _class_numbers(y_true, y_pred, axis)
    if ignore_class is None:
        return _nll(y_true, y_pred, from_logits, axis, "none")
    valid = y_true != ignore_class
    # As in Keras, what is ignored is replaced before the logarithm, so that it has no gradient, not even NaN.
    y_pred = torch.where(valid.unsqueeze(axis), y_pred, 0.0)
    values = _nll(torch.where(valid, y_true, 0), y_pred, from_logits, axis, "none")
    return torch.where(valid, values, 0.0)


def _class_numbers(y_true: Tensor, y_pred: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Class numbers without the class axis, as int64."""
    if y_true.dtype is torch.int64 and y_true.dim() == 1 and y_pred.dim() == 2 and axis == -1:
        return y_true, y_pred  # the common case, which torch's own kernels check
    if y_true.dim() == y_pred.dim() and y_true.shape[axis] == 1:
        y_true = y_true.squeeze(axis)
    expected = list(y_pred.shape)
    del expected[axis]
    if list(y_true.shape) != expected:
        raise ValueError(
            f"class numbers of shape {_shape(expected)} are needed for predictions of shape {_shape(y_pred.shape)}, "
            f"got {_shape(y_true.shape)}"
        )
    return (y_true if y_true.dtype is torch.int64 else y_true.to(torch.int64)), y_pred


def _nll(y_true: Tensor, y_pred: Tensor, from_logits: bool, axis: int, reduction: str) -> Tensor:
    shape = y_true.shape
    if y_pred.dim() != 2:  # as a list of samples, which torch's kernels do best
        y_pred, y_true, axis = y_pred.movedim(axis, -1).reshape(-1, y_pred.shape[axis]), y_true.reshape(-1), 1
    elif axis in (0, -2):
        y_pred = y_pred.T
    if from_logits:
        values = F.cross_entropy(y_pred, y_true, reduction=reduction, ignore_index=_NO_CLASS)
    else:
        log_p = torch.log(_probabilities(y_pred, 1))
        values = F.nll_loss(log_p, y_true, reduction=reduction, ignore_index=_NO_CLASS)
    return values.reshape(shape) if reduction == "none" and values.dim() != len(shape) else values


def categorical_generalized_cross_entropy(y_true: Tensor, y_pred: Tensor, q: float = 0.5) -> Tensor:
    """`(1 - p^q) / q`, p the probability given to the true class."""
    y_true, y_pred = _class_numbers(y_true, y_pred, -1)
    return (1 - y_pred.gather(-1, y_true.unsqueeze(-1)).squeeze(-1) ** q) / q


def dice(y_true: Tensor, y_pred: Tensor, axis: tuple[int, ...] | None = None) -> Tensor:
    """`1 - 2·sum(y_true·y_pred) / (sum(y_true) + sum(y_pred) + EPSILON)` over `axis` (None: all)."""
    y_true, y_pred = _alike(y_true, y_pred)
    both = (y_true * y_pred).sum(axis)
    return 1 - 2.0 * both / (y_true.sum(axis) + y_pred.sum(axis) + EPSILON)


def tversky(
    y_true: Tensor, y_pred: Tensor, alpha: float = 0.5, beta: float = 0.5, axis: tuple[int, ...] | None = None
) -> Tensor:
    """`1 - tp / (tp + alpha·fp + beta·fn + EPSILON)` over `axis` (None: all)."""
    y_true, y_pred = _alike(y_true, y_pred)
    both = (y_true * y_pred).sum(axis)
    # What Keras weighs with alpha are the targets that were missed, with beta the predictions that miss a target.
    missed, false = ((1 - y_pred) * y_true).sum(axis), (y_pred * (1 - y_true)).sum(axis)
    return 1 - both / (both + missed * alpha + false * beta + EPSILON)


def _need_equal_shapes(y_true: Tensor, y_pred: Tensor) -> None:
    if y_true.shape != y_pred.shape:
        raise ValueError(f"targets of shape {_shape(y_true.shape)}, predictions of shape {_shape(y_pred.shape)}")


def _shape(shape: Sequence[int]) -> str:
    return str(tuple(shape))


def fused_mean_squared_error(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """The mean of `mean_squared_error` in one kernel."""
    y_true, y_pred = _alike(y_true, y_pred)
    return F.mse_loss(y_pred, y_true) if y_true.shape == y_pred.shape else mean_squared_error(y_true, y_pred).mean()


def fused_mean_absolute_error(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """The mean of `mean_absolute_error` in one kernel."""
    y_true, y_pred = _alike(y_true, y_pred)
    return F.l1_loss(y_pred, y_true) if y_true.shape == y_pred.shape else mean_absolute_error(y_true, y_pred).mean()


def fused_binary_crossentropy(
    y_true: Tensor, y_pred: Tensor, from_logits: bool = False, label_smoothing: float = 0.0, axis: object = -1
) -> Tensor:
    """The mean of `binary_crossentropy` in one kernel, whatever the axis."""
    y_true, y_pred = _alike(y_true, y_pred)
    return _bernoulli(_smoothed_binary(y_true, label_smoothing), y_pred, from_logits, "mean")


def fused_sparse_categorical_crossentropy(
    y_true: Tensor, y_pred: Tensor, from_logits: bool = False, ignore_class: None = None, axis: int = -1
) -> Tensor:
    """The mean of `sparse_categorical_crossentropy` without an ignored class, in one kernel."""
    y_true, y_pred = _class_numbers(y_true, y_pred, axis)
    return _nll(y_true, y_pred, from_logits, axis, "mean")
