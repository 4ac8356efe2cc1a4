"""One member of a `.keras` archive, read by its name and in memory; nothing is ever extracted."""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spec_compiler.diagnostics import BAD_ARCHIVE, UNREADABLE_FILE, Code, Diagnostic, Span, SpecError
from spec_compiler.source.decoding import too_large
from spec_compiler.source.limits import LIMITS, Limits

MAX_MEMBERS = 10_000
"""A `.keras` file has three members and a few assets."""

_MAX_DIRECTORY = 4 * 2**20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, struct.error, NotImplementedError, RuntimeError, ValueError)


class _Clipped(io.BufferedReader):
    """A file of which no one read takes more than an archive's directory may have.

    zipfile reads a directory at once, whatever length it declares, and makes an object of a kilobyte of each 46 bytes.
    """

    def read(self, size: int | None = -1) -> bytes:
        return super().read(_MAX_DIRECTORY if size is None or size < 0 else min(size, _MAX_DIRECTORY))


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[zipfile.ZipFile]:
    """The zip archive in a file; raises BadZipFile where its directory is larger than any of ours."""
    with _Clipped(io.FileIO(path)) as file, zipfile.ZipFile(file) as archive:
        yield archive


def read_member(path: str | os.PathLike[str], member: str, limits: Limits = LIMITS) -> bytes | None:
    """The bytes of the archive's member of that name, None if it has none; raises SpecError for a bad archive.

    At most `max_bytes` of them are unpacked. Refused are archives with a member named twice, and members that are
    encrypted, linked, or packed by another method than deflate.
    """
    name = os.fspath(path)
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):
            raise _refused(UNREADABLE_FILE, name, "this is no file")
        with opened(path) as archive:
            members = archive.infolist()
            _check(members, name)
            found = next((info for info in members if info.filename == member), None)
            if found is None:
                return None
            _check_member(found, name)
            with archive.open(found) as stream:
                data = stream.read(limits.max_bytes + 1)
    except FileNotFoundError:
        raise _refused(UNREADABLE_FILE, name, "there is no such file") from None
    except _DAMAGE as error:
        raise _refused(BAD_ARCHIVE, name, f"the archive is damaged: {error}") from None
    except OSError as error:
        raise _refused(UNREADABLE_FILE, name, f"the file cannot be read: {error.strerror or error}") from None
    if len(data) > limits.max_bytes:
        raise too_large(f"{name}!{member}", limits)
    if len(data) != found.file_size:  # then the checksum was not looked at, either
        message = f"member '{member}' holds {len(data):,} bytes and declares {found.file_size:,}"
        raise _refused(BAD_ARCHIVE, name, message)
    return data


def _check(members: list[zipfile.ZipInfo], name: str) -> None:
    if len(members) > MAX_MEMBERS:
        raise _refused(BAD_ARCHIVE, name, f"the archive has more than {MAX_MEMBERS:,} members")
    seen: set[str] = set()
    for info in members:
        if info.filename in seen:
            raise _refused(BAD_ARCHIVE, name, f"the archive has two members named '{info.filename}'")
        seen.add(info.filename)


def _check_member(info: zipfile.ZipInfo, name: str) -> None:
    member = f"member '{info.filename}'"
    if info.flag_bits & _ENCRYPTED:
        raise _refused(BAD_ARCHIVE, name, f"{member} is encrypted")
    if info.compress_type not in _METHODS:
        raise _refused(BAD_ARCHIVE, name, f"{member} is packed by a method other than deflate")
    if stat.S_ISLNK(info.external_attr >> 16):
        raise _refused(BAD_ARCHIVE, name, f"{member} is a link")


def _refused(code: Code, name: str, message: str) -> SpecError:
    return SpecError(Diagnostic(code, message, span=Span(name, 1, 1)))
