"""Data files: `.npz` and `.csv` to the arrays of a model's inputs and outputs.

Files may come from strangers: what a header declares is held against the file's own size before memory is taken, and
nothing is unpickled.
"""

from __future__ import annotations

import csv
import math
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np

from spec_compiler.diagnostics import DATA_MISMATCH, UNREADABLE_FILE, Code, Diagnostic, Span, SpecError, plain, show
from spec_compiler.ir import Value

Array = np.ndarray[Any, Any]

TRAIN = ("_train", "")
"""What the names of arrays to train on end in, in the order they are looked for."""
TEST = ("_test",)
EVALUATE = ("_test", "", "_train")
PREDICT = ("", "_test", "_train")

# What deflate makes of zeros: no honest member is packed tighter.
_TIGHTEST = 1_032
_MAX_FAULTS = 10


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
    readers = {".npz": _read_npz, ".csv": _read_csv}
    if path.suffix not in readers:
        _fault(path, "this is no kind of data file that is known", help="give a .npz or a .csv file")
    try:
        if not path.is_file():
            _fault(path, "there is no such file" if not path.exists() else "this is no file", UNREADABLE_FILE)
        arrays = readers[path.suffix](path)
    except (OSError, ValueError) as error:
        _fault(path, f"the file cannot be read: {getattr(error, 'strerror', None) or error}", UNREADABLE_FILE)
    return Table(path, arrays)


def _fault(path: Path, message: str, code: Code = DATA_MISMATCH, help: str | None = None) -> NoReturn:
    raise SpecError(Diagnostic(code, message, span=Span(str(path), 1, 1), help=help))


def _read_npz(path: Path) -> dict[str, Array]:
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            _check_members(path, archive)
            return {name.removesuffix(".npy"): _read_npy(path, archive, name) for name in archive.namelist()}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeDecodeError) as error:
        _fault(path, f"this is no .npz file, or a damaged one: {error}")


def _check_members(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuse archives that numpy does not write: they are damaged, or made to hurt."""
    members = archive.infolist()
    for name, times in Counter(member.filename for member in members).items():
        if times > 1 or not name.endswith(".npy"):
            _fault(path, f"member {show(name)} {'stands there twice' if times > 1 else 'is no array'}")
    for member in members:
        name = show(member.filename)
        if member.flag_bits & 1:
            _fault(path, f"member {name} is encrypted")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            _fault(path, f"member {name} is compressed by a method that numpy does not use")
        if member.file_size > member.compress_size * _TIGHTEST + 1024:
            _fault(path, f"member {name} cannot hold the {member.file_size:,} bytes that it declares")
    if sum(member.compress_size for member in members) > path.stat().st_size:
        _fault(path, "the members overlap, or part of the file is missing")


def _read_npy(path: Path, archive: zipfile.ZipFile, name: str) -> Array:
    try:
        with archive.open(name) as member:
            shape, dtype, start = _npy_header(member)
    except ValueError as error:
        _fault(path, f"member {show(name)} is no array: {error}")
    if dtype.hasobject:
        _fault(path, f"member {show(name)} holds Python objects, which are not read", help="save it as numbers")
    declared = start + math.prod(shape) * dtype.itemsize
    if any(size < 0 for size in shape) or declared != archive.getinfo(name).file_size:
        held = archive.getinfo(name).file_size
        _fault(path, f"member {show(name)} declares an array of shape {show(shape)}, but holds {held:,} bytes")
    with archive.open(name) as member:
        return np.asarray(np.lib.format.read_array(member, allow_pickle=False))


def _npy_header(member: BinaryIO | Any) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Shape, dtype, and the length of the header in bytes."""
    version = np.lib.format.read_magic(member)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(member)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(member)
    else:
        raise ValueError(f"version {version} of the format is not known")
    return shape, dtype, member.tell()


def _read_csv(path: Path) -> dict[str, Array]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        names = next(csv.reader(file), [])
    _check_names(path, names)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of a file without data, which is said below
            values = np.loadtxt(
                path, delimiter=",", skiprows=1, ndmin=2, comments=None, quotechar='"', encoding="utf-8-sig"
            )
    except ValueError as error:
        raise SpecError(list(_bad_cells(path, names)) or Diagnostic(DATA_MISMATCH, f"{path}: {error}")) from None
    if not values.size:
        _fault(path, "there is no line after the one with the columns' names")
    if values.shape[1] != len(names):
        raise SpecError(list(_bad_cells(path, names)))
    return {name: _whole(column) for name, column in zip(names, values.T, strict=True)}


def _whole(column: Array) -> Array:
    """Whole numbers as integers: classes, or numbers of words."""
    return column.astype(np.int64) if np.all(np.abs(column) < 2**53) and np.all(column == np.rint(column)) else column


def _check_names(path: Path, names: list[str]) -> None:
    if not names:
        _fault(path, "the file is empty")
    if len(names) == 1 and any(mark in names[0] for mark in ";\t"):
        _fault(path, f"the first line, {show(names[0])}, has no comma", help="separate the columns by commas")
    if all(_is_number(name) for name in names):
        _fault(path, f"the first line holds numbers, {show(', '.join(names))}", help="the first line names the columns")
    for i, name in enumerate(names):
        if not name:
            _fault(path, f"column {i + 1} has no name", help="name it; if it counts lines, write the file without it")
        if name in names[:i]:
            _fault(path, f"columns {names.index(name) + 1} and {i + 1} are both named {show(name)}")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _bad_cells(path: Path, names: list[str]) -> Iterator[Diagnostic]:
    """The first lines and cells that are no numbers, with their places."""
    found = 0
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        next(reader)
        for row in reader:
            span = Span(str(path), reader.line_num, 1)
            if row and len(row) != len(names):
                found += 1
                yield Diagnostic(DATA_MISMATCH, f"{len(row)} values where {len(names)} columns are named", span=span)
            for name, cell in zip(names, row, strict=False):
                if not _is_number(cell):
                    found += 1
                    what = f"{show(cell)} is no number" if cell.strip() else "the cell is empty"
                    yield Diagnostic(DATA_MISMATCH, f"column {show(name)}: {what}", span=span)
            if found >= _MAX_FAULTS:
                return
