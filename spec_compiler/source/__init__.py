"""Bytes to documents with positions; every limit on hostile text lives here."""

from __future__ import annotations

from spec_compiler.source.document import Document, Format, parse
from spec_compiler.source.files import load, read_bytes
from spec_compiler.source.limits import LIMITS, Limits

__all__ = ["LIMITS", "Document", "Format", "Limits", "load", "parse", "read_bytes"]
