"""Bytes to text: UTF-8, or UTF-16 and UTF-32 where a byte order mark or the first bytes say so."""

from __future__ import annotations

import codecs
import re

from spec_compiler.diagnostics import ENCODING, LIMIT_EXCEEDED, Code, Diagnostic, Span, SpecError
from spec_compiler.source.limits import Limits
from spec_compiler.source.places import Lines

# The longer mark first: UTF-32's begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_BINARY = (
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x80\x02", "a pickle"),
    (b"\x80\x03", "a pickle"),
    (b"\x80\x04", "a pickle"),
    (b"\x80\x05", "a pickle"),
)
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")


def decode(data: bytes | str, name: str, limits: Limits) -> str:
    """The text without its byte order mark; raises `SpecError` for what is too long or is no text."""
    if not isinstance(data, (bytes, str)):
        raise TypeError(f"expected text or bytes, got {type(data).__name__}")
    if len(data) > limits.max_bytes:
        raise too_large(name, limits)
    if isinstance(data, str):
        text = data
    else:
        for magic, what in _BINARY:
            if data.startswith(magic):
                raise _refused(ENCODING, f"this is {what}, not text", Span(name, 1, 1))
        text = _to_text(data, name)
    text = text.removeprefix("\ufeff")
    if not text.isascii() and (half := _HALF_CHARACTER.search(text)):
        span = Lines(name, text).span(half.start(), half.end())
        raise _refused(ENCODING, "the text holds a lone surrogate, half of a character", span)
    return text


def _to_text(data: bytes, name: str) -> str:
    encoding = next((encoding for mark, encoding in _MARKS if data.startswith(mark)), None)
    if encoding is None:
        # No text in UTF-8 has a zero byte; one beside a letter is how UTF-16 writes that letter.
        zeros = (data[:1] == b"\x00", data[1:2] == b"\x00")
        encoding = {(True, False): "utf-16-be", (False, True): "utf-16-le"}.get(zeros, "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        before = data[: error.start].decode(encoding, "replace").removeprefix("\ufeff")
        span = Lines(name, before).span(len(before), len(before))
        shown = " ".join(f"0x{byte:02x}" for byte in data[error.start : error.start + 1])
        message = f"byte {error.start:,} is not {encoding.upper()}" + (f": {shown}" if shown else "")
        raise _refused(ENCODING, message, span, "save the file as UTF-8") from None


def too_large(name: str, limits: Limits) -> SpecError:
    """The error for a text above the limit on bytes."""
    return _refused(LIMIT_EXCEEDED, f"the document is larger than {limits.max_bytes:,} bytes", Span(name, 1, 1))


def _refused(code: Code, message: str, span: Span, help: str | None = None) -> SpecError:
    return SpecError(Diagnostic(code, message, span=span, help=help))
