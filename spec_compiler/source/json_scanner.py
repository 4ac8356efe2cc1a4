"""JSON, slowly: every fault in plain words and every value with its place, without recursion."""

from __future__ import annotations

import re
from json.decoder import JSONDecodeError, scanstring  # type: ignore[attr-defined]  # typeshed lacks it
from typing import Any

from spec_compiler.diagnostics import (
    DUPLICATE_KEY,
    ENCODING,
    LIMIT_EXCEEDED,
    NON_FINITE_NUMBER,
    SYNTAX_ERROR,
    show,
)
from spec_compiler.source.limits import Limits
from spec_compiler.source.places import Faults, Lines, Place

_SPACES = frozenset(" \t\n\r")
_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)((?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)(?![-+.\w])")
_WORD = re.compile(r"[-+.\w]+")
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
_CONSTANTS = {"true": True, "false": False, "null": None}
_NON_FINITE = ("NaN", "Infinity", "-Infinity")
_CLOSER = {dict: "}", list: "]"}
_NAME = {dict: "object", list: "list"}
_VALUE = "expected a value"
_NUMBER_HELP = "JSON writes numbers like 10, -0.5 and 1e-3"
_HELP = {
    "True": "JSON writes true",
    "False": "JSON writes false",
    "None": "JSON writes null",
    "'": "JSON strings stand in double quotes",
    "/": "JSON has no comments",
    "#": "JSON has no comments",
}


def scan_json(text: str, limits: Limits) -> tuple[Any, Place]:
    """The data of a JSON text and their places; raises `Refused` with every fault found."""
    return _Scanner(text, limits).scan()


class _Open:
    """An object or list whose end is not reached yet."""

    __slots__ = ("data", "key", "key_place", "place")

    def __init__(self, data: dict[str, Any] | list[Any], start: int) -> None:
        self.data = data
        self.place = Place(start, start, {} if isinstance(data, dict) else [])
        self.key = ""
        self.key_place = (start, start)

    def add(self, value: Any, place: Place) -> None:
        if isinstance(self.data, dict):
            place.key = self.key_place
            self.data[self.key] = value
            self.place.children[self.key] = place
        else:
            self.data.append(value)
            self.place.children.append(place)


class _Scanner:
    def __init__(self, text: str, limits: Limits) -> None:
        self.text = text
        self.limits = limits
        self.faults = Faults(limits)
        self.at = 0
        self.nodes = 0
        self.stack: list[_Open] = []

    def scan(self) -> tuple[Any, Place]:
        while True:
            value, place, is_open = self._value()
            if is_open:
                continue
            while self.stack:
                top = self.stack[-1]
                top.add(value, place)
                if not self._is_closed(top):
                    break
                value, place = top.data, top.place
            else:
                self._expect_end()
                self.faults.check()
                return value, place

    def _skip(self) -> str:
        """Go to the next character that is not white space and return it, or "" at the end."""
        char = self.text[self.at : self.at + 1]
        if char in _SPACES:
            self.at = _SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]  # matches always
            char = self.text[self.at : self.at + 1]
        return char

    def _value(self) -> tuple[Any, Place, bool]:
        """Read a value; the last item says whether it is an object or list that is left open."""
        char, start = self._skip(), self.at
        self.nodes += 1
        if self.nodes > self.limits.max_nodes:
            self._stop_at_limit(f"more than {self.limits.max_nodes:,} values")
        if char == "{" or char == "[":
            return self._open(char)
        if char == '"':
            value: Any = self._string()
        elif char == "-" or "0" <= char <= "9":
            value = self._number()
        else:
            value = self._constant()
        return value, Place(start, self.at), False

    def _open(self, char: str) -> tuple[Any, Place, bool]:
        if len(self.stack) >= self.limits.max_depth:
            self._stop_at_limit(f"nested more than {self.limits.max_depth} deep")
        top = _Open({} if char == "{" else [], self.at)
        self.at += 1
        if self._skip() == _CLOSER[type(top.data)]:
            self.at += 1
            top.place.end = self.at
            return top.data, top.place, False
        self.stack.append(top)
        if char == "{":
            self._key(top)
        return top.data, top.place, True

    def _is_closed(self, top: _Open) -> bool:
        """After a value: whether the object or list ends here, and not with a comma and the next item."""
        closer = _CLOSER[type(top.data)]
        char = self._skip()
        if char == closer:
            self.at += 1
            top.place.end = self.at
            self.stack.pop()
            return True
        if char != ",":
            self._fail(f"expected ',' or {closer!r} after the value")
        comma = self.at
        self.at += 1
        if self._skip() == closer:
            message = f"a comma before the closing {closer!r}, where JSON allows none"
            self.faults.stop(SYNTAX_ERROR, message, comma, comma + 1, "remove the comma")
        if isinstance(top.data, dict):
            self._key(top)
        return False

    def _key(self, top: _Open) -> None:
        if self._skip() != '"':
            self._fail("expected a key in double quotes")
        start = self.at
        top.key = self._string()
        top.key_place = (start, self.at)
        if top.key in top.data:
            self.faults.add(DUPLICATE_KEY, f"duplicate key {show(top.key)}", start, self.at)
        if self._skip() != ":":
            self._fail(f"expected ':' after the key {show(top.key)}")
        self.at += 1

    def _string(self) -> str:
        start = self.at
        value: str
        try:
            value, self.at = scanstring(self.text, start + 1, True)
        except JSONDecodeError as error:
            self._fail_in_string(start, error)
        if _HALF_CHARACTER.search(value):
            message = "a surrogate escape stands alone; together with its other half it would be a character"
            self.faults.add(ENCODING, message, start, self.at)
        return value

    def _fail_in_string(self, start: int, error: JSONDecodeError) -> None:
        if error.msg.startswith("Unterminated"):
            self.faults.stop(SYNTAX_ERROR, "a string is not closed by '\"'", start, start + 1)
        if error.msg.startswith("Invalid control"):
            help = r"write \n for a line break and \t for a tab"
            message = f"a string holds the control character {show(self.text[error.pos])}"
            self.faults.stop(SYNTAX_ERROR, message, error.pos, error.pos + 1, help)
        found = show(self.text[error.pos : error.pos + 2])
        help = r"a backslash is written \\"
        self.faults.stop(SYNTAX_ERROR, f"bad escape at {found} in a string", error.pos, error.pos + 1, help)

    def _number(self) -> int | float | None:
        match = _NUMBER.match(self.text, self.at)
        if match is None:
            return self._constant()
        word, start, self.at = match.group(), self.at, match.end()
        if match[1]:
            number = float(word)
            if number - number != 0.0:
                self._report_non_finite(word, start)
            return number
        if len(word) - (word[0] == "-") > self.limits.max_digits:
            message = f"an integer of {len(word):,} digits"
            self.faults.add(LIMIT_EXCEEDED, message, start, self.at)
            return 0
        try:
            return int(word)
        except ValueError:  # the process allows fewer digits than we do
            self.faults.add(LIMIT_EXCEEDED, f"an integer of {len(word):,} digits", start, self.at)
            return 0

    def _constant(self) -> bool | None:
        word = self._word()
        if word in _NON_FINITE:
            start = self.at
            self.at += len(word)
            self._report_non_finite(word, start)
        elif word in _CONSTANTS:
            self.at += len(word)
            return _CONSTANTS[word]
        else:
            self._fail(_VALUE)
        return None

    def _word(self) -> str:
        match = _WORD.match(self.text, self.at)
        return match.group() if match else ""

    def _report_non_finite(self, word: str, start: int) -> None:
        message = f"{show(word)} is not a finite number"
        self.faults.add(NON_FINITE_NUMBER, message, start, self.at)

    def _expect_end(self) -> None:
        if self._skip():
            self._fail("expected the end of the document")

    def _stop_at_limit(self, what: str) -> None:
        self.faults.stop(LIMIT_EXCEEDED, f"the document is {what}", self.at, self.at + 1)

    def _fail(self, expected: str) -> None:
        """Stop with a syntax error at the current character."""
        if self.at < len(self.text):
            found = self._word() or self.text[self.at]
            is_number = expected == _VALUE and found[0] in "-+.0123456789"
            help = _NUMBER_HELP if is_number else _HELP.get(found)
            self.faults.stop(SYNTAX_ERROR, f"{expected}, found {show(found)}", self.at, self.at + len(found), help)
        help = None
        if self.stack:
            top = self.stack[-1]
            line, _ = Lines("", self.text).place(top.place.start)
            help = f"the {_NAME[type(top.data)]} that begins in line {line} is not closed"
        self.faults.stop(SYNTAX_ERROR, f"{expected}, found the end of the text", self.at, self.at, help)
