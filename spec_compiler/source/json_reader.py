"""JSON: read by the standard library's C scanner, guarded so that it can neither sink nor surprise us.

Whatever is not plain sailing (an error, or input the C scanner must not see) goes to `json_scanner`, which is
slow, never recurses, and knows places.
"""

from __future__ import annotations

import re
import sys
from array import array
from functools import cache
from itertools import accumulate
from json import JSONDecoder
from typing import Any

from spec_compiler.diagnostics import LIMIT_EXCEEDED
from spec_compiler.source.json_scanner import scan_json
from spec_compiler.source.limits import LIMITS, Limits
from spec_compiler.source.places import Fault, Refused

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_KEPT = b'"[]{},'
_NOT_STRUCTURE = bytes(set(range(256)) - set(_KEPT))
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")


class _OddError(ValueError):
    """The fast reader met something that needs a second look."""


def read_json(text: str, limits: Limits) -> Any:
    """The data of a JSON text; raises `Refused`, with every fault and its place, if there are any."""
    structure = _structure(text)
    if sum(map(structure.count, (b",", b"[", b"{"))) > limits.max_nodes:
        message = f"the document is more than {limits.max_nodes:,} values"
        raise Refused([Fault(LIMIT_EXCEEDED, message, 0, 1)])
    if _depth(structure) <= limits.max_depth and not ("\\u" in text and _SURROGATE.search(text)):
        try:
            return _decoder(_int_limit_is_ours(limits)).decode(text)
        except (ValueError, RecursionError):
            pass  # RecursionError: the caller's own stack is nearly used up
    return scan_json(text, limits)[0]


def _depth(structure: bytes) -> int:
    return max(accumulate(array("b", structure.translate(_STEPS, b","))), default=0)


def _structure(text: str) -> bytes:
    """The brackets and commas of a JSON text that stand outside strings, some ten times faster than a regex."""
    data = text.encode()
    if b"\\" in data:
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    # Two quotes side by side change nothing for the rest, and most strings are empty by now.
    data = data.translate(None, _NOT_STRUCTURE).replace(b'""', b"")
    return b"".join(data.split(b'"')[::2]) if b'"' in data else data


def _int_limit_is_ours(limits: Limits) -> bool:
    """Whether this process refuses integers longer than the limit by itself; to ask each one costs time."""
    return 0 < sys.get_int_max_str_digits() <= limits.max_digits


@cache
def _decoder(ints_are_limited: bool) -> JSONDecoder:
    return JSONDecoder(
        object_pairs_hook=_unique,
        parse_float=_finite,
        parse_int=int if ints_are_limited else _short,
        parse_constant=_refuse,
    )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) != len(pairs):
        raise _OddError
    return mapping


def _finite(digits: str) -> float:
    number = float(digits)
    if number - number != 0.0:
        raise _OddError
    return number


def _short(digits: str) -> int:
    if len(digits) > LIMITS.max_digits:
        raise _OddError
    return int(digits)


def _refuse(_: str) -> Any:
    raise _OddError
