"""`.keras` archives that lie, are damaged or are made to hurt: a diagnostic, in time and memory that the file bounds."""

from __future__ import annotations

import io
import random
import struct
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from spec_compiler.diagnostics import SpecError
from spec_compiler.loading import load_spec, validate

GOOD = (Path(__file__).parents[1] / "dialects" / "keras3" / "shared_layer.json").read_bytes()
MODEL = load_spec(Path(__file__).parents[1] / "dialects" / "keras3" / "shared_layer.json").members()
ENTRY, END = b"PK\x01\x02", b"PK\x05\x06"


def archive(members: list[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, data in members:
            file.writestr(name, data)
    return buffer.getvalue()


WHOLE = archive([("config.json", GOOD), ("metadata.json", b'{"keras_version": "3.15.1"}')])


def entry_says(at: int, value: int) -> bytes:
    """The archive with a number of 32 bits put into the directory's first entry."""
    data = bytearray(WHOLE)
    start = data.index(ENTRY) + at
    data[start : start + 4] = struct.pack("<I", value)
    return bytes(data)


def end_says(at: int, value: int) -> bytes:
    data = bytearray(WHOLE)
    start = data.rindex(END) + at
    data[start : start + 4] = struct.pack("<I", value)
    return bytes(data)


def crowded(entries: int) -> bytes:
    """A directory of so many entries, and nothing else."""
    entry = ENTRY + bytes(42)
    directory = entry * entries
    return directory + END + struct.pack("<HHHHIIH", 0, 0, entries & 0xFFFF, entries & 0xFFFF, len(directory), 0, 0)


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "more bytes declared than there are": (lambda: entry_says(24, 2**31), "declares 2,147,483,648"),
    "fewer bytes declared than there are": (lambda: entry_says(24, 10), "the archive is damaged"),
    "packed bytes to the end of time": (lambda: entry_says(20, 1), "the archive is damaged"),
    "member beyond the file": (lambda: entry_says(42, 2**31), "the archive is damaged"),
    "directory beyond the file": (lambda: end_says(16, 2**31 - 1), "SC01"),
    "directory longer than the file": (lambda: end_says(12, 2**31 - 1), "the archive is damaged"),
    "a million entries": (lambda: crowded(10**6), "the archive is damaged: Truncated central directory"),
    "more members than a model has": (
        lambda: archive([(f"{i}", b"") for i in range(10_001)]),
        "more than 10,000 members",
    ),
    "name that leads out": (lambda: archive([("../config.json", GOOD)]), "has no 'config.json'"),
    "name of other case": (lambda: archive([("Config.json", GOOD)]), "has no 'config.json'"),
    "folder for a file": (lambda: archive([("config.json/", b"")]), "has no 'config.json'"),
    "YAML for JSON": (lambda: archive([("config.json", b"layers: [Flatten]")]), "config.json:1:1: expected a value"),
    "no text": (lambda: archive([("config.json", b"\x89HDF\r\n\x1a\n")]), "this is an HDF5 file, not text"),
    "empty": (lambda: archive([("config.json", b"")]), "the document is empty"),
    "nothing": (lambda: b"", "the archive is damaged"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_archive_that_lies_is_refused_at_once(tmp_path: Path, case: str) -> None:
    make, expected = REFUSED[case]
    path = tmp_path / "model.keras"
    path.write_bytes(make())
    started = time.process_time()
    said = str(validate(path))
    assert time.process_time() - started < 2
    assert expected in said
    assert said.startswith(str(path))


@pytest.mark.parametrize(
    "data",
    [b"\0" * 5_000 + WHOLE, WHOLE + b"\0" * 500, b"#!/bin/sh\n" + WHOLE, WHOLE + WHOLE, WHOLE[:-2] + b"\x04\0note"],
    ids=["zeros before", "zeros behind", "a script before", "twice", "with a comment"],
)
def test_archive_among_other_bytes_is_read_as_zip_tools_do(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "model.keras"
    path.write_bytes(data)
    assert load_spec(path).members() == MODEL


def test_what_metadata_says_cannot_hurt(tmp_path: Path) -> None:
    for said in (b"[" * 100_000, b" " * 2**27, b'{"keras_version": 3}', b'{"keras_version": "\\u001b[31m"}', b"\xff"):
        path = tmp_path / "model.keras"
        path.write_bytes(archive([("config.json", GOOD), ("metadata.json", said)]))
        report = validate(path)
        assert report.ok or "is larger than" in str(report)


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (2**29, 2**29))
from spec_compiler.loading import validate
print(validate(sys.argv[1]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_utime)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limits here")
def test_directory_of_many_entries_takes_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    path.write_bytes(crowded(2 * 10**6))
    done = subprocess.run([sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, check=True)
    said, seconds = done.stdout.strip().rsplit("\n", 1)
    assert "the archive is damaged" in said
    assert float(seconds) < 5


def mutated(rng: random.Random) -> bytes:
    """The archive with a few of its bytes, mostly those of its directory, changed, left out or doubled."""
    data = bytearray(WHOLE)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(data.find(ENTRY) if rng.random() < 0.7 and ENTRY in data else 0, len(data))
        kind = rng.randrange(5)
        if kind == 0:
            data[at] = rng.randrange(256)
        elif kind == 1:
            data[at : at + 4] = struct.pack("<I", rng.choice([0, 1, 0xFFFF, 2**31, 2**32 - 1, len(WHOLE)]))
        elif kind == 2:
            del data[at : at + rng.randint(1, 30)]
        elif kind == 3:
            data[at:at] = data[at : at + rng.randint(1, 60)]
        else:
            del data[at + 1 :]
    return bytes(data)


def check_mutations(folder: Path, seed: int, rounds: int) -> None:
    rng = random.Random(seed)
    path = folder / "model.keras"
    for _ in range(rounds):
        path.write_bytes(mutated(rng))
        started = time.process_time()
        try:
            # Whatever is read at all has come through its checksum.
            assert load_spec(path).members() == MODEL
        except SpecError as error:
            assert {d.code.slug for d in error.diagnostics} <= {"bad-archive", "unreadable-file", "limit-exceeded"}
        assert time.process_time() - started < 2


def test_mutated_archives(tmp_path: Path) -> None:
    check_mutations(tmp_path, seed=1, rounds=400)


@pytest.mark.slow
def test_many_mutated_archives(tmp_path: Path) -> None:
    check_mutations(tmp_path, seed=2, rounds=10_000)
