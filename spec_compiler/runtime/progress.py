"""How training goes: on a terminal a bar while an epoch runs, and a line when it ends. The bar is rich's."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from spec_compiler.runtime.callbacks import Callback

if TYPE_CHECKING:
    from rich.progress import Progress

INTERVAL = 0.1
"""Seconds between updates of the bar: reading the metrics waits for the device."""

Numbers = Callable[[], dict[str, float]]


class Lines(Callback):
    """Prints a line an epoch, or for an evaluation."""

    _training = False

    @staticmethod
    def for_verbose(verbose: int | str) -> Lines | None:
        """The callback that `verbose` asks for: 0 none, 1 bars, 2 lines; "auto": bars on a terminal, else none."""
        if verbose == "auto":
            verbose = 1 if sys.stdout is not None and sys.stdout.isatty() else 0
        if verbose == 1 and find_spec("rich") is not None:
            return Bars()
        return Lines() if verbose else None

    def on_train_begin(self, logs: Any = None) -> None:
        self._training = True

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._start(f"Epoch {epoch + 1}/{self.params.get('epochs')}")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._end(logs)

    def on_test_begin(self, logs: Any = None) -> None:
        if not self._training:
            self._start("Evaluation")

    def on_test_end(self, logs: Any = None) -> None:
        if not self._training:
            self._end(logs)

    def _start(self, title: str) -> None:
        self._title = title
        self._started = time.perf_counter()

    def _end(self, logs: dict[str, float] | None) -> None:
        took = time.perf_counter() - self._started
        print(" - ".join([self._title, f"{took:.1f}s", *show(logs or {})]), flush=True)

    def close(self) -> None:
        """Put away what is shown: the end, or an interruption."""


class Bars(Lines):
    """Shows a bar with the losses and metrics so far, where there is a terminal; the line takes its place."""

    watches_batches = True
    _bar: Progress | None = None

    def on_train_batch_end(self, batch: int, logs: Numbers | None = None) -> None:
        self._advance(batch, logs)

    def on_test_batch_end(self, batch: int, logs: Numbers | None = None) -> None:
        if not self._training:
            self._advance(batch, logs)

    def on_predict_begin(self, logs: Any = None) -> None:
        self._start("Prediction")

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        self._advance(batch, None)

    def on_predict_end(self, logs: Any = None) -> None:
        self.close()

    def _start(self, title: str) -> None:
        super()._start(title)
        self._shown = time.monotonic()

    def _end(self, logs: dict[str, float] | None) -> None:
        self.close()
        super()._end(logs)

    def _advance(self, batch: int, logs: Numbers | None) -> None:
        now = time.monotonic()
        # What is over at once needs no bar.
        if now - self._shown < INTERVAL:
            return
        self._shown = now
        if self._bar is None:
            self._bar = _bar(self._title, self.params.get("steps"))
            self._bar.start()
        numbers = " - ".join(show(logs() if logs is not None else {}))
        self._bar.update(self._bar.task_ids[0], completed=batch + 1, numbers=numbers, refresh=True)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _bar(title: str, steps: int | None) -> Progress:
    from rich import progress
    from rich.console import Console
    from rich.table import Column

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(bar_width=20),
        progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(compact=True),
        # The one column that gives way on a narrow terminal.
        progress.TextColumn("{task.fields[numbers]}", table_column=Column(ratio=1, no_wrap=True)),
    )
    console = Console()
    shown = console.is_terminal and not console.is_dumb_terminal
    bar = progress.Progress(
        *columns, console=console, auto_refresh=False, transient=True, expand=True, disable=not shown
    )
    bar.add_task(title, total=steps, numbers="")
    return bar


def show(logs: dict[str, Any]) -> list[str]:
    """`loss: 0.0931`, `accuracy: 0.9712`: the loss first, what was found in validation last."""
    names = sorted(logs, key=lambda name: (name.startswith("val_"), name.removeprefix("val_") != "loss"))
    return [f"{name}: {_shown(logs[name])}" for name in names]


def _shown(value: Any) -> str:
    if isinstance(value, list):  # a metric of several thresholds
        return "[" + ", ".join(map(_shown, value)) + "]"
    return f"{value:.4f}" if abs(value) > 1e-3 or value == 0 else f"{value:.2e}"
