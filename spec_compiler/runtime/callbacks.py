"""Callbacks that a file or Python states by their arguments. Names, arguments and defaults are Keras 3's."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import Field

from spec_compiler.runtime.callback import Callback as Callback
from spec_compiler.runtime.callback import CallbackList as CallbackList
from spec_compiler.runtime.callback import History as History
from spec_compiler.runtime.callback import LambdaCallback as LambdaCallback
from spec_compiler.runtime.callback import LearningRateScheduler as LearningRateScheduler
from spec_compiler.runtime.callback_files import CSVLogger as CSVLogger
from spec_compiler.runtime.callback_files import ModelCheckpoint as ModelCheckpoint
from spec_compiler.runtime.callback_monitor import Mode, Monitor, StatedCallback
from spec_compiler.specs.types import Bool, Float, NonNegativeFloat, NonNegativeInt

# What a file may state; the others take functions, or nothing.
__all__ = ["CSVLogger", "EarlyStopping", "ModelCheckpoint", "ReduceLROnPlateau", "TerminateOnNaN"]


class EarlyStopping(Monitor):
    """Stop when a loss or metric has not improved for `patience` epochs."""

    monitor: str = "val_loss"
    """The loss or metric: its name in the logs."""
    min_delta: Float = 0.0
    """Smaller changes are no improvement."""
    patience: NonNegativeInt = 0
    """Epochs without improvement before training stops."""
    verbose: NonNegativeInt = 0
    """1 prints when it acts."""
    mode: Mode = "auto"
    """Whether less (`min`) or more (`max`) is better; `auto` tells by the name."""
    baseline: Float | None = None
    """A value that must be beaten for an improvement to count."""
    restore_best_weights: Bool = False
    """Whether to go back to the weights of the best epoch when training ends."""
    start_from_epoch: NonNegativeInt = 0
    """Epochs to let pass first."""

    def model_post_init(self, context: Any) -> None:
        self.on_train_begin()

    def on_train_begin(self, logs: Any = None) -> None:
        self._start(None)
        self.wait = 0
        self.stopped_epoch = 0
        self.best_epoch = 0
        self.best_weights: list[Any] | None = None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        value = self._monitored(logs)
        if value is None or epoch < self.start_from_epoch:
            return
        self.wait += 1
        least = abs(self.min_delta)
        improved = self._improves(value, self.best, least)
        if self.restore_best_weights and (improved or self.best_weights is None):
            self.best_weights = self.model.get_weights()
            self.best_epoch = epoch
        if improved:
            self.best, self.best_epoch = value, epoch
            if self._improves(value, self.baseline, least):
                self.wait = 0
        elif self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Any = None) -> None:
        if self.stopped_epoch > 0 and self.verbose:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.best_weights is not None:
            if self.verbose:
                print(f"Restoring model weights from the end of the best epoch: {self.best_epoch + 1}.")
            self.model.set_weights(self.best_weights)


class ReduceLROnPlateau(Monitor):
    """Multiply the learning rate by `factor` when a loss or metric has not improved for `patience` epochs."""

    monitor: str = "val_loss"
    """The loss or metric: its name in the logs."""
    factor: Annotated[NonNegativeFloat, Field(lt=1)] = 0.1
    """What the rate is multiplied by."""
    patience: NonNegativeInt = 10
    """Epochs without improvement before the rate is reduced."""
    verbose: NonNegativeInt = 0
    """1 prints when it acts."""
    mode: Mode = "auto"
    """Whether less (`min`) or more (`max`) is better; `auto` tells by the name."""
    min_delta: Float = 1e-4
    """Smaller changes are no improvement."""
    cooldown: NonNegativeInt = 0
    """Epochs after a reduction before waiting starts again."""
    min_lr: NonNegativeFloat = 0.0
    """The rate does not fall below it."""

    def model_post_init(self, context: Any) -> None:
        self.on_train_begin()

    def on_train_begin(self, logs: Any = None) -> None:
        self._start(None)
        self.wait = 0
        self.cooldown_counter = 0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        optimizer = self.model.optimizer
        if logs is not None:
            logs["learning_rate"] = optimizer.learning_rate
        value = self._monitored(logs)
        if value is None:
            return
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.wait = 0
        if self._improves(value, self.best, abs(self.min_delta)):
            self.best = value
            self.wait = 0
        elif self.cooldown_counter == 0:
            self.wait += 1
            if self.wait >= self.patience and optimizer.learning_rate > self.min_lr:
                optimizer.learning_rate = max(optimizer.learning_rate * self.factor, self.min_lr)
                self.cooldown_counter = self.cooldown
                self.wait = 0
                if self.verbose:
                    rate = optimizer.learning_rate
                    print(f"\nEpoch {epoch + 1}: ReduceLROnPlateau reducing learning rate to {rate}.")


class TerminateOnNaN(StatedCallback):
    """Stop when the loss is NaN or infinite."""

    raise_error: Bool = False
    """Whether to raise RuntimeError instead."""

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        loss = (logs or {}).get("loss")
        if loss is None or math.isfinite(loss):
            return
        if self.raise_error:
            raise RuntimeError(f"the loss of batch {batch} is {loss}")
        print(f"Batch {batch}: Invalid loss, terminating training")
        self.model.stop_training = True
