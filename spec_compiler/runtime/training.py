"""`compile`, `fit`, `evaluate`, `predict`: Keras's training API over a torch module."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from spec_compiler.diagnostics import BAD_TRAINING, MISSING_LOSS, Diagnostic, SpecError
from spec_compiler.ir import Graph, map_values, values_in
from spec_compiler.runtime.arguments import resolve
from spec_compiler.runtime.callbacks import CallbackList, History
from spec_compiler.runtime.data import Batch, Batches, adapt, split
from spec_compiler.runtime.losses import CompiledLoss
from spec_compiler.runtime.metrics import CompiledMetrics
from spec_compiler.runtime.progress import ProgressBar
from spec_compiler.runtime.step import Step, flattener, unflatten
from spec_compiler.specs.model import ModelSpec
from spec_compiler.specs.training import FitSpec, TrainingSpec

if TYPE_CHECKING:
    from spec_compiler.runtime.built import Built


class Trainer:
    """What a Model does beside being one: it is compiled, fitted, evaluated and asked for predictions."""

    spec: ModelSpec
    graph: Graph
    name: str
    stop_training: bool
    history: History

    def _ensure_built(self) -> Built:
        raise NotImplementedError

    def _set_input_shape(self, shape: tuple[int | None, ...]) -> None:
        raise NotImplementedError

    def _start_training(self) -> None:
        self._arguments: dict[str, Any] | None = None
        self._optimizer: Any = None
        self._step: Step | None = None
        self.stop_training = False

    # Compiling

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | str = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """State how the model is trained. https://keras.io/api/models/model_training_apis/#compile-method

        Args:
            optimizer: A name, an object of `spec_compiler.optimizers`, or Keras's serialized dict.
            loss: A name, an object, a function of (y_true, y_pred), or a list or dict of them by output.
            loss_weights: The weight of each output's loss in the total, as a list or dict; None: 1.
            metrics: What is measured, a list; for several outputs a list of lists or a dict.
            weighted_metrics: Like `metrics`, but weighted by sample and class weights.
            run_eagerly: Taken for Keras's sake: the module always runs eagerly unless `jit_compile` is true.
            steps_per_execution: Taken for Keras's sake: it changes no number.
            jit_compile: True runs the module through `torch.compile`; "auto" and False do not.
            auto_scale_loss: Taken for Keras's sake: losses are scaled where the optimizer says so.

        Raises SpecError when an argument is not known, or does not fit the model's outputs.
        """
        self._optimizer = resolve("optimizer", optimizer, "optimizer")
        stated = {"loss": loss, "loss_weights": loss_weights, "metrics": metrics, "weighted_metrics": weighted_metrics}
        self._arguments = {"optimizer": optimizer, **stated}
        self._jit = jit_compile is True
        self._step = None
        self._losses_and_metrics()

    def _losses_and_metrics(self) -> tuple[CompiledLoss | None, CompiledMetrics]:
        assert self._arguments is not None
        a = self._arguments
        names = map_values(lambda v: v.node.layer.name if v.node else v.name, self.graph.outputs)
        loss = None if a["loss"] is None else CompiledLoss(a["loss"], a["loss_weights"], names)
        return loss, CompiledMetrics(a["metrics"], a["weighted_metrics"], names)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile with what `get_compile_config` gave."""
        self.compile(**config)

    def compile_from_spec(self) -> None:
        """Compile with the `training:` section of the model's file. Raises SpecError when it has none."""
        training = self.spec.training
        if training is None:
            help = "add a `training:` section, or call compile()"
            raise SpecError(Diagnostic(BAD_TRAINING, f"model '{self.name}' does not say how to train it", help=help))
        fields = ("loss", "loss_weights", "metrics", "weighted_metrics")
        self.compile(training.optimizer or "rmsprop", **{name: getattr(training, name) for name in fields})

    def get_compile_config(self) -> dict[str, Any] | None:
        """The arguments of `compile` as plain data, Keras's serialized form; None before it was called."""
        from spec_compiler.specs.serialization import plain

        return None if self._arguments is None else {key: plain(value) for key, value in self._arguments.items()}

    @property
    def compiled(self) -> bool:
        """Whether `compile` was called."""
        return self._arguments is not None

    @property
    def optimizer(self) -> Any:
        """The optimizer at work; before the first step its spec. None before `compile`."""
        return self._optimizer

    @property
    def metrics_names(self) -> list[str]:
        """What `evaluate` returns, in its order."""
        loss, metrics = self._losses_and_metrics()
        return ["loss", *(loss.names if loss else ()), *metrics.names]

    def _ready(self, train: bool) -> Step:
        """The step of this compilation, with the weights that train as the layers now say."""
        if self._arguments is None:
            raise SpecError(
                Diagnostic(BAD_TRAINING, f"model '{self.name}' is not compiled", help="call compile() first")
            )
        built = self._ensure_built()
        if self._step is None or self._step.built is not built:
            self._step = Step(built, *self._losses_and_metrics(), compiled=self._jit)
        if train and self._step.loss is None:
            help = "give compile() a loss, e.g. loss='mse'"
            raise SpecError(Diagnostic(MISSING_LOSS, f"model '{self.name}' has no loss to train on", help=help))
        self._step.prepare(self._optimizer, train)
        if train and self._step.optimizer is not None:
            self._optimizer = self._step.optimizer
        return self._step

    # Data

    def _adapt(self, x: Any, y: Any = None, sample_weight: Any = None, **options: Any) -> Batches:
        graph = self.graph
        if graph.inputs[0].shape is None:
            x = self._build_at_first_batch(x)
            graph = self.graph
        device = next((p.device for p in self._ensure_built().module.parameters()), None)
        names = [str(v.node.layer.name if v.node else v.name) for v in values_in(graph.outputs)]
        return adapt(graph.inputs, names, x, y, sample_weight, device=device, **options)

    def _build_at_first_batch(self, x: Any) -> Any:
        """Take the input's shape from the data; what was read of an iterator to know it is put back."""
        first = x
        if not hasattr(x, "shape") and isinstance(x, Iterable) and not isinstance(x, (list, tuple, dict)):
            source = iter(x)
            first = next(source, None)
            x = chain([first], source) if isinstance(x, Iterator) else x
            first = first[0] if isinstance(first, (list, tuple)) else first
        while isinstance(first, (list, tuple, dict)) and first:
            first = next(iter(first.values())) if isinstance(first, dict) else np.asarray(first)
        if first is not None and hasattr(first, "shape") and len(first.shape):
            # Keras makes a column of a row of numbers.
            rest = tuple(first.shape[1:]) or (1,)
            self._set_input_shape((None, *map(int, rest)))
        return x

    # Fitting

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int | str = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: dict[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: Any = 1,
    ) -> History:
        """Train on data. https://keras.io/api/models/model_training_apis/#fit-method

        Args:
            x: Arrays, tensors, lists or dicts of them by input; or a dataset, loader or generator of batches.
            y: Targets, likewise by output; left out where `x` gives them.
            batch_size: Samples a step; None: 32.
            epochs: The epoch to stop at.
            verbose: 0 nothing, 1 a progress bar, 2 a line an epoch; "auto": the bar on a terminal, else nothing.
            callbacks: What watches the training, a list of `Callback`s.
            validation_split: Fraction of the arrays, taken from their end, evaluated after each epoch.
            validation_data: `(x, y)`, `(x, y, sample_weight)` or a loader, evaluated after each epoch.
            shuffle: Whether each epoch sees arrays in a new order.
            class_weight: Weight of each class's samples in the loss.
            sample_weight: Weight of each sample in the loss, (samples,).
            initial_epoch: The epoch to start counting at.
            steps_per_epoch: Steps after which an epoch ends; None: all the data.
            validation_steps: Steps of validation; None: all the data.
            validation_batch_size: Samples a step of validation; None: `batch_size`.
            validation_freq: Epochs between validations, or the epochs to validate after.

        Returns the History: `.history` has a list of numbers for each loss and metric. Raises SpecError when the data
        do not fit the model.
        """
        if validation_split and validation_data is None:
            (x, y, sample_weight), validation_data = split(x, y, sample_weight, validation_split)
        options = {"shuffle": shuffle, "class_weight": class_weight}
        batches = self._adapt(x, y, sample_weight, batch_size=batch_size, **options)
        step = self._ready(train=True)
        held_out = None
        if validation_data is not None:
            held_out = self._validation(validation_data, validation_batch_size or batch_size)
        steps = steps_per_epoch or batches.steps
        watch = self._watch(callbacks, verbose, epochs, steps)
        every = validation_freq if isinstance(validation_freq, (list, tuple)) else None
        self.stop_training = False
        stream = _endless(batches) if steps_per_epoch else None
        watch.on_train_begin()
        try:
            for epoch in range(initial_epoch, epochs):
                watch.on_epoch_begin(epoch)
                logs = self._epoch(step, islice(stream, steps) if stream else batches, watch, epoch)
                due = epoch + 1 in every if every else (epoch + 1) % (validation_freq or 1) == 0
                if held_out is not None and due:
                    found = self._test(step, held_out, validation_steps, watch)
                    logs |= {f"val_{name}": value for name, value in found.items()}
                watch.on_epoch_end(epoch, logs)
                if self.stop_training:
                    break
        except BaseException:
            if self._bar is not None:
                self._bar.close()
            raise
        step.finish()
        step.module.eval()
        watch.on_train_end(logs if initial_epoch < epochs else None)
        return self.history

    def _watch(self, callbacks: Any, verbose: int | str, epochs: int, steps: int | None) -> CallbackList:
        self.history = History()
        given = [] if callbacks is None else callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]
        self._bar = bar = ProgressBar.for_verbose(verbose)
        return CallbackList([self.history, *given, *([bar] if bar else [])], model=self, epochs=epochs, steps=steps)

    def _epoch(self, step: Step, batches: Iterable[Batch], watch: CallbackList, epoch: int) -> dict[str, float]:
        step.reset()
        step.module.train()
        train = step.train
        if watch.watches_batches:
            for i, batch in enumerate(batches):
                watch.on_train_batch_begin(i)
                train(batch)
                watch.on_train_batch_end(i, step.result)
                if self.stop_training:
                    break
        else:
            for batch in batches:
                train(batch)
        logs = dict(sorted(step.result().items()))
        if not np.isfinite(logs.get("loss", 0.0)):
            message = (
                f"the loss is {logs['loss']} in epoch {epoch + 1}: lower the learning rate, or look for NaN in the data"
            )
            warnings.warn(message, RuntimeWarning, stacklevel=3)
        return logs

    def _validation(self, data: Any, batch_size: int | None) -> Batches:
        if isinstance(data, (list, tuple)) and len(data) in (2, 3):
            return self._adapt(*data, batch_size=batch_size)
        return self._adapt(data, batch_size=batch_size)

    def _test(self, step: Step, batches: Batches, steps: int | None, watch: CallbackList) -> dict[str, float]:
        step.reset()
        step.module.eval()
        watch.on_test_begin()
        for i, batch in enumerate(islice(batches, steps)):
            if watch.watches_test_batches:
                watch.on_test_batch_begin(i)
            step.test(batch)
            if watch.watches_test_batches:
                watch.on_test_batch_end(i, step.result)
        logs = step.result()
        watch.on_test_end(logs)
        return logs

    # Evaluating and predicting

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """Losses and metrics over data: the loss, a list of numbers in the order of `metrics_names`, or a dict."""
        batches = self._adapt(x, y, sample_weight, batch_size=batch_size)
        step = self._ready(train=False)
        watch = self._watch(callbacks, verbose, 1, steps or batches.steps)
        logs = self._test(step, batches, steps, watch)
        return logs if return_dict else _numbers(logs)

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """The model's outputs for data, as numpy arrays in the structure the model returns."""
        batches = self._adapt(x, batch_size=batch_size, targets_needed=False)
        module = self._ensure_built().module.eval()
        flatten = flattener(self.graph.outputs)
        watch = self._watch(callbacks, verbose, 1, steps or batches.steps)
        collected: list[list[Tensor]] = []
        watch.on_predict_begin()
        with torch.inference_mode():
            for i, batch in enumerate(islice(batches, steps)):
                if watch.watches_predict_batches:
                    watch.on_predict_batch_begin(i)
                collected.append(flatten(module(*batch.inputs)))
                if watch.watches_predict_batches:
                    watch.on_predict_batch_end(i, {"outputs": collected[-1]})
        watch.on_predict_end()
        outputs = [torch.cat(parts).cpu().numpy() for parts in zip(*collected, strict=True)]
        return unflatten(self.graph.outputs, iter(outputs))

    def _compute(self, x: Any, training: bool) -> Any:
        batches = self._adapt(x, batch_size=2**31, targets_needed=False)
        module = self._ensure_built().module.train(training)
        (batch,) = batches
        result = module(*batch.inputs)
        module.eval()
        return result

    # One batch

    def train_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, class_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """One step on one batch; its losses and metrics, as `evaluate` returns them."""
        (batch,) = self._adapt(x, y, sample_weight, batch_size=2**31, class_weight=class_weight)
        step = self._ready(train=True)
        step.reset()
        step.module.train()
        step.train(batch)
        step.module.eval()
        return step.result() if return_dict else _numbers(step.result())

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """Losses and metrics of one batch, as `evaluate` returns them."""
        (batch,) = self._adapt(x, y, sample_weight, batch_size=2**31)
        step = self._ready(train=False)
        step.reset()
        step.module.eval()
        step.test(batch)
        return step.result() if return_dict else _numbers(step.result())

    def predict_on_batch(self, x: Any) -> Any:
        """The model's outputs for one batch, as numpy arrays."""
        return self.predict(x, batch_size=2**31, verbose=0)


def fit_arguments(training: TrainingSpec) -> dict[str, Any]:
    """What `fit` takes of a file's `training:` section; the seed is the caller's to set."""
    fields = [name for name in FitSpec.model_fields if name != "seed"]
    return {name: getattr(training.fit, name) for name in fields} | {"callbacks": list(training.callbacks)}


def _endless(batches: Batches) -> Iterator[Batch]:
    """Batches over and over; ends where an iterator has no more to give."""
    while True:
        some = False
        for batch in batches:
            some = True
            yield batch
        if not some:
            return


def _numbers(logs: dict[str, float]) -> Any:
    values = list(logs.values())
    return values[0] if len(values) == 1 else values
