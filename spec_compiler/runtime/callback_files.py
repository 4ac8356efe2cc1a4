"""Callbacks that write files: models, and tables of losses and metrics."""

from __future__ import annotations

import csv
import io
import re
import string
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from spec_compiler.runtime.callback import Logs
from spec_compiler.runtime.callback_monitor import Mode, Monitor, StatedCallback
from spec_compiler.specs.types import Bool, Float, NonNegativeInt, PositiveInt
from spec_compiler.writing import write_atomically


def _path(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


PathText = Annotated[str, BeforeValidator(_path), Field(min_length=1, max_length=4096)]


class WritesFiles(StatedCallback):
    """A callback that writes files. One stated in a file may name places below the working directory only."""

    path_field: ClassVar[str]

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """The callback a file states; Python's own arguments do not pass here, and may name any path."""
        given = obj.get(cls.path_field) if isinstance(obj, Mapping) else None
        if isinstance(given, str) and not _is_below(given):
            raise PydanticCustomError(
                "unsafe_path",
                "{field}: a model file may only name files below the working directory, got {path}",
                {"field": cls.path_field, "path": repr(given)},
            )
        return super().model_validate(obj, **options)


def _is_below(path: str) -> bool:
    parts = PurePosixPath(path.replace("\\", "/")).parts
    return bool(parts) and ":" not in path and not any(p.startswith((".", "/", "~")) or "\0" in p for p in parts)


_FORMAT = re.compile(r"[<>=^]?[+\- ]?0?\d{0,3}(\.\d{1,3})?[bdeEfFgGnoxX%]?")


def _check_template(template: str) -> str:
    """Refuse whatever is not `{name}` or `{name:02d}`: `str.format` would follow attributes and indices."""
    try:
        fields = list(string.Formatter().parse(template))
    except ValueError as error:
        raise PydanticCustomError("template", "{problem}", {"problem": str(error)}) from None
    for _, name, form, conversion in fields:
        if name is not None and (not name.isidentifier() or conversion or not _FORMAT.fullmatch(form or "")):
            shown = "{" + name + (f"!{conversion}" if conversion else "") + (f":{form}" if form else "") + "}"
            message = "{shown} is no placeholder: write the name of a loss or metric and a format, as in {example}"
            raise PydanticCustomError("template", message, {"shown": shown, "example": "{epoch:02d} or {val_loss:.2f}"})
    return template


class ModelCheckpoint(WritesFiles, Monitor):
    """Save the model, or its weights, after each epoch or every so many batches."""

    path_field = "filepath"
    watches_batches: ClassVar[bool] = True  # type: ignore[misc]  # no field

    filepath: Annotated[PathText, AfterValidator(_check_template)]
    """Where; `{epoch:02d}` and `{val_loss:.2f}` stand for the epoch, from 1, and the logs' numbers."""
    monitor: str = "val_loss"
    """The loss or metric that tells which model is best."""
    verbose: NonNegativeInt = 0
    """1 prints when it saves."""
    save_best_only: Bool = False
    """Whether to save only when `monitor` has improved."""
    save_weights_only: Bool = False
    """Whether to save the weights alone."""
    mode: Mode = "auto"
    """Whether less (`min`) or more (`max`) is better; `auto` tells by the name."""
    save_freq: Literal["epoch"] | PositiveInt = "epoch"
    """`epoch`, or a number of batches."""
    initial_value_threshold: Float | None = None
    """What the first model has to beat."""

    @model_validator(mode="after")
    def _check_path(self) -> Self:
        endings = (".weights.h5", ".safetensors") if self.save_weights_only else (".keras", ".h5", ".safetensors")
        if not self.filepath.endswith(endings):
            what = "weights are" if self.save_weights_only else "a model is"
            wanted = " or ".join(endings)
            raise ValueError(f"filepath: {what} saved to a file that ends in {wanted}, not {self.filepath!r}")
        return self

    def model_post_init(self, context: Any) -> None:
        self._start(self.initial_value_threshold)
        self._epoch = 0
        self._batches = 0
        self._last_batch: int | None = None

    def hooks(self) -> set[str]:
        every_epoch = self.save_freq == "epoch"
        return super().hooks() - ({"on_train_batch_end"} if every_epoch else set())

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch
        self._last_batch = None

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._batches += batch + 1 if self._last_batch is None else batch - self._last_batch
        self._last_batch = batch
        if self.save_freq != "epoch" and self._batches >= self.save_freq:
            self._batches = 0
            self._save(logs() if callable(logs) else logs or {}, batch)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch
        if self.save_freq == "epoch":
            self._save(logs or {}, None)

    def _save(self, logs: Logs, batch: int | None) -> None:
        path = self._fill(logs, batch)
        if self.save_best_only and not self._is_best(logs, path):
            return
        if self.verbose and not self.save_best_only:
            print(f"\nEpoch {self._epoch + 1}: saving model to {path}")
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        if self.save_weights_only:
            self.model.save_weights(path)
        else:
            self.model.save(path)

    def _is_best(self, logs: Logs, path: str) -> bool:
        value = self._monitored(logs)
        if value is None:
            return True  # as in Keras: rather one file too many
        before = "None" if self.best is None else f"{self.best:.5f}"
        improved = self._improves(value, self.best, 0.0)
        if self.verbose:
            what = f"improved from {before} to {value:.5f}, saving model to {path}"
            print(f"\nEpoch {self._epoch + 1}: {self.monitor} {what if improved else f'did not improve from {before}'}")
        if improved:
            self.best = value
        return improved

    def _fill(self, logs: Logs, batch: int | None) -> str:
        """The path, its placeholders filled in; checked before, so that they are numbers by name and no more."""
        values = {"epoch": self._epoch + 1, **({} if batch is None else {"batch": batch + 1}), **logs}
        try:
            return self.filepath.format_map(values)
        except KeyError as error:
            message = f"filepath {self.filepath!r}: there is no {error} in the logs; there are: {', '.join(values)}"
            raise ValueError(message) from None


class CSVLogger(WritesFiles):
    """Write losses and metrics of each epoch to a CSV file, a line an epoch."""

    path_field = "filename"

    filename: PathText
    """Where."""
    separator: Annotated[str, Field(min_length=1, max_length=1)] = ","
    """What stands between the columns."""
    append: Bool = False
    """Whether to add to a file that is there."""

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """The callback a file states: it may write `.csv`, `.tsv`, `.log` and `.txt` only."""
        given = obj.get("filename") if isinstance(obj, Mapping) else None
        if isinstance(given, str) and not given.endswith((".csv", ".tsv", ".log", ".txt")):
            message = "filename: a model file may only name a .csv, .tsv, .log or .txt file here, got {path}"
            raise PydanticCustomError("unsafe_path", message, {"path": repr(given)})
        return super().model_validate(obj, **options)

    def on_train_begin(self, logs: Any = None) -> None:
        path = Path(self.filename)
        self._text = path.read_bytes().decode() if self.append and path.exists() else ""
        self._keys: list[str] | None = None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs = logs or {}
        lines = io.StringIO(newline="")
        writer = csv.writer(lines, delimiter=self.separator)
        if self._keys is None:
            self._keys = sorted(logs)
            if not any(key.startswith("val_") for key in self._keys):
                # Keras leaves room for a validation that may come later.
                self._keys += [f"val_{key}" for key in self._keys]
            if not self._text:
                writer.writerow(["epoch", *self._keys])
        writer.writerow([epoch, *(_cell(logs.get(key, "NA")) for key in self._keys)])
        self._text += lines.getvalue()
        Path(self.filename).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.filename, self._text)


def _cell(value: Any) -> Any:
    return f'"[{", ".join(map(str, value))}]"' if isinstance(value, (list, tuple)) else value
