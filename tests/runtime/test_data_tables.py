"""Data files: what `.npz` and `.csv` mean for a model, and what broken and hostile ones get."""

from __future__ import annotations

import io
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from spec_compiler.diagnostics import SpecError
from spec_compiler.ir import Value
from spec_compiler.runtime.data_tables import EVALUATE, PREDICT, TEST, TRAIN, load_table

IMAGE = Value("image", shape=(None, 2, 2, 1))
ROW = Value("row", shape=(None, 3))
OTHER = Value("other", shape=(None, 1))
DIGITS = Path(__file__).resolve().parents[2] / "examples" / "data" / "digits.npz"


def npy(shape: tuple[int, ...] = (2,), dtype: str = "<f4", data: bytes | None = None) -> bytes:
    header = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape!r}, }}"
    header = header.ljust(117) + "\n"
    body = bytes(4 * int(np.prod(shape, dtype=object))) if data is None else data
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + body


def archive(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


def fault(path: Path) -> str:
    with pytest.raises(SpecError) as caught:
        load_table(path)
    assert {d.code.id for d in caught.value.diagnostics} <= {"SC504", "SC010"}
    return str(caught.value)


# What the arrays mean


def test_the_shipped_digits_are_what_their_readme_says() -> None:
    table = load_table(DIGITS)
    readme = DIGITS.with_name("README.md").read_text()
    for name, array in table.arrays.items():
        assert f"| `{name}` | {array.shape} | {array.dtype} |" in readme
    assert table.arrays["x_train"].max() == 16
    assert sorted(set(table.arrays["y_test"].tolist())) == list(range(10))
    assert sum(len(array) for name, array in table.arrays.items() if name[0] == "x") == 1797


def test_the_shipped_digits_are_scikit_learns() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    digits = datasets.load_digits()
    table = load_table(DIGITS)
    ours = np.concatenate([table.arrays["x_train"], table.arrays["x_test"]]).reshape(-1, 64)
    labels = np.concatenate([table.arrays["y_train"], table.arrays["y_test"]])
    rows = sorted(map(tuple, np.column_stack([ours, labels]).tolist()))
    assert rows == sorted(map(tuple, np.column_stack([digits.data, digits.target]).astype(int).tolist()))


def test_parts_of_an_npz(tmp_path: Path) -> None:
    x, y = np.ones((4, 3)), np.arange(4)
    np.savez(tmp_path / "a.npz", x_train=x, y_train=y, x_test=x[:1], y_test=y[:1], sample_weight_train=y)
    table = load_table(tmp_path / "a.npz")
    found = {ending: table.part([ROW], ["out"], ending) for ending in (TRAIN, TEST, EVALUATE, PREDICT)}
    assert [part and (part.name, part.samples) for part in found.values()] == [
        ("x_train", 4), ("x_test", 1), ("x_test", 1), ("x_test", 1)
    ]  # fmt: skip
    assert found[TRAIN].sample_weight.tolist() == y.tolist()  # type: ignore[union-attr]
    np.savez_compressed(tmp_path / "b.npz", x=x, y=y)
    table = load_table(tmp_path / "b.npz")
    assert table.part([ROW], ["out"], TRAIN).y.tolist() == y.tolist()  # type: ignore[union-attr]
    assert table.part([ROW], ["out"], TEST) is None
    assert table.part([ROW], ["out"], EVALUATE).name == "x"  # type: ignore[union-attr]


def test_arrays_by_the_models_names(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", row_train=np.ones((4, 3)), other_train=np.ones(4), a_train=np.ones(4), z=np.ones(1))
    part = load_table(tmp_path / "a.npz").part([ROW, OTHER], ["a", "b"], TRAIN)
    assert part is not None
    assert list(part.x) == ["row", "other"]
    assert list(part.y) == ["a"]
    assert part.name == "row_train, other_train"
    assert load_table(tmp_path / "a.npz").part([ROW, OTHER], ["a", "b"], TEST) is None


CSV = "p,q,r,label\n1,2,3,0\n4,5,6.5,1\n\n7,8,9,2\n"


def test_csv_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"

    def part(text: str, inputs: list[Value], outputs: list[str]) -> tuple[dict[str, list], dict[str, list] | None]:
        path.write_text(text)
        found = load_table(path).part(inputs, outputs, TRAIN)
        assert found is not None
        return {k: v.tolist() for k, v in found.x.items()}, found.y and {k: v.tolist() for k, v in found.y.items()}

    rows = [[1, 2, 3], [4, 5, 6.5], [7, 8, 9]]
    assert part(CSV, [ROW], ["out"]) == ({"row": rows}, {"out": [0, 1, 2]})
    assert part(CSV.replace("label", "y"), [ROW], ["out"]) == ({"row": rows}, {"out": [0, 1, 2]})
    moved = "out,p,q,r\n0,1,2,3\n1,4,5,6.5\n2,7,8,9\n"
    assert part(moved, [ROW], ["out"]) == ({"row": rows}, {"out": [0, 1, 2]})
    assert part(CSV, [Value("input")], ["out"]) == ({"input": rows}, {"out": [0, 1, 2]})
    # The last column is no target where the input needs it.
    assert part("p,q,r\n1,2,3\n", [ROW], ["out"]) == ({"row": [[1, 2, 3]]}, None)
    assert part('"a","b","c","d","t"\n1,2,3,4,5\n', [IMAGE], ["t"])[0] == {"image": [[[[1], [2]], [[3], [4]]]]}
    several = "other,row.0,row.1,row.2,a.0,a.1,b,unused\n1,2,3,4,5,6,7,8\n"
    expected = {"row": [[2, 3, 4]], "other": [[1]]}, {"a": [[5, 6]], "b": [7]}
    assert part(several, [ROW, OTHER], ["a", "b"]) == expected
    assert part("\ufeffp,q,r,y\r\n1,2,3,4\r\n", [ROW], ["out"])[1] == {"out": [4]}
    assert load_table(path).part([ROW], ["out"], TEST) is None


def test_csv_whole_numbers_are_integers(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b,c\n1,1.5,1e300\n2,2,3\n")
    kinds = {name: array.dtype.kind for name, array in load_table(path).arrays.items()}
    assert kinds == {"a": "i", "b": "f", "c": "f"}


# What is refused


CSV_FAULTS = {
    "": ["the file is empty"],
    "a,b\n": ["there is no line after the one with the columns' names"],
    "1,2\n3,4\n": ["the first line holds numbers, '1, 2'", "the first line names the columns"],
    ",a\n0,1\n": ["column 1 has no name", "write the file without it"],
    "a,b,a\n0,1,2\n": ["columns 1 and 3 are both named 'a'"],
    "a;b\n1;2\n": ["the first line, 'a;b', has no comma", "separate the columns by commas"],
    "a,b\n1,x\n2,\n3\n": [
        "a.csv:2:1: column 'b': 'x' is no number [SC504]",
        "a.csv:3:1: column 'b': the cell is empty [SC504]",
        "a.csv:4:1: 1 values where 2 columns are named [SC504]",
    ],
    "a,b\n1,2,3\n": ["a.csv:2:1: 3 values where 2 columns are named"],
    "a,b\n1,\x1b[31m\n": ["'\\x1b[31m' is no number"],
    "a,b\n" + "x,y\n" * 1000: ["a.csv:6:1: column 'b'"],
}


@pytest.mark.parametrize("text", CSV_FAULTS, ids=range(len(CSV_FAULTS)))
def test_csv_faults_have_their_place(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    said = fault(path)
    assert all(part in said for part in CSV_FAULTS[text]), said
    assert len(said) < 2000


def test_files_that_are_no_data(tmp_path: Path) -> None:
    assert "no kind of data file that is known" in fault(tmp_path / "a.txt")
    assert "there is no such file [SC010]" in fault(tmp_path / "a.npz")
    (tmp_path / "b.npz").mkdir()
    assert "this is no file [SC010]" in fault(tmp_path / "b.npz")
    (tmp_path / "c.csv").write_bytes(b"a,b\n\xff\xfe,1\n")
    assert "the file cannot be read" in fault(tmp_path / "c.csv")
    for data in (b"", b"not a zip", DIGITS.read_bytes()[:1000], DIGITS.read_bytes()[-1000:]):
        (tmp_path / "d.npz").write_bytes(data)
        said = fault(tmp_path / "d.npz")
        assert "this is no .npz file, or a damaged one" in said or "part of the file is missing" in said


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "a.npz")
    assert "this is no file" in fault(tmp_path / "a.npz")


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(bytes(data))


def pickled() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([print], object), allow_pickle=True)
    return buffer.getvalue()


def duplicate(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file, pytest.warns(UserWarning, match="Duplicate"):
        file.writestr("x.npy", npy())
        file.writestr("x.npy", npy())


def declaring(size: int) -> Callable[[Path], None]:
    """An archive whose directory, and whose array, declare `size` bytes that are not there."""

    def make(path: Path) -> None:
        archive(path, {"x.npy": npy((size // 4,), data=b"")})
        data = path.read_bytes()
        at = data.index(b"PK\x01\x02")
        wrong = struct.pack("<I", min(size, 2**32 - 2))
        path.write_bytes(data[: at + 24] + wrong + data[at + 28 :])

    return make


def overlapping(path: Path) -> None:
    """Members that share the bytes of one, as a bomb does that grows with the square of its size."""
    archive(path, {f"{i}.npy": npy() if i == 0 else b"" for i in range(20)})
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    first = bytes(data[at + 10 : at + 28])
    for _ in range(20):
        length, extra, comment = struct.unpack("<HHH", data[at + 28 : at + 34])
        data[at + 10 : at + 28] = first
        data[at + 42 : at + 46] = bytes(4)
        at += 46 + length + extra + comment
    path.write_bytes(bytes(data))


HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "petabytes in the array's header": (
        lambda p: archive(p, {"x.npy": npy((2**50,), data=b"")}),
        "member 'x.npy' declares an array of shape (1125899906842624), but holds 128 bytes",
    ),
    "more than a machine word": (lambda p: archive(p, {"x.npy": npy((2**63, 2**63), data=b"")}), "declares an array"),
    "negative": (lambda p: archive(p, {"x.npy": npy((-1, -2))}), "declares an array of shape (-1, -2)"),
    "petabytes in the directory": (declaring(2**31), "cannot hold the 2,147,483,648 bytes that it declares"),
    "too short": (lambda p: archive(p, {"x.npy": npy((5,), data=bytes(4))}), "declares an array"),
    "pickle": (lambda p: archive(p, {"x.npy": pickled()}), "holds Python objects, which are not read"),
    "header is code": (
        lambda p: archive(p, {"x.npy": npy().replace(b"'descr'", b"print()")}),
        "member 'x.npy' is no array",
    ),
    "no array": (lambda p: archive(p, {"x.npy": b"hello"}), "member 'x.npy' is no array"),
    "empty member": (lambda p: archive(p, {"x.npy": b""}), "member 'x.npy' is no array"),
    "version 9": (lambda p: archive(p, {"x.npy": b"\x93NUMPY\x09\x00" + bytes(100)}), "member 'x.npy' is no array"),
    "other member": (lambda p: archive(p, {"../x": b""}), "member '../x' is no array"),
    "twice": (duplicate, "member 'x.npy' stands there twice"),
    "bzip2": (
        lambda p: archive(p, {"x.npy": npy()}, zipfile.ZIP_BZIP2),
        "compressed by a method that numpy does not use",
    ),
    "lzma": (
        lambda p: archive(p, {"x.npy": npy()}, zipfile.ZIP_LZMA),
        "compressed by a method that numpy does not use",
    ),
    "overlap": (overlapping, "the members overlap"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_archives_are_refused_at_once(tmp_path: Path, case: str) -> None:
    make, expected = HOSTILE[case]
    make(tmp_path / "a.npz")
    started = time.process_time()
    said = fault(tmp_path / "a.npz")
    assert time.process_time() - started < 1
    assert expected in said


def test_a_flipped_bit_is_found(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros(1000))
    flipped(tmp_path / "a.npz")
    assert "this is no .npz file, or a damaged one" in fault(tmp_path / "a.npz")
