"""`compile`, `fit`, `evaluate`, `predict`: Keras's training API over a torch module."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from spec_compiler.ir import values_in
from spec_compiler.runtime.built import as_numpy
from spec_compiler.runtime.callbacks import CallbackList, History
from spec_compiler.runtime.compiled import Compiled
from spec_compiler.runtime.data import Batch, Batches, adapt, split
from spec_compiler.runtime.data_arrays import mismatch
from spec_compiler.runtime.forward_faults import FORWARD_FAULTS, explained
from spec_compiler.runtime.progress import Lines
from spec_compiler.runtime.step import Step, device_of, flattener, unflatten
from spec_compiler.specs.training import FitSpec, TrainingSpec


class Trainer(Compiled):
    """What a Model does beside being one: it is compiled, fitted, evaluated and asked for predictions."""

    history: History

    def _set_input_shape(self, shape: tuple[int | None, ...]) -> None:
        raise NotImplementedError

    # Data

    def _adapt(self, x: Any, y: Any = None, sample_weight: Any = None, **options: Any) -> Batches:
        graph = self.graph
        if graph.inputs[0].shape is None:
            x = self._build_at_first_batch(x)
            graph = self.graph
        device = device_of(self._ensure_built().module)
        names = [str(v.node.layer.name if v.node else v.name) for v in values_in(graph.outputs)]
        keys = [list(s) if isinstance(s, dict) else None for s in (graph.input_structure, graph.outputs)]
        return adapt(graph.inputs, names, x, y, sample_weight, keys=keys, device=device, **options)

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
        for name, value in (("epochs", epochs), ("initial_epoch", initial_epoch)):
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 0:
                mismatch(f"{name} is a whole number, got {value!r}")
        if validation_split and validation_data is None:
            (x, y, sample_weight), validation_data = split(x, y, sample_weight, validation_split)
        options = {"shuffle": shuffle, "class_weight": class_weight}
        batches = self._adapt(x, y, sample_weight, batch_size=batch_size, **options)
        step = self._ready(train=True)
        held_out = None
        if validation_data is not None:
            held_out = self._validation(validation_data, validation_batch_size or batch_size)
        steps = steps_per_epoch or batches.steps
        every = validation_freq if isinstance(validation_freq, (list, tuple)) else None
        self.stop_training = False
        stream = _endless(batches) if steps_per_epoch else None
        self.history = History()
        sound = True
        logs = None
        with self._watched([self.history, callbacks], verbose, epochs, steps) as watch:
            watch.on_train_begin()
            for epoch in range(initial_epoch, epochs):
                watch.on_epoch_begin(epoch)
                done = self._epoch(step, islice(stream, steps) if stream else batches, watch)
                if steps_per_epoch and done < steps_per_epoch and not self.stop_training:
                    _warn_of_end(epoch, done, steps_per_epoch)
                    self.stop_training = True
                if not done:
                    _require_batches(epoch - initial_epoch, "x")
                    break
                logs = dict(sorted(step.result().items()))
                sound = sound and _is_sound(logs, epoch)
                due = epoch + 1 in every if every else (epoch + 1) % (validation_freq or 1) == 0
                if held_out is not None and due:
                    found = self._test(step, held_out, validation_steps, watch)
                    logs |= {f"val_{name}": value for name, value in found.items()}
                watch.on_epoch_end(epoch, logs)
                if self.stop_training:
                    break
            step.finish()
            step.module.eval()
            watch.on_train_end(logs)
        return self.history

    @contextmanager
    def _watched(self, callbacks: Any, verbose: int | str, epochs: int, steps: int | None) -> Iterator[CallbackList]:
        """The callbacks as one, with the progress that `verbose` asks for: it is put away however the work ends."""
        lines = Lines.for_verbose(verbose)
        given = [callbacks, lines or ()]
        try:
            yield CallbackList(given, model=self, epochs=epochs, steps=steps, verbose=verbose)
        finally:
            if lines is not None:
                lines.close()
            self._ensure_built().module.eval()

    def _epoch(self, step: Step, batches: Iterable[Batch], watch: CallbackList) -> int:
        """Train on the batches of an epoch; their number."""
        step.reset()
        step.module.train()
        train = step.train
        done = 0
        for batch in batches:
            if watch.watches_batches:
                watch.on_train_batch_begin(done)
                train(batch)
                watch.on_train_batch_end(done, step.result)
                if self.stop_training:
                    return done + 1
            else:
                train(batch)
            done += 1
        return done

    def _validation(self, data: Any, batch_size: int | None) -> Batches:
        given = data if isinstance(data, (list, tuple)) and len(data) in (2, 3) else (data,)
        return self._adapt(*given, batch_size=batch_size, where="validation_data: ")

    def _test(self, step: Step, batches: Batches, steps: int | None, watch: CallbackList) -> dict[str, float]:
        step.reset()
        step.module.eval()
        watch.on_test_begin()
        i = -1
        for i, batch in enumerate(islice(batches, steps)):
            if watch.watches_test_batches:
                watch.on_test_batch_begin(i)
            step.test(batch)
            if watch.watches_test_batches:
                watch.on_test_batch_end(i, step.result)
        _require_batches(i + 1, "the data to evaluate on")
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
        with self._watched(callbacks, verbose, 1, steps or batches.steps) as watch:
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
        collected: list[list[Tensor]] = []
        with torch.inference_mode(), self._watched(callbacks, verbose, 1, steps or batches.steps) as watch:
            watch.on_predict_begin()
            for i, batch in enumerate(islice(batches, steps)):
                if watch.watches_predict_batches:
                    watch.on_predict_batch_begin(i)
                collected.append(flatten(self._forward(module, batch)))
                if watch.watches_predict_batches:
                    watch.on_predict_batch_end(i, {"outputs": collected[-1]})
            watch.on_predict_end()
        _require_batches(len(collected), "x")
        outputs = [as_numpy(torch.cat(parts)) for parts in zip(*collected, strict=True)]
        return unflatten(self.graph.outputs, iter(outputs))

    def _compute(self, x: Any, training: bool) -> Any:
        batches = self._adapt(x, batch_size=2**31, targets_needed=False)
        module = self._ensure_built().module.train(training)
        (batch,) = batches
        try:
            return self._forward(module, batch)
        finally:
            module.eval()

    def _forward(self, module: nn.Module, batch: Batch) -> Any:
        try:
            return module(*batch.inputs)
        except FORWARD_FAULTS as error:
            raise explained(error, self.graph, batch.inputs) from error

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


def _require_batches(done: int, what: str) -> None:
    if not done:
        mismatch(
            f"{what} gave no batch", "a generator is read once: to have it read again, give a DataLoader or a list"
        )


def _warn_of_end(epoch: int, done: int, wanted: int) -> None:
    message = f"the data ended after {done} of {wanted} steps in epoch {epoch + 1}, and so does the training"
    warnings.warn(message, RuntimeWarning, stacklevel=3)


def _is_sound(logs: dict[str, float], epoch: int) -> bool:
    """Whether the loss of an epoch is a finite number; warns where it is not."""
    loss = logs.get("loss", 0.0)
    if math.isfinite(loss):
        return True
    message = f"the loss is {loss} in epoch {epoch + 1}: lower the learning rate, or look for NaN in the data"
    warnings.warn(message, RuntimeWarning, stacklevel=3)
    return False


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
