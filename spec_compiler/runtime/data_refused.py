"""How a data file is refused, by whichever reader."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from spec_compiler.diagnostics import DATA_MISMATCH, Code, Diagnostic, Span, SpecError


def refuse(path: Path, message: str, code: Code = DATA_MISMATCH, help: str | None = None, line: int = 1) -> NoReturn:
    """Raise SpecError for what is wrong with the file, or with this line of it."""
    raise SpecError(Diagnostic(code, message, span=Span(str(path), line, 1), help=help))
