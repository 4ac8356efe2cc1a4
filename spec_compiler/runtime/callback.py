"""Callbacks: what is told of each epoch and batch while a model trains. The hooks are Keras 3's.

https://keras.io/api/callbacks/
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

Logs = dict[str, Any]

TRAIN_BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")
TEST_BATCH_HOOKS = ("on_test_batch_begin", "on_test_batch_end")
PREDICT_BATCH_HOOKS = ("on_predict_batch_begin", "on_predict_batch_end")


class Callback:
    """Base of callbacks: define the hooks you need. `self.model` is the model, `self.params` has `epochs` and `steps`.

    Hooks of batches cost a wait for the device each, because they are given the losses and metrics so far as numbers.
    With `watches_batches = True` they are given a function instead, and wait only when they call it.
    """

    watches_batches = False

    @property
    def model(self) -> Any:
        """The model that trains."""
        return self.__dict__.get("_model")

    @property
    def params(self) -> dict[str, Any]:
        """`epochs`, `steps` and `verbose` of the training."""
        return self.__dict__.get("_params", {})  # type: ignore[no-any-return]

    def set_model(self, model: Any) -> None:
        """Called with the model before anything else."""
        self.__dict__["_model"] = model

    def set_params(self, params: dict[str, Any]) -> None:
        """Called with `params` before anything else."""
        self.__dict__["_params"] = params

    def hooks(self) -> set[str]:
        """The hooks that this callback defines."""
        hooks = {name for name in dir(Callback) if name.startswith("on_")}
        return {h for h in hooks if h in self.__dict__ or getattr(type(self), h) is not getattr(Callback, h)}

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Before an epoch, counted from 0."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """After an epoch and its validation; `logs` has losses and metrics, those of validation as `val_…`."""

    def on_batch_begin(self, batch: int, logs: Any = None) -> None:
        """An older name of `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        """An older name of `on_train_batch_end`."""

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Before a batch of training."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """After a batch of training; `logs` has losses and metrics of the epoch so far."""
        self.on_batch_end(batch, logs)

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Before a batch of evaluation or validation."""

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """After a batch of evaluation or validation."""

    def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Before a batch of prediction."""

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        """After a batch of prediction; `logs` has `outputs`."""

    def on_train_begin(self, logs: Any = None) -> None:
        """Before training."""

    def on_train_end(self, logs: Any = None) -> None:
        """After training; `logs` is that of the last epoch."""

    def on_test_begin(self, logs: Any = None) -> None:
        """Before evaluation or validation."""

    def on_test_end(self, logs: Any = None) -> None:
        """After evaluation or validation."""

    def on_predict_begin(self, logs: Any = None) -> None:
        """Before prediction."""

    def on_predict_end(self, logs: Any = None) -> None:
        """After prediction."""


class History(Callback):
    """Keeps the logs of all epochs: `history` is a list a loss or metric, `epoch` the epochs' numbers."""

    def __init__(self) -> None:
        self.history: dict[str, list[Any]] = {}
        self.epoch: list[int] = []

    def on_train_begin(self, logs: Any = None) -> None:
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
        self.model.history = self


class LambdaCallback(Callback):
    """A callback from functions: `LambdaCallback(on_epoch_end=lambda epoch, logs: ...)`; any hook may be given."""

    def __init__(
        self,
        on_epoch_begin: Callable[..., None] | None = None,
        on_epoch_end: Callable[..., None] | None = None,
        on_train_begin: Callable[..., None] | None = None,
        on_train_end: Callable[..., None] | None = None,
        on_train_batch_begin: Callable[..., None] | None = None,
        on_train_batch_end: Callable[..., None] | None = None,
        **kwargs: Callable[..., None] | None,
    ) -> None:
        hooks = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
        }
        for name, function in (hooks | kwargs).items():
            if not name.startswith("on_") or not hasattr(Callback, name):
                raise TypeError(f"LambdaCallback has no hook '{name}'")
            if function is not None:
                setattr(self, name, function)


class LearningRateScheduler(Callback):
    """Sets the learning rate before each epoch to `schedule(epoch, rate)`, or `schedule(epoch)`."""

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        self.schedule = schedule
        self.verbose = verbose
        try:
            inspect.signature(schedule).bind(0, 0.1)
            self._takes_rate = True
        except (TypeError, ValueError):
            self._takes_rate = False

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        optimizer = self.model.optimizer
        rate = self.schedule(epoch, optimizer.learning_rate) if self._takes_rate else self.schedule(epoch)
        if isinstance(rate, bool) or not hasattr(rate, "__float__"):
            raise ValueError(f"the schedule of LearningRateScheduler must return a number, got {rate!r}")
        optimizer.learning_rate = float(rate)
        if self.verbose:
            print(f"\nEpoch {epoch + 1}: LearningRateScheduler setting learning rate to {float(rate)}.")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if logs is not None:
            logs["learning_rate"] = self.model.optimizer.learning_rate


class CallbackList(Callback):
    """Several callbacks as one; each hook calls only those that define it.

    Arguments: `callbacks`, possibly nested lists; `add_history` adds a History; `model` and `params` go to all of them.
    `watches_batches`, `watches_test_batches` and `watches_predict_batches` say whether any has hooks of batches: where
    none has, a loop need not call them. Logs of batches may be a function, called if a callback needs numbers.
    Histories come last, so that they see what the others add to the logs. Raises TypeError for what is no callback.
    """

    def __init__(self, callbacks: Any = None, add_history: bool = False, model: Any = None, **params: Any) -> None:
        flat = list(_flatten(callbacks))
        if add_history and not any(isinstance(c, History) for c in flat):
            flat.append(History())
        self.callbacks: list[Callback] = sorted(flat, key=lambda c: isinstance(c, History))
        defined = [(callback, callback.hooks()) for callback in self.callbacks]
        self.watches_batches = _any_defines(defined, TRAIN_BATCH_HOOKS)
        self.watches_test_batches = _any_defines(defined, TEST_BATCH_HOOKS)
        self.watches_predict_batches = _any_defines(defined, PREDICT_BATCH_HOOKS)
        self._by_hook: dict[str, list[Callback]] = {}
        for callback, hooks in defined:
            # The older names are called by the newer ones.
            for hook in {h.replace("on_batch", "on_train_batch") for h in hooks}:
                self._by_hook.setdefault(hook, []).append(callback)
        if model is not None:
            self.set_model(model)
        self.set_params(params)

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        for callback in self.callbacks:
            callback.set_model(model)

    def set_params(self, params: dict[str, Any]) -> None:
        super().set_params(params)
        for callback in self.callbacks:
            callback.set_params(params)

    def _tell(self, hook: str, *arguments: Any) -> None:
        for callback in self._by_hook.get(hook, ()):
            getattr(callback, hook)(*arguments)

    def _tell_batch(self, hook: str, batch: int, logs: Any) -> None:
        numbers = None if callable(logs) else logs
        for callback in self._by_hook.get(hook, ()):
            if callback.watches_batches:
                getattr(callback, hook)(batch, logs if callable(logs) or logs is None else lambda: logs)
                continue
            if numbers is None and callable(logs):
                numbers = logs()
            getattr(callback, hook)(batch, numbers)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._tell("on_epoch_begin", epoch, logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._tell("on_epoch_end", epoch, logs)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._tell_batch("on_train_batch_begin", batch, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._tell_batch("on_train_batch_end", batch, logs)

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._tell_batch("on_test_batch_begin", batch, logs)

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        self._tell_batch("on_test_batch_end", batch, logs)

    def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._tell_batch("on_predict_batch_begin", batch, logs)

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        self._tell_batch("on_predict_batch_end", batch, logs)

    def on_train_begin(self, logs: Any = None) -> None:
        self._tell("on_train_begin", logs)

    def on_train_end(self, logs: Any = None) -> None:
        self._tell("on_train_end", logs)

    def on_test_begin(self, logs: Any = None) -> None:
        self._tell("on_test_begin", logs)

    def on_test_end(self, logs: Any = None) -> None:
        self._tell("on_test_end", logs)

    def on_predict_begin(self, logs: Any = None) -> None:
        self._tell("on_predict_begin", logs)

    def on_predict_end(self, logs: Any = None) -> None:
        self._tell("on_predict_end", logs)


def _any_defines(defined: Iterable[tuple[Callback, set[str]]], names: tuple[str, ...]) -> bool:
    return any(not hooks.isdisjoint(names) for _, hooks in defined)


def _flatten(callbacks: Any) -> Iterable[Callback]:
    if callbacks is None:
        return
    if isinstance(callbacks, (list, tuple)):
        for item in callbacks:
            yield from _flatten(item)
    elif isinstance(callbacks, Callback):
        yield callbacks
    elif isinstance(callbacks, type) and issubclass(callbacks, Callback):
        raise TypeError(f"callbacks holds the class {callbacks.__name__}, not an object: write {callbacks.__name__}()")
    else:
        raise TypeError(f"expected a spec_compiler.callbacks.Callback, got {type(callbacks).__name__}")
