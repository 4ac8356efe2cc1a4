"""What a diagnostic is, how it prints, and how one run collects many."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

from spec_compiler.diagnostics.text import plain, show

Severity = Literal["error", "warning"]
Path = tuple[str | int, ...]

MAX_STORED = 1_000  # of errors, and of warnings; the rest are only counted
_LONGEST_PATH = 300


class Span(NamedTuple):
    """A stretch of a file; lines and columns count characters from 1, the end is exclusive."""

    file: str
    line: int
    column: int
    end_line: int | None = None
    end_column: int | None = None

    def __str__(self) -> str:
        return f"{plain(self.file)}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of finding: a fixed `id`, a readable `slug`, and the page `spec-compiler explain` prints."""

    id: str
    slug: str
    explanation: str = field(compare=False, repr=False)

    def __str__(self) -> str:
        return self.id

    @property
    def summary(self) -> str:
        """The first sentence of the explanation."""
        return self.explanation.split(". ", 1)[0].split("\n\n", 1)[0].rstrip(".") + "."


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding: what is wrong, where, and what would help."""

    code: Code
    message: str
    severity: Severity = "error"
    path: Path = ()
    span: Span | None = None
    help: str | None = None

    @property
    def place(self) -> str:
        """`net.yaml:7:5`, or `layers[3].config.units` when no file is known, or nothing."""
        return str(self.span) if self.span is not None else format_path(self.path)

    def render(self) -> str:
        """`net.yaml:7:5: unknown layer 'Densee' [SC101]`, with the help on a line of its own."""
        place = f"{self.place}: " if self.place else ""
        severity = "warning: " if self.severity == "warning" else ""
        text = f"{place}{severity}{plain(self.message)} [{self.code.id}]"
        if self.help:
            lines = [plain(line) for line in self.help.splitlines()]
            text += "\n  help: " + "\n    ".join(lines)
        return text

    __str__ = render

    def to_dict(self) -> dict[str, Any]:
        """The finding as JSON-ready data."""
        span = self.span
        return {
            "code": self.code.id,
            "name": self.code.slug,
            "severity": self.severity,
            "message": self.message,
            "help": self.help,
            "path": list(self.path),
            "span": None
            if span is None
            else {
                "file": span.file,
                "line": span.line,
                "column": span.column,
                "end_line": span.end_line,
                "end_column": span.end_column,
            },
        }


def format_path(path: Path) -> str:
    """`layers[3].config.units`; a key that is no plain word is quoted in brackets."""
    text = ""
    for step in path:
        if isinstance(step, str) and step.isidentifier():
            text += f".{step}" if text else step
        else:
            text += f"[{show(step)}]"
        if len(text) > _LONGEST_PATH:
            return plain(text[:_LONGEST_PATH]) + "…"
    return plain(text)


@dataclass(frozen=True, slots=True, init=False)
class Report:
    """All that one run found, in the order of the file; `omitted` counts findings beyond the stored ones."""

    diagnostics: tuple[Diagnostic, ...]
    omitted: int

    def __init__(self, diagnostics: Iterable[Diagnostic] = (), omitted: int = 0) -> None:
        object.__setattr__(self, "diagnostics", tuple(sorted(diagnostics, key=_by_place)))
        object.__setattr__(self, "omitted", omitted)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong; warnings do not count."""
        return not self.errors

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        return tuple(d for d in self.diagnostics if d.severity == "error")

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        return tuple(d for d in self.diagnostics if d.severity == "warning")

    def __str__(self) -> str:
        lines = [d.render() for d in self.diagnostics]
        if self.omitted:
            lines.append(f"… and {self.omitted:,} more")
        return "\n".join(lines)


def _by_place(diagnostic: Diagnostic) -> tuple[bool, str, int, int]:
    span = diagnostic.span
    return (True, "", 0, 0) if span is None else (False, span.file, span.line, span.column)


class SpecError(Exception):
    """A spec that cannot be used; the message is what `validate` prints."""

    def __init__(self, diagnostics: Diagnostic | Iterable[Diagnostic], omitted: int = 0) -> None:
        found = (diagnostics,) if isinstance(diagnostics, Diagnostic) else diagnostics
        self.report = Report(found, omitted)
        super().__init__(self.report.diagnostics, omitted)  # what pickle calls __init__ with

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        return self.report.diagnostics

    def __str__(self) -> str:
        return str(self.report)


class Located(Protocol):
    """Whatever knows where a path stands in a file."""

    def span(self, path: Path, key: bool = False) -> Span | None: ...


class Reporter:
    """Collects the findings of a run; `source` gives them their places."""

    def __init__(self, source: Located | None = None) -> None:
        self.source = source
        self.error_count = 0
        self.warning_count = 0
        # Insertion order is kept for findings that have no place; as a dict it also drops repeats, among them what is
        # found in each element of a value that the file states once.
        self._stored: dict[tuple[Any, ...], Diagnostic] = {}
        self._left: dict[Severity, int] = {"error": MAX_STORED, "warning": MAX_STORED}

    def report(
        self,
        code: Code,
        message: str,
        path: Path = (),
        *,
        help: str | Callable[[], str | None] | None = None,
        severity: Severity = "error",
        on_key: bool = False,
    ) -> None:
        """Add a finding at `path` (at the key itself if `on_key`); a callable `help` runs if needed."""
        if not self._left[severity]:
            self._count(severity)
            return
        span = self.source.span(path, on_key) if self.source is not None else None
        self.add(Diagnostic(code, message, severity, path, span, help() if callable(help) else help))

    def warn(
        self,
        code: Code,
        message: str,
        path: Path = (),
        *,
        help: str | Callable[[], str | None] | None = None,
        on_key: bool = False,
    ) -> None:
        """Add a warning at `path`."""
        self.report(code, message, path, help=help, severity="warning", on_key=on_key)

    def add(self, diagnostic: Diagnostic) -> None:
        """Add a finding made elsewhere, unless the same is here already."""
        place = diagnostic.path if diagnostic.span is None else diagnostic.span
        same = (diagnostic.code, diagnostic.severity, diagnostic.message, diagnostic.help, place)
        if same in self._stored:
            return
        self._count(diagnostic.severity)
        if self._left[diagnostic.severity]:
            self._left[diagnostic.severity] -= 1
            self._stored[same] = diagnostic

    def extend(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Add findings made elsewhere, those of a caught `SpecError` for one."""
        for diagnostic in diagnostics:
            self.add(diagnostic)

    def _count(self, severity: Severity) -> None:
        if severity == "error":
            self.error_count += 1
        else:
            self.warning_count += 1

    @property
    def ok(self) -> bool:
        """Whether no error has been found so far."""
        return self.error_count == 0

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """The stored findings in the order they came."""
        return tuple(self._stored.values())

    def result(self) -> Report:
        """What was found so far, in the order of the file."""
        return Report(self._stored.values(), self.error_count + self.warning_count - len(self._stored))

    def raise_if_errors(self) -> None:
        """Raise what was found as a `SpecError`, warnings included, if any of it is an error."""
        if not self.ok:
            result = self.result()
            raise SpecError(result.diagnostics, result.omitted)
