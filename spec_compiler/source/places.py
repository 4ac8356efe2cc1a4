"""Where in a text each value stands, and what is wrong where, as offsets into the text."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Any, NamedTuple, NoReturn

from spec_compiler.diagnostics import Code, Diagnostic, Path, Span
from spec_compiler.source.limits import Limits

# A pair of surrogate escapes is one character.
_ESCAPE = re.compile(r"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\u....|\\.")


class Place:
    """The stretch of text that a value takes, its key's stretch, and the places of the values inside it."""

    __slots__ = ("children", "end", "key", "start")

    def __init__(self, start: int, end: int, children: Any = None, key: tuple[int, int] | None = None) -> None:
        self.start = start
        self.end = end
        self.children = children  # a dict or list like the data's own, or None for a scalar
        self.key = key

    def child(self, step: str | int) -> Place | None:
        """The place of the item at `step`, if there is one."""
        children: Any = self.children
        if isinstance(children, dict):
            found: Place | None = children.get(step)
        elif isinstance(children, list) and isinstance(step, int) and 0 <= step < len(children):
            found = children[step]
        else:
            found = None
        return found

    def find(self, path: Path, key: bool) -> tuple[int, int]:
        """The stretch of the value at `path`, or of its key; of its nearest ancestor when there is none."""
        place = self
        for step in path:
            child = place.child(step)
            if child is None:
                return place.start, place.end
            place = child
        if key and path and place.key is not None:
            return place.key
        return place.start, place.end


class Lines:
    """Turns offsets into lines and columns."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.starts = [0, *(match.end() for match in re.finditer(r"\r\n?|\n", text))]

    def place(self, offset: int) -> tuple[int, int]:
        """The line and column of the character at `offset`, both from 1."""
        line = bisect_right(self.starts, offset)
        return line, offset - self.starts[line - 1] + 1

    def span(self, start: int, end: int) -> Span:
        return Span(self.name, *self.place(start), *self.place(max(start, end)))


class Escapes:
    """For a text that is one JSON string: turns offsets in the string's value into offsets in the text."""

    def __init__(self, text: str) -> None:
        first = text.index('"') + 1
        self.inside = [0]
        self.beyond = [first]
        saved = 0
        for match in _ESCAPE.finditer(text, first):
            saved += match.end() - match.start() - 1
            self.inside.append(match.end() - first - saved)
            self.beyond.append(match.end())

    def outside(self, offset: int) -> int:
        last = bisect_right(self.inside, offset) - 1
        return self.beyond[last] + offset - self.inside[last]


class Fault(NamedTuple):
    """Something wrong with a text, from `start` up to `end`."""

    code: Code
    message: str
    start: int
    end: int
    help: str | None = None

    def diagnostic(self, lines: Lines) -> Diagnostic:
        return Diagnostic(self.code, self.message, span=lines.span(self.start, self.end), help=self.help)

    def moved(self, escapes: Escapes) -> Fault:
        """The fault of a text inside a JSON string, as one of the text around it."""
        return self._replace(start=escapes.outside(self.start), end=escapes.outside(self.end))


class Refused(Exception):
    """A text cannot be read."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__(faults)
        self.faults = faults


class Faults:
    """The faults found so far in one text."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.found: list[Fault] = []

    def add(self, code: Code, message: str, start: int, end: int, help: str | None = None) -> None:
        """Note a fault and read on."""
        self.found.append(Fault(code, message, start, end, help))
        if len(self.found) >= self.limits.max_faults:
            raise Refused(self.found)

    def stop(self, code: Code, message: str, start: int, end: int, help: str | None = None) -> NoReturn:
        """Note a fault that makes the rest of the text unreadable."""
        self.found.append(Fault(code, message, start, end, help))
        raise Refused(self.found)

    def check(self) -> None:
        """Refuse the text if any fault was found in it."""
        if self.found:
            raise Refused(self.found)
