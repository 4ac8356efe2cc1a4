"""Words for messages: values shown safely, and suggestions for misspelt names."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import nsmallest
from itertools import islice

# Comparing names costs time quadratic in their length, and nobody misspells a name longer than this.
_LONGEST_NAME = 64
# As many names as a large model has; a file with a thousand faults asks a thousand times.
_MOST_CANDIDATES = 1_000
# Of many names, only those whose letters are the most alike are compared with it in their order.
_MOST_COMPARED = 50
_LONGEST_NUMBER_BITS = 256
_LOG10_OF_2 = 0.30103


def plain(text: str) -> str:
    """`text` on one line and fit for a terminal: whatever does not print is escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def show(value: object, limit: int = 60) -> str:
    """The value as a message shows it: quoted, cut to about `limit` characters, safe for any terminal."""
    if isinstance(value, str):
        return repr(value) if len(value) <= limit else repr(value[:limit]) + "…"
    if value is None or isinstance(value, (bool, float)):
        return repr(value)
    if isinstance(value, int):
        return _show_int(value)
    if isinstance(value, (list, tuple, dict)):
        return _show_container(value, limit)
    return f"<{plain(type(value).__name__)}>"


def _show_int(value: int) -> str:
    # str() of a huge integer is slow, and Python refuses it beyond 4,300 digits.
    if value.bit_length() <= _LONGEST_NUMBER_BITS:
        return str(value)
    return f"an integer of about {int(value.bit_length() * _LOG10_OF_2) + 1:,} digits"


def _show_container(value: list[object] | tuple[object, ...] | dict[object, object], limit: int) -> str:
    opening, closing = "{}" if isinstance(value, dict) else "[]" if isinstance(value, list) else "()"
    shown = ""
    for item in value:
        room = limit - len(shown)
        if room < 4:  # every level costs room too, so the nesting shown is bounded along with the length
            return f"{opening}{shown}…{closing}"
        if isinstance(value, dict):
            shown += f"{show(item, room)}: {show(value[item], room // 2)}, "
        else:
            shown += f"{show(item, room - 2)}, "
    return opening + shown.removesuffix(", ") + closing


def did_you_mean(name: object, candidates: Iterable[str]) -> str | None:
    """Help such as "did you mean 'Dense'?", or None when no candidate is close; case does not matter."""
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME:
        return None
    wanted = name.casefold()
    by_folded: dict[str, str] = {}
    for candidate in islice(candidates, _MOST_CANDIDATES):
        by_folded.setdefault(candidate.casefold(), candidate)
    if wanted in by_folded:
        return f"did you mean {show(by_folded[wanted])}?"
    import difflib  # only a failing run pays for it

    near = [c for c in by_folded if 2 * abs(len(c) - len(wanted)) <= max(len(c), len(wanted))]
    if len(near) > _MOST_COMPARED:
        letters = set(wanted)
        near = nsmallest(_MOST_COMPARED, near, key=lambda c: len(letters ^ set(c)))
    matches = difflib.get_close_matches(wanted, near, n=1, cutoff=0.65)
    return f"did you mean {show(by_folded[matches[0]])}?" if matches else None
