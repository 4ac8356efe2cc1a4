"""What a YAML scalar means: the core schema of YAML 1.2, in which `no` is a word and `1e-3` a number."""

from __future__ import annotations

import re

from spec_compiler.diagnostics import INVALID_VALUE, LIMIT_EXCEEDED, NON_FINITE_NUMBER, Code, show
from spec_compiler.source.limits import Limits

Scalar = str | int | float | bool | None

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NON_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_NUMBER_STARTS = frozenset("-+.0123456789")
_BASES = {"0o": 8, "0x": 16}


class ScalarError(Exception):
    """A scalar that cannot be read as what it is meant to be."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def resolve(text: str, limits: Limits) -> Scalar:
    """The value of a plain (unquoted, untagged) scalar."""
    if text[:1] not in _NUMBER_STARTS:
        return _WORDS.get(text, text)
    if _INT.fullmatch(text):
        return _int(text, limits)
    if _FLOAT.fullmatch(text):
        return _float(text)
    if _NON_FINITE.fullmatch(text):
        raise _non_finite(text)
    return text


def construct(kind: str, text: str, limits: Limits) -> Scalar:
    """The value of a scalar that a tag says is a `str`, `null`, `bool`, `int` or `float`."""
    if kind == "str":
        return text
    if kind == "float" and (_FLOAT.fullmatch(text) or _NON_FINITE.fullmatch(text)):
        return _float(text)
    if kind == "int" and _INT.fullmatch(text):
        return _int(text, limits)
    if kind in ("bool", "null"):
        value = _WORDS.get(text, text)
        if isinstance(value, bool) if kind == "bool" else value is None:
            return value
    raise ScalarError(INVALID_VALUE, f"{show(text)} is no {kind}, as its tag says")


def _int(text: str, limits: Limits) -> int:
    digits = len(text.lstrip("+-"))
    if digits <= limits.max_digits:
        try:
            return int(text[2:], _BASES[text[:2]]) if text[:2] in _BASES else int(text)
        except ValueError:
            pass  # the process allows fewer digits than we do
    raise ScalarError(LIMIT_EXCEEDED, f"an integer of {digits:,} digits")


def _float(text: str) -> float:
    if _NON_FINITE.fullmatch(text):
        raise _non_finite(text)
    number = float(text)
    if number - number != 0.0:
        raise _non_finite(text)
    return number


def _non_finite(text: str) -> ScalarError:
    return ScalarError(NON_FINITE_NUMBER, f"{show(text)} is not a finite number")
