"""Data files that lie or are damaged: what is read is what numpy reads, and the rest is said, in bounded time."""

from __future__ import annotations

import ast
import csv
import io
import random
import struct
import time
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spec_compiler.diagnostics import SpecError
from spec_compiler.runtime.data_csv import MAX_COLUMNS
from spec_compiler.runtime.data_tables import load_table

Array = np.ndarray[Any, Any]


def npy(header: str, data: bytes = b"", version: tuple[int, int] = (1, 0)) -> bytes:
    text = header.encode("latin-1")
    length = struct.pack("<H" if version == (1, 0) else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + length + text + data


def saved(array: Array) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def npz(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name + ".npy", data)
    return path


def fault(path: Path) -> str:
    started = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(SpecError) as caught:
            load_table(path)
    assert time.process_time() - started < 3
    assert caught.value.diagnostics
    for found in caught.value.diagnostics:
        assert found.code.id in ("SC504", "SC010")
        assert found.span is not None and found.span.file == str(path)
    return str(caught.value)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12, dtype=np.float32).reshape(3, 4),
        np.asfortranarray(np.arange(12, dtype=np.int16).reshape(3, 4)),
        np.arange(3, dtype=">i8"),
        np.array(2.5),
        np.zeros((0, 3)),
        np.array([True, False]),
        np.array(["a", "bc"]),
        np.array(["2026-01-01"], "datetime64[D]"),
        np.zeros((2, 1, 3, 1), np.complex64),
        np.zeros(3, np.float16),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_plain_arrays_are_read_as_numpy_reads_them(tmp_path: Path, array: Array) -> None:
    for version in ((1, 0), (2, 0), (3, 0)):
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, array, version, allow_pickle=False)
        found = load_table(npz(tmp_path / "a.npz", x=buffer.getvalue())).arrays["x"]
        assert found.dtype == array.dtype and found.shape == array.shape
        assert np.array_equal(found, array)
        assert found.flags.writeable  # torch warns of others


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}",  # other writers'
        '{"descr": "<f4"}'.replace('"', "'")[:-1] + ", 'fortran_order': False, 'shape': (2L,), }\n",  # Python 2
        "{ 'shape' : (2 ,) , 'fortran_order':True,'descr':'<f4' }   \n",
    ],
)
def test_headers_of_other_writers_are_read(tmp_path: Path, header: str) -> None:
    data = np.array([1, 2], np.float32).tobytes()
    assert load_table(npz(tmp_path / "a.npz", x=npy(header, data))).arrays["x"].tolist() == [1, 2]


def said(shape: str = "(1,)", descr: str = "'<f4'", order: str = "False") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"


HEADERS = {
    "nested without end": "(" * 9_000,
    "lists without end": said(descr="[" * 4_000),
    "minus signs": said("(" + "-" * 9_000 + "1,)"),
    "a number of 5,000 digits": said("(" + "9" * 5_000 + ",)"),
    "a boolean": said("(True,)"),
    "a float": said("(1.0,)"),
    "zero and beyond": said("(0, 9223372036854775808, 4)"),
    "zero and almost beyond": said("(0, 9223372036854775807)"),
    "70 axes": said("(" + "1," * 70 + ")"),
    "a million million of nothing": said("(1000000000000,)", "'|V0'"),
    "no type": said(descr="None"),
    "a type of 2 GB": said(descr="'<U536870911'"),
    "a type of two parts": said(descr="('<f4', (1000000000,))"),
    "a record with objects": said(descr="[('a', '|O')]"),
    "no number of a type": said(descr="'<f3'"),
    "code": said(descr="__import__('os')"),
    "a zero byte": said() + "\0",
    "longer than it says": said()[:-1],
    "nothing": "",
    "no shape": "{'descr': '<f4', 'fortran_order': False, }",
    "another key": said()[:-1] + "'more': (), }",
}


@pytest.mark.parametrize("case", HEADERS)
def test_headers_that_numpy_does_not_write_are_refused(tmp_path: Path, case: str) -> None:
    path = npz(tmp_path / "a.npz", x=npy(HEADERS[case], bytes(4)))
    if case == "another key":
        assert load_table(path).arrays["x"].shape == (1,)
        return
    assert "member 'x.npy'" in fault(path)


def test_more_arrays_than_anyone_has_are_refused(tmp_path: Path) -> None:
    array = saved(np.zeros(1))
    assert "more than 10,000 arrays" in fault(npz(tmp_path / "a.npz", **{f"a{i}": array for i in range(10_001)}))


def test_arrays_larger_than_the_machine_are_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = npz(tmp_path / "a.npz", x=saved(np.zeros(10_000)))
    monkeypatch.setattr("spec_compiler.runtime.data_npz._memory", lambda: 80_000)
    assert "the arrays are 80,128 bytes, more than this machine's memory" in fault(path)


def mutated_header(rng: random.Random) -> str:
    parts = ["'descr': ", "'<f4'", ", 'fortran_order': ", "False", ", 'shape': ", "(3, 1)", ", }"]
    words = ["'", "(", ")", ",", " ", "-", "L", "0", "3", "True", "[", "{", "}", "'<i8'", "'|O'", ":", "\\", "\0", "é"]
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(parts))
        kind = rng.randrange(3)
        parts[at] = ["", parts[at] + rng.choice(words), rng.choice(words)][kind]
    return "{" + "".join(parts)


def check_headers(folder: Path, seed: int, rounds: int) -> None:
    rng = random.Random(seed)
    path = folder / "a.npz"
    data = np.array([1, 2, 3], np.float32).tobytes()
    for _ in range(rounds):
        header = mutated_header(rng)
        npz(path, x=npy(header, data))
        try:
            found = load_table(path).arrays["x"]
        except SpecError as error:
            assert str(path) in str(error)
            continue
        stated = ast.literal_eval(header)
        assert found.dtype == np.dtype(stated["descr"]) and found.shape == stated["shape"]
        assert np.array_equal(found, np.frombuffer(data, found.dtype).reshape(found.shape))


def test_mutated_headers(tmp_path: Path) -> None:
    check_headers(tmp_path, seed=1, rounds=500)


@pytest.mark.slow
def test_many_mutated_headers(tmp_path: Path) -> None:
    check_headers(tmp_path, seed=2, rounds=20_000)


# CSV


def csv_file(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


CSV_FAULTS: dict[str, tuple[str | bytes, str]] = {
    "a million columns": (",".join(f"c{i}" for i in range(10**6)), f"at most {MAX_COLUMNS:,} are read"),
    "a line without end": ("a,y\n" + "1" * 2**24, "a line has more than 16,777,215 characters"),
    "a name without end": ("a" * 2**18 + ",y\n1,2\n", "the columns' names cannot be read"),
    "an open quote in the names": ('"a,y\n1,2\n', "there is no line after the one with the columns' names"),
    "an open quote": ('a,y\n"1,2\n3,4\n', "column 'a'"),
    "zero bytes": (b"\0" * 10_000, "there is no line after the one with the columns' names"),
    "a zero byte": ("a,y\n1,\x002\n", "a.csv:2:1: column 'y': '\\x002' is no number"),
    "UTF-16": ("a,y\n1,2\n".encode("utf-16"), "the file cannot be read"),
    "latin-1, later": (b"a,y\n1,2\n\xe9,3\n", "the file cannot be read"),
    "Python's underscores": ("a,y\n1_000,2\n", "a.csv:2:1: column 'a': '1_000' is no number"),
    "other scripts": ("a,y\n\u0661,2\n", "a.csv:2:1: column 'a': '\u0661' is no number"),
    "other lines": ("a,y\n1,2\u20283,4\n", "a.csv:2:1: 3 values where 2 columns are named"),
    "ragged": ("a,y\n1,2\n3\n", "a.csv:3:1: 1 values where 2 columns are named"),
    "hexadecimal": ("a,y\n0x10,2\n", "'0x10' is no number"),
    "complex": ("a,y\n1j,2\n", "'1j' is no number"),
    "faults without end": ("a,y\n" + "x,y\n" * 10**6, "a.csv:6:1"),
}


@pytest.mark.parametrize("case", CSV_FAULTS)
def test_csv_that_is_odd_is_refused_in_its_place(tmp_path: Path, case: str) -> None:
    text, expected = CSV_FAULTS[case]
    found = fault(csv_file(tmp_path / "a.csv", text))
    assert expected in found
    assert len(found) < 3_000


def test_csv_without_an_end_is_refused_before_it_is_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with path.open("wb") as file:
        file.truncate(10**11)
    assert "a line has more than" in fault(path)


def test_csv_of_many_columns_takes_linear_time(tmp_path: Path) -> None:
    path = csv_file(
        tmp_path / "a.csv", ",".join(f"c{i}" for i in range(MAX_COLUMNS)) + "\n" + "1," * (MAX_COLUMNS - 1) + "1"
    )
    started = time.process_time()
    assert len(load_table(path).arrays) == MAX_COLUMNS
    assert time.process_time() - started < 10


@pytest.mark.parametrize(
    "text",
    [
        '"a\nb",y\n1,2\n', 'a,y\n"1\n",2\n', "a,y\r1,2\r", "\ufeffa,y\r\n1,2\r\n", "a,y\n\n\n1,2\n\n", "a,y\n 1 , 2 ",
    ],
)  # fmt: skip
def test_csv_of_other_programs_is_read(tmp_path: Path, text: str) -> None:
    columns = load_table(csv_file(tmp_path / "a.csv", text)).arrays
    assert [column.tolist() for column in columns.values()] == [[1], [2]]


def check_csv(folder: Path, seed: int, rounds: int) -> None:
    """What is read is what Python's own csv and float make of the text."""
    rng = random.Random(seed)
    words = [
        "1",
        "2.5",
        "-3",
        "1e5",
        ",",
        ",",
        ",",
        "\n",
        "\n",
        "\r\n",
        '"',
        " ",
        "nan",
        "inf",
        "x",
        "",
        "\0",
        "_",
        ".",
        "é",
        ";",
    ]
    path = folder / "a.csv"
    for _ in range(rounds):
        text = "a,b\n" * (rng.random() < 0.8) + "".join(rng.choice(words) for _ in range(rng.randint(0, 14)))
        csv_file(path, text)
        try:
            found = list(load_table(path).arrays.items())
        except SpecError as error:
            assert error.diagnostics and str(path) in str(error)
            continue
        names, *rows = csv.reader(io.StringIO(text, newline=""))
        assert [name for name, _ in found] == names
        expected = np.array([[float(cell) for cell in row] for row in rows if row]).T
        assert np.array_equal(np.array([column for _, column in found]), expected, equal_nan=True), text


def test_random_csv(tmp_path: Path) -> None:
    check_csv(tmp_path, seed=1, rounds=1_000)


@pytest.mark.slow
def test_much_random_csv(tmp_path: Path) -> None:
    check_csv(tmp_path, seed=2, rounds=30_000)
