"""Data files: `.npz` and `.csv` to the arrays of a model's inputs and outputs.

Files may come from strangers: what a header declares is held against the file's own size before memory is taken, and
nothing is unpickled.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spec_compiler.diagnostics import UNREADABLE_FILE, plain
from spec_compiler.ir import Value
from spec_compiler.runtime.data_csv import read_csv
from spec_compiler.runtime.data_npz import read_npz
from spec_compiler.runtime.data_refused import refuse

Array = np.ndarray[Any, Any]

TRAIN = ("_train", "")
"""What the names of arrays to train on end in, in the order they are looked for."""
TEST = ("_test",)
EVALUATE = ("_test", "", "_train")
PREDICT = ("", "_test", "_train")

_READERS = {".npz": read_npz, ".csv": read_csv}


@dataclass(frozen=True, slots=True)
class Part:
    """Data for `fit`, `evaluate` or `predict`."""

    name: str
    """What it was called in its file: `x_train`, or the inputs' names."""
    x: Any
    y: Any = None
    sample_weight: Any = None

    @property
    def samples(self) -> int:
        """Number of samples."""
        return len(next(iter(self.x.values())) if isinstance(self.x, dict) else self.x)


@dataclass(frozen=True, slots=True)
class Table:
    """A data file's arrays by name; for a `.csv`, its columns."""

    path: Path
    arrays: dict[str, Array]

    def part(self, inputs: Sequence[Value], outputs: Sequence[str], endings: Sequence[str]) -> Part | None:
        """What the file holds for a model's inputs and outputs under the first of `endings` that is there; else None.

        In a `.npz`, `x` and `y` or arrays by the inputs' and outputs' names, each with the ending, and `sample_weight`.
        A `.csv` has no endings; see `of_columns`.
        """
        if self.path.suffix == ".csv":
            return self._of_columns(inputs, outputs) if "" in endings else None
        for ending in endings:
            name, x = self._named("x", [value.name for value in inputs], ending)
            if x is not None:
                _, y = self._named("y", outputs, ending)
                return Part(name, x, y, self.arrays.get("sample_weight" + ending))
        return None

    def _named(self, short: str, names: Sequence[str], ending: str) -> tuple[str, Any]:
        if short + ending in self.arrays:
            return short + ending, self.arrays[short + ending]
        found = {name: self.arrays[name + ending] for name in names if name + ending in self.arrays}
        return ", ".join(name + ending for name in found), found or None

    def _of_columns(self, inputs: Sequence[Value], outputs: Sequence[str]) -> Part:
        """Columns as inputs and targets, one row a sample.

        A column belongs to the input or output it is named after (`price`, or `price.0`, `price.1` for several), or to
        the output if it is `y` and there is but one; the last column is the output's where none is. With one input, the
        columns left over are its features, in order.
        """
        left = dict(self.arrays)
        y = {name: columns for name in outputs if (columns := _take(left, name))}
        if not y and len(outputs) == 1 and (columns := _take(left, "y")):
            y = {outputs[0]: columns}
        x = {value.name: columns for value in inputs if (columns := _take(left, value.name))}
        if not x and len(inputs) == 1:
            if not y and len(outputs) == 1 and len(left) > 1 and len(left) != _features(inputs[0]):
                y = {outputs[0]: [left.popitem()[1]]}
            x = {inputs[0].name: list(left.values())}
        shaped = {value.name: _shaped(x[value.name], value) for value in inputs if value.name in x}
        targets = {name: columns[0] if len(columns) == 1 else np.column_stack(columns) for name, columns in y.items()}
        return Part(f"{len(self.arrays)} columns", shaped, targets or None)

    def described(self) -> str:
        """The arrays' names, for a message."""
        names = [plain(name) for name in self.arrays]
        return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _take(columns: dict[str, Array], name: str) -> list[Array]:
    return [columns.pop(column) for column in list(columns) if column == name or column.startswith(name + ".")]


def _features(value: Value) -> int | None:
    """Number of elements of one sample; None where the shape does not say."""
    sizes = value.shape[1:] if value.shape is not None else (None,)
    known = [size for size in sizes if size is not None]
    return math.prod(known) if len(known) == len(sizes) else None


def _shaped(columns: list[Array], value: Value) -> Array:
    """The columns side by side, in the shape of the input where they fill it: 64 columns as 8 × 8 pixels."""
    array = np.column_stack(columns) if columns else np.empty((0, 0))
    if value.shape is not None and _features(value) == array.shape[1]:
        return array.reshape(-1, *(size or 0 for size in value.shape[1:]))
    return array


def load_table(path: str | Path) -> Table:
    """The arrays of a `.npz` file, or the columns of a `.csv` file, whose first line names them.

    Raises SpecError for a file of another kind, one that cannot be read, and one whose sizes are made up.
    """
    path = Path(path)
    if path.suffix not in _READERS:
        refuse(path, "this is no kind of data file that is known", help="give a .npz or a .csv file")
    try:
        if not path.is_file():
            refuse(path, "there is no such file" if not path.exists() else "this is no file", UNREADABLE_FILE)
        return Table(path, _READERS[path.suffix](path))
    except (OSError, ValueError) as error:
        refuse(path, f"the file cannot be read: {getattr(error, 'strerror', None) or error}", UNREADABLE_FILE)
