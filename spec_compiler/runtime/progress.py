"""The progress of training: a bar on a terminal, a line an epoch elsewhere. The bar is rich's."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from spec_compiler.runtime.callbacks import Callback

INTERVAL = 0.1
"""Seconds between updates of the bar: reading the metrics waits for the device."""


class Progress(Callback):
    """Shows how training goes."""

    def close(self) -> None:
        """Put away what is shown: training was interrupted."""


class EpochLines(Progress):
    """Prints a line an epoch."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        took = time.perf_counter() - self._started
        print(f"Epoch {epoch + 1}/{self.params.get('epochs')} - {took:.1f}s - {show(logs or {})}", flush=True)


class ProgressBar(Progress):
    """A bar an epoch, with the losses and metrics so far."""

    watches_batches = True

    @staticmethod
    def for_verbose(verbose: int | str) -> Progress | None:
        """The callback that `verbose` asks for: 0 none, 1 the bar, 2 lines; "auto": the bar on a terminal, else none."""
        if verbose == "auto":
            verbose = 1 if sys.stdout.isatty() else 0
        if verbose == 1:
            return ProgressBar()
        return EpochLines() if verbose == 2 else None

    def on_train_begin(self, logs: Any = None) -> None:
        from rich import progress

        columns = (
            progress.TextColumn("{task.description}"),
            progress.BarColumn(bar_width=24),
            progress.MofNCompleteColumn(),
            progress.TimeRemainingColumn(elapsed_when_finished=True, compact=True),
            progress.TextColumn("{task.fields[numbers]}"),
        )
        self._progress = progress.Progress(*columns, auto_refresh=False)
        self._progress.start()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        title = f"Epoch {epoch + 1}/{self.params.get('epochs')}"
        self._task = self._progress.add_task(title, total=self.params.get("steps"), numbers="")
        self._shown = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: Callable[[], dict[str, float]] | None = None) -> None:
        now = time.monotonic()
        if logs is not None and now - self._shown >= INTERVAL:
            self._shown = now
            self._progress.update(self._task, completed=batch + 1, numbers=show(logs()), refresh=True)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        total = self._progress.tasks[-1].total
        self._progress.update(
            self._task, completed=total or 1, total=total or 1, numbers=show(logs or {}), refresh=True
        )

    def on_train_end(self, logs: Any = None) -> None:
        self.close()

    def close(self) -> None:
        self._progress.stop()


def show(logs: dict[str, float]) -> str:
    """`accuracy: 0.9712 - loss: 0.0931`."""
    return " - ".join(
        f"{name}: {value:.4f}" if abs(value) > 1e-3 or value == 0 else f"{name}: {value:.2e}"
        for name, value in logs.items()
    )
