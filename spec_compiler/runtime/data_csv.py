"""`.csv` files: a line of names, then a line of numbers a sample."""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from spec_compiler.diagnostics import DATA_MISMATCH, Diagnostic, Span, SpecError, show
from spec_compiler.runtime.data_refused import refuse

Array = np.ndarray[Any, Any]

MAX_COLUMNS = 100_000
_LONGEST_LINE = 2**24
_MAX_FAULTS = 10
_NUMBER = re.compile(r"\s*[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|nan|inf|infinity)\s*", re.ASCII | re.IGNORECASE)


def read_csv(path: Path) -> dict[str, Array]:
    """The file's columns by name; raises SpecError for whatever is no number, with its place."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = _lines(path, file)
        reader = csv.reader(lines)
        try:
            names = next(reader, [])
        except csv.Error as error:
            refuse(path, f"the columns' names cannot be read: {error}")
        _check_names(path, names)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # of a file without data, which is said below
                values = np.loadtxt(lines, delimiter=",", ndmin=2, comments=None, quotechar='"')
        except UnicodeDecodeError:
            raise
        except ValueError as error:
            raise SpecError(_bad_cells(path, names) or [_fault(path, 1, str(error))]) from None
    if not values.size:
        refuse(path, "there is no line after the one with the columns' names")
    if values.shape[1] != len(names):
        raise SpecError(_bad_cells(path, names))
    return {name: _whole(column) for name, column in zip(names, values.T, strict=True)}


def _lines(path: Path, file: TextIO) -> Iterator[str]:
    """The file's lines; one that takes no end is refused before it is in memory."""
    while line := file.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            refuse(path, f"a line has more than {_LONGEST_LINE - 1:,} characters")
        yield line


def _whole(column: Array) -> Array:
    """Whole numbers as integers: classes, or numbers of words."""
    return column.astype(np.int64) if np.all(np.abs(column) < 2**53) and np.all(column == np.rint(column)) else column


def _check_names(path: Path, names: list[str]) -> None:
    if not names:
        refuse(path, "the file is empty")
    if len(names) == 1 and any(mark in names[0] for mark in ";\t"):
        refuse(path, f"the first line, {show(names[0])}, has no comma", help="separate the columns by commas")
    if len(names) > MAX_COLUMNS:
        help = "give them as one array of a .npz file"
        refuse(path, f"the file has {len(names):,} columns; at most {MAX_COLUMNS:,} are read", help=help)
    if all(_is_number(name) for name in names):
        help = "the first line names the columns"
        refuse(path, f"the first line holds numbers, {show(', '.join(names[:10]))}", help=help)
    places: dict[str, int] = {}
    for i, name in enumerate(names, 1):
        if not name:
            refuse(path, f"column {i} has no name", help="name it; if it counts lines, write the file without it")
        if name in places:
            refuse(path, f"columns {places[name]} and {i} are both named {show(name)}")
        places[name] = i


def _is_number(text: str) -> bool:
    """Whether numpy reads it; Python reads `1_000` too, and other scripts' digits."""
    return _NUMBER.fullmatch(text) is not None


def _bad_cells(path: Path, names: list[str]) -> list[Diagnostic]:
    """The first lines and cells that are no numbers, with their places."""
    found: list[Diagnostic] = []
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(_lines(path, file))
        try:
            next(reader)
            for row in reader:
                found += _bad_in_row(path, reader.line_num, row, names)
                if len(found) >= _MAX_FAULTS:
                    break
        except csv.Error as error:
            found.append(_fault(path, reader.line_num, str(error)))
    return found[:_MAX_FAULTS]


def _bad_in_row(path: Path, line: int, row: list[str], names: list[str]) -> Iterator[Diagnostic]:
    if row and len(row) != len(names):
        yield _fault(path, line, f"{len(row)} values where {len(names)} columns are named")
    for name, cell in zip(names, row, strict=False):
        if not _is_number(cell):
            what = f"{show(cell)} is no number" if cell.strip() else "the cell is empty"
            yield _fault(path, line, f"column {show(name)}: {what}")


def _fault(path: Path, line: int, message: str) -> Diagnostic:
    return Diagnostic(DATA_MISMATCH, message, span=Span(str(path), line, 1))
