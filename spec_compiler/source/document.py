"""A text read into data, and the places of the data in the text."""

from __future__ import annotations

import re
from typing import Any, Literal

from spec_compiler.diagnostics import DUPLICATE_KEY, EMPTY_DOCUMENT, SYNTAX_ERROR, Diagnostic, Path, Span, SpecError
from spec_compiler.source.decoding import decode
from spec_compiler.source.limits import LIMITS, Limits
from spec_compiler.source.places import Escapes, Lines, Place, Refused

# Each reader is imported where a text needs it: a good part of what a small file costs.

Format = Literal["json", "yaml"]

_SPACE = re.compile(r"\s*+")
# A mapping with a quoted key, a list of such things, or either in a string: whoever wrote this meant JSON.
_MEANT_AS_JSON = re.compile(r'\{\s*+["}]|\[[\s\[]*+["{\]0-9-]|"\s*+[{\[]')


class Document:
    """One parsed text: `data` in plain Python values, its `format`, and where each value stands."""

    def __init__(
        self, name: str, data: Any, format: Format, text: str, limits: Limits, inside: str | None = None
    ) -> None:
        self.name = name
        self.data = data
        self.format = format
        self.warnings: tuple[Diagnostic, ...] = ()
        self._text = text
        self._limits = limits
        self._inside = inside  # the JSON in a JSON string, if that is what the text is
        self._places: tuple[Place, Lines, Escapes | None] | None = None

    def __repr__(self) -> str:
        return f"Document({self.name!r}, format={self.format!r})"

    def span(self, path: Path, key: bool = False) -> Span | None:
        """Where the value at `path` stands, or its key; its nearest ancestor when there is no such value."""
        if self._places is None:
            self._places = self._find_places()
        place, lines, escapes = self._places
        start, end = place.find(path, key)
        return lines.span(start, end) if escapes is None else lines.span(escapes.outside(start), escapes.outside(end))

    def _find_places(self) -> tuple[Place, Lines, Escapes | None]:
        """Read the text once more for the places: most runs never ask, and they cost more than the data."""
        from spec_compiler.source.json_scanner import scan_json

        lines = Lines(self.name, self._text)
        if self._inside is not None:
            return scan_json(self._inside, self._limits)[1], lines, Escapes(self._text)
        if self.format == "json":
            return scan_json(self._text, self._limits)[1], lines, None
        from spec_compiler.source.yaml_reader import read_yaml

        place = read_yaml(self._text, self._limits, with_places=True)[1]
        assert place is not None  # asked for
        return place, lines, None


def parse(data: bytes | str, name: str = "<string>", format: Format | None = None, limits: Limits = LIMITS) -> Document:
    """Read JSON or YAML; raises `SpecError` with every fault and its place.

    Where no `format` is given, the name's extension and the text decide. A name in `.json` means JSON, one in
    `.yaml` or `.yml` means YAML, of which JSON is a part; any other text is JSON if it begins like JSON. A JSON
    string that holds JSON, as comes of dumping twice, is opened.
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
    begins_like_json = _MEANT_AS_JSON.match(text, _start(text)) is not None
    expected = format or _format_of(name) or ("json" if begins_like_json else "yaml")
    if expected == "json":
        return _read_json(text, name, limits)
    if begins_like_json and format is None:
        try:
            return _read_json(text, name, limits)  # many times faster than YAML
        except Refused as refused:
            if refused.faults[-1].code is not SYNTAX_ERROR:
                raise
    return _read_yaml(text, name, limits)


def _read_yaml(text: str, name: str, limits: Limits) -> Document:
    from spec_compiler.source.yaml_reader import read_yaml

    try:
        return Document(name, read_yaml(text, limits)[0], "yaml", text, limits)
    except Refused as refused:
        half = len(text) // 2
        if refused.faults[0].code is not DUPLICATE_KEY or text[:half] != text[half:]:
            raise
    # Saving a model by appending to its file, run twice, leaves it there twice; nothing is in doubt.
    document = Document(name, read_yaml(text[:half], limits)[0], "yaml", text[:half], limits)
    span = Lines(name, text).span(half, half)
    document.warnings = (Diagnostic(DUPLICATE_KEY, "the whole document is repeated here", "warning", span=span),)
    return document


def _read_json(text: str, name: str, limits: Limits) -> Document:
    from spec_compiler.source.json_reader import read_json

    data = read_json(text, limits)
    if not isinstance(data, str) or data[_start(data) :][:1] not in ("{", "["):
        return Document(name, data, "json", text, limits)
    try:
        return Document(name, read_json(data, limits), "json", text, limits, inside=data)
    except Refused as refused:
        escapes = Escapes(text)
        raise Refused([fault.moved(escapes) for fault in refused.faults]) from None


def _start(text: str) -> int:
    """The offset of the first character that is not white space."""
    return _SPACE.match(text).end()  # type: ignore[union-attr]  # matches always


def _format_of(name: str) -> Format | None:
    extension = name.rpartition(".")[2].lower()
    if extension == "json":
        return "json"
    return "yaml" if extension in ("yaml", "yml") else None
