"""Losses at work: a spec's arithmetic, its reduction, and all losses of a compiled model together.

The semantics of weights, masks and reductions are Keras 3's (`keras.losses.Loss`, `Trainer.compile`).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from spec_compiler.diagnostics import DATA_MISMATCH, MISSING_LOSS, Diagnostic, SpecError
from spec_compiler.runtime import loss_functions as functions
from spec_compiler.runtime.arguments import Structure, bad, shape_kind, spread
from spec_compiler.runtime.loss_functions import Values, same_rank
from spec_compiler.specs import losses as specs
from spec_compiler.specs import public

FUNCTIONS: dict[type[specs.LossSpec], Callable[..., Tensor]] = {
    specs.MeanSquaredError: functions.mean_squared_error,
    specs.MeanAbsoluteError: functions.mean_absolute_error,
    specs.MeanAbsolutePercentageError: functions.mean_absolute_percentage_error,
    specs.MeanSquaredLogarithmicError: functions.mean_squared_logarithmic_error,
    specs.CosineSimilarity: functions.cosine_similarity,
    specs.Huber: functions.huber,
    specs.LogCosh: functions.log_cosh,
    specs.Hinge: functions.hinge,
    specs.SquaredHinge: functions.squared_hinge,
    specs.CategoricalHinge: functions.categorical_hinge,
    specs.KLDivergence: functions.kl_divergence,
    specs.Poisson: functions.poisson,
    specs.BinaryCrossentropy: functions.binary_crossentropy,
    specs.BinaryFocalCrossentropy: functions.binary_focal_crossentropy,
    specs.CategoricalCrossentropy: functions.categorical_crossentropy,
    specs.CategoricalFocalCrossentropy: functions.categorical_focal_crossentropy,
    specs.SparseCategoricalCrossentropy: functions.sparse_categorical_crossentropy,
    specs.CategoricalGeneralizedCrossEntropy: functions.categorical_generalized_cross_entropy,
    specs.Dice: functions.dice,
    specs.Tversky: functions.tversky,
}

FUSED: dict[type[specs.LossSpec], Callable[..., Tensor]] = {
    specs.MeanSquaredError: functions.fused_mean_squared_error,
    specs.MeanAbsoluteError: functions.fused_mean_absolute_error,
    specs.BinaryCrossentropy: functions.fused_binary_crossentropy,
    specs.SparseCategoricalCrossentropy: functions.fused_sparse_categorical_crossentropy,
}
"""The mean over all samples at once, for the common case without weights and masks."""

_STATED_BY: dict[Any, type[specs.LossSpec]] = {function: kind for kind, function in FUNCTIONS.items()}

# Their targets are class numbers: a float's 24 bits would not hold every one.
TAKE_CLASS_NUMBERS = (specs.SparseCategoricalCrossentropy, specs.CategoricalGeneralizedCrossEntropy)
_MEANS = ("sum_over_batch_size", "mean", "mean_with_sample_weight")
_GENERAL = {"name", "reduction", "dtype"}

Term = Callable[[Tensor, Tensor, Tensor | None, Tensor | None], Tensor]
"""(y_true, y_pred, sample_weight, mask) -> the reduced loss."""


def loss_function(spec: specs.LossSpec) -> Values:
    """The loss of each sample or element, `(y_true, y_pred) -> values`, not reduced.

    Targets and predictions are cast to the loss's dtype, and an axis of length 1 is added or removed where only one of
    them has it. Raises ValueError when their shapes do not fit.
    """
    return _prepared(_bound(FUNCTIONS[type(spec)], spec), spec)


def _bound(function: Callable[..., Tensor], spec: specs.LossSpec) -> Values:
    own = {name: getattr(spec, name) for name in type(spec).model_fields if name not in _GENERAL}
    return functools.partial(function, **own) if own else function


def _prepared(function: Values, loss: specs.Loss | None) -> Values:
    dtype = getattr(torch, loss.dtype if loss is not None else "float32")
    keep_targets = isinstance(loss, TAKE_CLASS_NUMBERS)
    elementwise = type(loss) in FUNCTIONS and not keep_targets

    def prepared(y_true: Tensor, y_pred: Tensor) -> Tensor:
        if y_pred.dtype is not dtype:
            y_pred = y_pred.to(dtype)
        if not keep_targets and y_true.dtype is not dtype:
            y_true = y_true.to(dtype)
        if y_true.dim() != y_pred.dim():
            y_true, y_pred = same_rank(y_true, y_pred)
        if elementwise and y_true.shape != y_pred.shape:
            # Keras lets them broadcast: (32, 1) against (32, 10) trains, on nonsense.
            raise ValueError("their shapes must be equal")
        return function(y_true, y_pred)

    return prepared


def reduce(values: Tensor, sample_weight: Tensor | None, mask: Tensor | None, reduction: str | None) -> Tensor:
    """One number from the `values` of a loss, each multiplied by its weight; masked ones count nothing.

    With a mask, `sum_over_batch_size` and `mean` divide by the number of values that are not masked. Weights of rank 1
    belong to whole samples. `none` and None give the weighted values themselves.
    """
    if mask is not None:
        sample_weight = apply_mask(sample_weight, mask, values.dtype, reduction)
    if sample_weight is not None:
        sample_weight = sample_weight.to(values.dtype)
        values, sample_weight = same_rank(values, sample_weight)
        sample_weight = _like(sample_weight, values)
        values = values * sample_weight
    if reduction is None or reduction == "none" or values.dim() == 0:
        return values
    if reduction == "sum":
        return values.sum()
    if reduction == "mean_with_sample_weight" and sample_weight is not None:
        return functions.quotient(values.sum(), sample_weight.sum())
    return values.mean()


def apply_mask(sample_weight: Tensor | None, mask: Tensor, dtype: torch.dtype, reduction: str | None) -> Tensor:
    """Sample weights that leave masked values out: 0 there, and elsewhere scaled so that a mean over all is right."""
    weight = mask.to(dtype)
    if reduction in ("mean", "sum_over_batch_size"):
        weight = weight * functions.quotient(
            torch.full((), mask.numel(), dtype=dtype, device=mask.device), weight.sum()
        )
    if sample_weight is None:
        return weight
    weight, sample_weight = same_rank(weight, sample_weight.to(dtype))
    return _like(sample_weight, weight) * weight


def _like(weight: Tensor, values: Tensor) -> Tensor:
    """Weights of samples as weights of all their values."""
    missing = values.dim() - weight.dim()
    if not weight.dim() or missing <= 0:
        return weight
    return weight.reshape(*weight.shape, *[1] * missing).expand(values.shape)


def compute(loss: specs.Loss, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Tensor:
    """The reduced loss of arrays or tensors; what calling a loss object does."""
    y_true, y_pred = torch.as_tensor(y_true), torch.as_tensor(y_pred)
    weight = None if sample_weight is None else torch.as_tensor(sample_weight)
    return _term(loss)(y_true, y_pred, weight, None)


def _term(loss: Any) -> Term:
    """The reduced loss of one output, everything that does not depend on the batch settled."""
    if type(loss) in FUNCTIONS:
        values = loss_function(loss)
        ignored = getattr(loss, "ignore_class", None)
        fused = FUSED.get(type(loss)) if loss.reduction in _MEANS and ignored is None else None
        whole = _prepared(_bound(fused, loss), loss) if fused is not None else None
        reduction, axis = loss.reduction, getattr(loss, "axis", -1)
    else:
        values = _prepared(loss.call, loss) if isinstance(loss, specs.Loss) else _prepared(loss, None)
        reduction = loss.reduction if isinstance(loss, specs.Loss) else "sum_over_batch_size"
        ignored = whole = axis = None

    def term(y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None, mask: Tensor | None) -> Tensor:
        if whole is not None and sample_weight is None and mask is None:
            return whole(y_true, y_pred)
        each = values(y_true, y_pred)
        if ignored is not None:
            valid = y_true != ignored
            if valid.dim() == y_pred.dim():
                valid = valid.squeeze(axis)
            mask = valid if mask is None else mask & valid
        return reduce(each, sample_weight, mask, reduction)

    return term


_CROSSENTROPY: dict[str, type[specs.LossSpec]] = {
    "binary": specs.BinaryCrossentropy,
    "sparse": specs.SparseCategoricalCrossentropy,
    "categorical": specs.CategoricalCrossentropy,
}


def _crossentropy() -> Term:
    """The cross-entropy that fits the shapes of the first batch: what Keras's `crossentropy` means."""
    chosen: Term | None = None

    def term(y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None, mask: Tensor | None) -> Tensor:
        nonlocal chosen
        if chosen is None:
            chosen = _term(_CROSSENTROPY[shape_kind(y_true, y_pred)]())
        return chosen(y_true, y_pred, sample_weight, mask)

    return term


def _interpret(given: Any) -> Term:
    """The term that one entry of `compile(loss=...)` stands for: a name, a dict, an object, a class or a function."""
    if isinstance(given, str) and given.lower() in ("crossentropy", "ce"):
        return _crossentropy()
    given = _STATED_BY.get(given, given) if callable(given) else given
    if isinstance(given, type) and issubclass(given, specs.Loss):
        given = given()
    if isinstance(given, torch.nn.Module) and type(given).__module__.startswith("torch.nn."):
        raise bad(
            "loss",
            f"torch's {type(given).__name__} takes (prediction, target), and a loss here (y_true, y_pred)",
            f"give lambda y_true, y_pred: {type(given).__name__}(...)(y_pred, y_true), or one of spec_compiler.losses",
        )
    loss = given if callable(given) else public.get("loss", given, "loss")
    if isinstance(loss, specs.Loss) and loss.reduction in (None, "none"):
        raise bad("loss", f"{type(loss).__name__} has no reduction, but training needs one number", "leave it out")
    return _term(loss)


class _Part(NamedTuple):
    output: int
    term: Term
    weight: float | None
    name: str


class CompiledLoss:
    """All losses of a model: `(y_true, y_pred, sample_weight, mask) -> (total, parts)`, every choice made beforehand.

    Arguments: `loss` and `loss_weights` as `compile` takes them (a name, an object, a function; a list or a mapping by
    output name of them; nested like the outputs), and `outputs`, the names of the model's outputs in the structure the
    model returns. A list where one output stands gives it several losses. Weights left out are 1.

    The call takes one tensor an output, in the order of `outputs`; `sample_weight` and `mask` may be None, whole or for
    an output. `parts` are the losses before weighting, named by `names`; both are empty where there is but one loss.
    Raises SpecError when the arguments do not fit the outputs, or a batch does not fit its loss.
    """

    def __init__(self, loss: Any, loss_weights: Any = None, outputs: Structure = "output") -> None:
        self._parts: list[_Part] = []
        weights = [entry.value for entry in spread("loss_weights", None, loss_weights, outputs)]
        entries = spread("loss", "loss", self._single(loss, outputs), outputs)
        for index, (entry, weight) in enumerate(zip(entries, weights, strict=True)):
            self._add(index, entry.value, weight, _name(entry.output, entry.path))
        if not self._parts:
            raise SpecError(Diagnostic(MISSING_LOSS, "no output has a loss", help="give compile() a loss, e.g. 'mse'"))
        self.output_names = tuple(entry.output for entry in entries)
        covered = {part.output for part in self._parts}
        self.wanted = tuple(index in covered for index in range(len(entries)))
        """Which outputs have a loss, and so need a target."""
        several = len(self._parts) > 1
        self.names: tuple[str, ...] = tuple(f"{part.name}_loss" for part in self._parts) if several else ()
        """What the parts are called in logs: `digit_loss`."""

    @staticmethod
    def _single(loss: Any, outputs: Structure) -> Any:
        # compile(loss=["mse"]) for a model that returns one tensor.
        return loss[0] if isinstance(outputs, str) and isinstance(loss, (list, tuple)) and len(loss) == 1 else loss

    def _add(self, output: int, given: Any, weight: Any, name: str) -> None:
        several = list(given) if isinstance(given, (list, tuple)) else [given]
        weights = list(weight) if isinstance(weight, (list, tuple)) else [weight] * len(several)
        if len(weights) != len(several):
            raise bad("loss_weights", f"{len(weights)} weights for the {len(several)} losses of output '{name}'")
        for one, its_weight in zip(several, weights, strict=True):
            if its_weight is not None and (isinstance(its_weight, bool) or not isinstance(its_weight, (int, float))):
                raise bad("loss_weights", f"expected a number for output '{name}', got {its_weight!r}")
            if one is not None:
                taken = {part.name for part in self._parts}
                free = next(n for n in (name, *(f"{name}_{i}" for i in range(1, len(taken) + 2))) if n not in taken)
                self._parts.append(_Part(output, _interpret(one), its_weight, free))

    def __call__(
        self,
        y_true: Sequence[Tensor | None],
        y_pred: Sequence[Tensor],
        sample_weight: Sequence[Tensor | None] | None = None,
        mask: Sequence[Tensor | None] | None = None,
    ) -> tuple[Tensor, Sequence[Tensor]]:
        values = []
        for part in self._parts:
            i = part.output
            target, weight = y_true[i], sample_weight[i] if sample_weight is not None else None
            if target is None:
                raise self._mismatch(i, "has a loss, but no target was given")
            try:
                values.append(part.term(target, y_pred[i], weight, mask[i] if mask is not None else None))
            except (RuntimeError, IndexError, ValueError) as error:
                if isinstance(error, torch.OutOfMemoryError):
                    raise
                said = _class_out_of_range(error, y_pred[i]) or f"{_shapes(target, y_pred[i], weight)}: {error}"
                raise self._mismatch(i, said) from error
        if len(values) == 1:
            weight_of_all = self._parts[0].weight
            return (values[0] if weight_of_all is None else values[0] * weight_of_all), ()
        weighted = [v if p.weight is None else v * p.weight for p, v in zip(self._parts, values, strict=True)]
        total = weighted[0]
        for value in weighted[1:]:
            total = total + value
        return total, values

    def _mismatch(self, output: int, message: str) -> SpecError:
        return SpecError(Diagnostic(DATA_MISMATCH, f"output '{self.output_names[output]}' {message}"))


def _class_out_of_range(error: Exception, y_pred: Tensor) -> str | None:
    """torch's "Target 7 is out of bounds" in words that say what bounds."""
    found = re.fullmatch(r"Target (-?\d+) is out of bounds\.?", str(error))
    classes = y_pred.shape[-1]
    return found and f"has {classes} classes, numbered from 0 to {classes - 1}, and its target holds {found[1]}"


def _name(output: str, path: tuple[str | int, ...]) -> str:
    """Keras's name for the loss at `path`: keys as they are, a last position by the output's name."""
    if not path or isinstance(path[-1], int):
        path = (*path[:-1], output)
    return "/".join(map(str, path))


def _shapes(y_true: Tensor, y_pred: Tensor, weight: Tensor | None) -> str:
    weighted = "" if weight is None else f", weights of shape {tuple(weight.shape)}"
    return f"cannot be compared with its target: predictions of shape {tuple(y_pred.shape)}, " + (
        f"targets of shape {tuple(y_true.shape)}{weighted}"
    )
