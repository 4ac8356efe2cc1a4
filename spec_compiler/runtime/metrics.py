"""Metrics at work: the state of each, and all metrics of a compiled model together.

What is counted, weighted and masked is as in Keras 3 (`keras.metrics.Metric`, `Trainer.compile`). No update waits for
the device; `CompiledMetrics.result` does, once.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from spec_compiler.diagnostics import DATA_MISMATCH, Diagnostic, SpecError
from spec_compiler.runtime import loss_functions as losses
from spec_compiler.runtime import metric_functions as functions
from spec_compiler.runtime.arguments import Structure, bad, shape_kind, spread
from spec_compiler.runtime.confusion import AreaUnderCurve, Counts, Ratio
from spec_compiler.runtime.means import Accumulator, Mean, Sum
from spec_compiler.specs import metrics as specs
from spec_compiler.specs import public
from spec_compiler.specs.registry import snake_case

FUNCTIONS: dict[type[specs.MetricSpec], Callable[..., Tensor]] = {
    specs.Accuracy: functions.accuracy,
    specs.BinaryAccuracy: functions.binary_accuracy,
    specs.CategoricalAccuracy: functions.categorical_accuracy,
    specs.SparseCategoricalAccuracy: functions.sparse_categorical_accuracy,
    specs.TopKCategoricalAccuracy: functions.top_k_categorical_accuracy,
    specs.SparseTopKCategoricalAccuracy: functions.sparse_top_k_categorical_accuracy,
    specs.CosineSimilarity: functions.cosine_similarity,
    specs.RootMeanSquaredError: functions.squared_error,
    specs.MeanSquaredError: losses.mean_squared_error,
    specs.MeanAbsoluteError: losses.mean_absolute_error,
    specs.MeanAbsolutePercentageError: losses.mean_absolute_percentage_error,
    specs.MeanSquaredLogarithmicError: losses.mean_squared_logarithmic_error,
    specs.LogCoshError: losses.log_cosh,
    specs.Hinge: losses.hinge,
    specs.SquaredHinge: losses.squared_hinge,
    specs.CategoricalHinge: losses.categorical_hinge,
    specs.KLDivergence: losses.kl_divergence,
    specs.Poisson: losses.poisson,
    specs.BinaryCrossentropy: losses.binary_crossentropy,
    specs.CategoricalCrossentropy: losses.categorical_crossentropy,
    specs.SparseCategoricalCrossentropy: losses.sparse_categorical_crossentropy,
}
"""What a metric is the mean of."""

_STATED_BY: dict[Any, type[specs.MetricSpec]] = {function: kind for kind, function in FUNCTIONS.items()}

_COUNTS = {
    specs.TruePositives: ("tp",),
    specs.TrueNegatives: ("tn",),
    specs.FalsePositives: ("fp",),
    specs.FalseNegatives: ("fn",),
}
_RATIOS = {specs.Precision: ("tp", "fp"), specs.Recall: ("tp", "fn")}
_GENERAL = {"name", "dtype"}


class _Own:
    """A user's object with `update_state`, `result` and `reset_state`."""

    def __init__(self, metric: Any) -> None:
        self.metric = metric

    def update(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None, mask: Tensor | None) -> None:
        self.metric.update_state(y_true, y_pred, sample_weight)

    def result(self) -> Tensor:
        return torch.as_tensor(self.metric.result())

    def reset(self) -> None:
        self.metric.reset_state()


class _Standalone:
    """A metric object used outside of a model: arrays in, a tensor out."""

    def __init__(self, accumulator: Accumulator, of_values: bool) -> None:
        self.accumulator, self.of_values = accumulator, of_values

    @torch.no_grad()
    def update_arrays(self, y_true: Any, y_pred: Any, sample_weight: Any) -> None:
        if self.of_values and y_pred is not None:
            sample_weight, y_pred = y_pred, None  # update_state(values, sample_weight)
        target = torch.as_tensor(y_true)
        weight = None if sample_weight is None else torch.as_tensor(sample_weight)
        self.accumulator.update(target, target if y_pred is None else torch.as_tensor(y_pred), weight, None)

    def result(self) -> Tensor:
        return self.accumulator.result()

    def reset(self) -> None:
        self.accumulator.reset()


def make_metric(spec: specs.MetricSpec) -> _Standalone:
    """The state of a metric used on its own."""
    of_values = isinstance(spec, (specs.Mean, specs.Sum))
    return _Standalone(accumulator(spec), of_values)


def accumulator(spec: specs.MetricSpec) -> Accumulator:
    """A new state for the metric that `spec` states."""
    kind = type(spec)
    if kind in FUNCTIONS:
        own = {name: getattr(spec, name) for name in kind.model_fields if name not in _GENERAL}
        values = functools.partial(FUNCTIONS[kind], **own) if own else FUNCTIONS[kind]
        ignored = own.get("ignore_class")
        root = kind is specs.RootMeanSquaredError
        return Mean(
            values,
            masked=not root,  # Keras forgets the mask here
            valid=None if ignored is None else functools.partial(functions.is_not, ignored, own["axis"]),
            finish=torch.sqrt if root else None,
        )
    if kind in _COUNTS:
        return Counts(spec.thresholds, _COUNTS[kind])
    if kind in _RATIOS:
        return Ratio(spec, _RATIOS[kind])
    if isinstance(spec, specs.AUC):
        return AreaUnderCurve(spec)
    if isinstance(spec, specs.Mean):
        return Mean(lambda values, _: values.float())
    if isinstance(spec, specs.Sum):
        return Sum()
    raise bad("metrics", f"{kind.__name__} cannot be computed")


_ACCURACIES = {
    "binary": specs.BinaryAccuracy,
    "sparse": specs.SparseCategoricalAccuracy,
    "categorical": specs.CategoricalAccuracy,
}


class _ChosenAccuracy:
    """The accuracy that fits the shapes of the first batch: what Keras's `accuracy` means."""

    def __init__(self) -> None:
        self._chosen: Accumulator | None = None

    def update(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None, mask: Tensor | None) -> None:
        if self._chosen is None:
            self._chosen = accumulator(_ACCURACIES[shape_kind(y_true, y_pred)]())
        # From here on, straight to it.
        self.update = self._chosen.update  # type: ignore[method-assign]
        self._chosen.update(y_true, y_pred, sample_weight, mask)

    def result(self) -> Tensor:
        return torch.zeros(()) if self._chosen is None else self._chosen.result()

    def reset(self) -> None:
        if self._chosen is not None:
            self._chosen.reset()


def _interpret(given: Any, argument: str) -> tuple[str, Accumulator, specs.Direction | None]:
    """Name, state and direction of what one entry stands for: a name, a dict, an object, a class or a function."""
    if isinstance(given, str) and given.lower() in ("accuracy", "acc"):
        return given, _ChosenAccuracy(), "up"
    metric = given() if isinstance(given, type) else given
    if callable(metric) and metric in _STATED_BY:
        return snake_case(metric.__name__), accumulator(_STATED_BY[metric]()), _STATED_BY[metric].direction
    if isinstance(metric, (str, dict)):
        metric = public.get("metric", metric, argument)
    if isinstance(metric, (specs.Mean, specs.Sum)):
        raise bad(argument, f"{type(metric).__name__} takes values, not targets and predictions")
    name = getattr(metric, "name", None) or snake_case(getattr(metric, "__name__", type(metric).__name__))
    direction = getattr(metric, "direction", None)
    if isinstance(metric, specs.MetricSpec):
        return given if isinstance(given, str) else name, accumulator(metric), direction
    if all(hasattr(metric, method) for method in ("update_state", "result", "reset_state")):
        return name, _Own(metric), direction
    if callable(metric):
        return name, Mean(metric), direction
    public.get("metric", metric, argument)
    raise bad(argument, f"expected a metric, got {type(metric).__name__}")


class _Watched(NamedTuple):
    output: int
    weighted: bool
    name: str
    state: Accumulator
    direction: specs.Direction | None


class CompiledMetrics:
    """All metrics of a model: `update(y_true, y_pred, sample_weight, mask)`, `result()`, `reset()`.

    Arguments: `metrics` and `weighted_metrics` as `compile` takes them (a list; for several outputs, a list with an
    entry an output or a mapping by output name), and `outputs`, the names of the model's outputs in the structure the
    model returns. Only `weighted_metrics` see sample weights; masks count for both. `names` are the names in logs, as
    Keras makes them: `accuracy`, `digit_accuracy` of several outputs, and a number or `weighted_` against repetition.

    Raises SpecError when the arguments do not fit the outputs, or a batch does not fit its metric.
    """

    def __init__(self, metrics: Any = None, weighted_metrics: Any = None, outputs: Structure = "output") -> None:
        self._watched: list[_Watched] = []
        self.output_names: tuple[str, ...] = ()
        self._counters: dict[str, int] = {}
        self._take(metrics, outputs, weighted=False)
        self._take(weighted_metrics, outputs, weighted=True)
        self.names = tuple(watched.name for watched in self._watched)
        self.directions = {watched.name: watched.direction for watched in self._watched}
        """Whether more (`up`) or less (`down`) of a metric is better, by its name; None where that is not known."""

    def _take(self, given: Any, outputs: Structure, weighted: bool) -> None:
        argument = "weighted_metrics" if weighted else "metrics"
        single = isinstance(outputs, str) or len(outputs) == 1
        if isinstance(given, (list, tuple)) and not given:
            given = None
        if single and isinstance(given, (list, tuple)):
            # All of them are the one output's, however they are nested.
            entries = spread(argument, "metric", None, outputs)
            entries = [entries[0]._replace(value=list(_flatten(given)))]
        else:
            entries = spread(argument, "metric", given, outputs)
        self.output_names = tuple(entry.output for entry in entries)
        for index, entry in enumerate(entries):
            key = entry.path[-1] if entry.path and isinstance(entry.path[-1], str) else entry.output
            for one in _flatten(entry.value):
                if one is not None:
                    name, state, direction = _interpret(one, argument)
                    full = self._free_name(name, "" if single else f"{key}_", weighted)
                    self._watched.append(_Watched(index, weighted, full, state, direction))

    def _free_name(self, name: str, prefix: str, weighted: bool) -> str:
        """The name in logs: a repeated one gets `weighted_` before it, if it is weighted, or else a number after."""
        counters, full = self._counters, prefix + name
        if weighted and full in counters:
            full = f"{prefix}weighted_{name}"
        seen = counters.get(full, 0)
        counters[full] = seen + 1
        return f"{full}_{seen}" if seen else full

    def update(
        self,
        y_true: Sequence[Tensor | None],
        y_pred: Sequence[Tensor],
        sample_weight: Sequence[Tensor | None] | None = None,
        mask: Sequence[Tensor | None] | None = None,
    ) -> None:
        """Add a batch: one tensor an output, in their order; weights and masks may be None, whole or for an output.

        To be called under `torch.no_grad()`.
        """
        for output, weighted, name, state, _ in self._watched:
            target = y_true[output]
            if target is None:
                raise self._mismatch(name, output, "no target was given")
            try:
                state.update(
                    target,
                    y_pred[output],
                    sample_weight[output] if weighted and sample_weight is not None else None,
                    mask[output] if mask is not None else None,
                )
            except (RuntimeError, IndexError, ValueError) as error:
                if isinstance(error, torch.OutOfMemoryError):
                    raise
                shapes = f"predictions of shape {tuple(y_pred[output].shape)}, targets of shape {tuple(target.shape)}"
                raise self._mismatch(name, output, f"{shapes}: {error}") from error

    def _mismatch(self, name: str, output: int, message: str) -> SpecError:
        where = f"metric '{name}' of output '{self.output_names[output]}'"
        return SpecError(Diagnostic(DATA_MISMATCH, f"{where} cannot be computed: {message}"))

    def reset(self) -> None:
        """Forget all batches."""
        for watched in self._watched:
            watched.state.reset()

    def result(self) -> dict[str, Any]:
        """The metrics over all batches, by name, as numbers (lists, where a metric has several thresholds).

        Here the host waits for the device.
        """
        return {watched.name: watched.state.result().tolist() for watched in self._watched}


def _flatten(given: Any) -> list[Any]:
    if isinstance(given, (list, tuple)):
        return [one for item in given for one in _flatten(item)]
    return [given]
