"""Files to documents, reading no more than the limit and nothing but regular files."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from spec_compiler.diagnostics import UNREADABLE_FILE, Diagnostic, Span, SpecError
from spec_compiler.source.decoding import too_large
from spec_compiler.source.document import Document, Format, parse
from spec_compiler.source.limits import LIMITS, Limits

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def load(path: str | os.PathLike[str], format: Format | None = None, limits: Limits = LIMITS) -> Document:
    """Read a file of JSON or YAML, as `parse` does; raises `SpecError` if it cannot be read."""
    return parse(read_bytes(path, limits), os.fspath(path), format, limits)


def read_bytes(path: str | os.PathLike[str], limits: Limits = LIMITS) -> bytes:
    """The bytes of a regular file, at most `max_bytes` of them; raises `SpecError` for all else."""
    name = os.fspath(path)
    try:
        _check_regular(name, Path(path).stat().st_mode)
        with open(path, "rb", opener=_open_at_once) as file:
            _check_regular(name, os.fstat(file.fileno()).st_mode)
            data = file.read(limits.max_bytes + 1)
    except FileNotFoundError:
        raise _unreadable(name, "there is no such file") from None
    except PermissionError:
        raise _unreadable(name, "permission to read the file is denied") from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise _unreadable(name, f"the file cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > limits.max_bytes:
        raise too_large(name, limits)
    return data


def _open_at_once(path: str, flags: int) -> int:
    # Should a pipe have taken the file's place meanwhile, opening it must not wait for a writer.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _check_regular(name: str, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = next((kind for is_kind, kind in _KINDS if is_kind(mode)), "no regular file")
        raise _unreadable(name, f"this is {kind}, not a file")


def _unreadable(name: str, message: str) -> SpecError:
    return SpecError(Diagnostic(UNREADABLE_FILE, message, span=Span(name, 1, 1)))
