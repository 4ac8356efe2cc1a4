"""A text read into data, and the places of the data in the text."""

from __future__ import annotations

import re
from typing import Any, Literal

from spec_compiler.diagnostics import (
    EMPTY_DOCUMENT,
    SYNTAX_ERROR,
    Diagnostic,
    Path,
    Span,
    SpecError,
)
from spec_compiler.source.decoding import decode
from spec_compiler.source.json_reader import read_json
from spec_compiler.source.json_scanner import scan_json
from spec_compiler.source.limits import LIMITS, Limits
from spec_compiler.source.places import Fault, Lines, Place, Refused

Format = Literal["json", "yaml"]

_BLANK = re.compile(r"\s*+")
# A mapping with a quoted key, a list of such things, or a string: whoever wrote this meant JSON.
_MEANT_AS_JSON = re.compile(r'\s*+(?:\{\s*+["}]|\[[\s\[]*+["{\]0-9-]|")')


class Document:
    """One parsed text: `data` in plain Python values, its `format`, and where each value stands."""

    def __init__(self, name: str, data: Any, format: Format, text: str, limits: Limits, wrapped: bool) -> None:
        self.name = name
        self.data = data
        self.format = format
        self._text = text
        self._limits = limits
        self._wrapped = wrapped
        self._found: tuple[Place, Lines] | None = None

    def __repr__(self) -> str:
        return f"Document({self.name!r}, format={self.format!r})"

    def span(self, path: Path, key: bool = False) -> Span | None:
        """Where the value at `path` stands, or its key; its nearest ancestor when there is no such value."""
        if self._found is None:
            self._found = self._find_places(), Lines(self.name, self._text)
        place, lines = self._found
        return lines.span(*place.find(path, key))

    def _find_places(self) -> Place:
        """Read the text once more for the places: most runs never ask, and they cost more than the data."""
        if self.format == "yaml":
            from spec_compiler.source.yaml_reader import read_yaml

            place = read_yaml(self._text, self._limits, with_places=True)[1]
            assert place is not None  # asked for
            return place
        place = scan_json(self._text, self._limits)[1]
        # The text inside a JSON string has escapes, so places in it would mislead.
        return Place(place.start, place.start + 1) if self._wrapped else place


def parse(
    data: bytes | str,
    name: str = "<string>",
    format: Format | None = None,
    limits: Limits = LIMITS,
) -> Document:
    """Read JSON or YAML; raises `SpecError` with every fault and its place.

    Without a `format`, the name's extension and the text itself decide: `.json` is JSON, and of all else only what
    cannot be JSON is read as YAML. A JSON string that holds JSON, as comes of dumping twice, is opened.
    """
    text = decode(data, name, limits)
    if not text.strip():
        raise SpecError(Diagnostic(EMPTY_DOCUMENT, "the document is empty", span=Span(name, 1, 1)))
    try:
        return _read(text, name, format, limits)
    except Refused as refused:
        lines = Lines(name, text)
        raise SpecError([fault.diagnostic(lines) for fault in refused.faults]) from None


def _read(text: str, name: str, format: Format | None, limits: Limits) -> Document:
    hint = format or _format_of(name)
    if format != "yaml" and (hint == "json" or _first(text) in '{["'):
        try:
            return _read_json(text, name, limits)
        except Refused as refused:
            if hint == "json" or refused.faults[-1].code is not SYNTAX_ERROR:
                raise
            meant_as_json = hint is None and _MEANT_AS_JSON.match(text)
            try:
                return _read_yaml(text, name, limits)
            except Refused:
                if meant_as_json:
                    raise refused from None
                raise
    return _read_yaml(text, name, limits)


def _read_yaml(text: str, name: str, limits: Limits) -> Document:
    from spec_compiler.source.yaml_reader import read_yaml  # PyYAML takes a while to import

    return Document(name, read_yaml(text, limits)[0], "yaml", text, limits, wrapped=False)


def _read_json(text: str, name: str, limits: Limits) -> Document:
    data = read_json(text, limits)
    if not isinstance(data, str) or not data or _first(data) not in "{[":
        return Document(name, data, "json", text, limits, wrapped=False)
    try:
        inner = read_json(data, limits)
    except Refused as refused:
        raise Refused(_from_inside(refused.faults, text, data)) from None
    return Document(name, inner, "json", text, limits, wrapped=True)


def _from_inside(faults: list[Fault], text: str, inside: str) -> list[Fault]:
    """Faults of the text inside a JSON string, as faults at the start of that string."""
    start = _BLANK.match(text).end()  # type: ignore[union-attr]  # matches always
    lines = Lines("", inside)
    moved = []
    for fault in faults:
        line, column = lines.place(fault.start)
        message = f"in the JSON inside this string (line {line}, column {column}): {fault.message}"
        moved.append(fault._replace(message=message, start=start, end=start + 1))
    return moved


def _first(text: str) -> str:
    """The first character that is not white space."""
    start = _BLANK.match(text).end()  # type: ignore[union-attr]  # matches always
    return text[start : start + 1]


def _format_of(name: str) -> Format | None:
    extension = name.rpartition(".")[2].lower()
    if extension == "json":
        return "json"
    return "yaml" if extension in ("yaml", "yml") else None
