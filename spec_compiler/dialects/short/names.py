"""What a reference in one scope means: the names of a model, or of a block, as far down as one has read."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from itertools import islice
from typing import Any

from spec_compiler.diagnostics import (
    AMBIGUOUS_REFERENCE,
    DUPLICATE_NAME,
    INVALID_VALUE,
    MISSING_REFERENCE,
    Path,
    Reporter,
    did_you_mean,
    show,
)
from spec_compiler.dialects.short.document import UNKNOWN, Source, Sources

_MAX_CANDIDATES = 100
MAX_INDEX = 999_999
"""No output has a larger index."""

_WITH_INDEX = re.compile(rf"(.+)\[([0-9]{{1,{len(str(MAX_INDEX))}}})\]", re.DOTALL)


class Names:
    """Slots by name. Inputs take the first slots, items the next ones in their order."""

    def __init__(self, inputs: Iterable[str], items: list[Any], reporter: Reporter) -> None:
        self.slots = {name: slot for slot, name in enumerate(inputs)}
        self.inputs = tuple(self.slots)
        self.unnamed: defaultdict[str, list[int]] = defaultdict(list)
        """Class key of unnamed items -> their slots."""
        self.later = {item["name"] for item in items if isinstance(item, dict) and isinstance(item.get("name"), str)}
        self.reporter = reporter

    def add(self, name: str | None, label: str, slot: int, path: Path) -> None:
        """Make the item in `slot` known: by its name, or else by its class key."""
        if name is None:
            self.unnamed[label].append(slot)
        elif name in self.slots:
            what = "an input" if name in self.inputs else "a layer above"
            self.reporter.report(DUPLICATE_NAME, f"the name {show(name)} is taken by {what}", (*path, "name"))
        else:
            self.slots[name] = slot

    def sources(self, value: Any, path: Path) -> Sources:
        """What `from: value` refers to; UNKNOWN where a fault was reported."""
        if not isinstance(value, list):
            return self.find(value, path) or UNKNOWN
        self._check_filled(value, path)
        found: list[Source | list[Source]] = []
        for i, part in enumerate(value):
            if isinstance(part, list):
                self._check_filled(part, (*path, i))
                found.append([self.find(name, (*path, i, j)) or UNKNOWN for j, name in enumerate(part)])
            else:
                found.append(self.find(part, (*path, i)) or UNKNOWN)
        return found

    def _check_filled(self, value: list[Any], path: Path) -> None:
        if not value:
            help = "leave it out to take the item before"
            self.reporter.report(INVALID_VALUE, "expected the name of a layer, or several, got none", path, help=help)

    def find(self, reference: Any, path: Path) -> Source | None:
        """The source that `name` or `name[1]` stands for; None where a fault was reported."""
        if not isinstance(reference, str):
            help = "write `name`, `name[1]` for a second output, or a list of them"
            self.reporter.report(INVALID_VALUE, f"expected the name of a layer, got {show(reference)}", path, help=help)
            return None
        slot = self._slot(reference)
        if slot is not None:
            return Source(slot, None, path)
        indexed = _WITH_INDEX.fullmatch(reference)
        name = indexed[1] if indexed else reference
        slot = self._slot(name)
        if slot is not None and indexed:
            return Source(slot, int(indexed[2]), path)
        self._report_missing(name, path)
        return None

    def _slot(self, name: str) -> int | None:
        if name in self.slots:
            return self.slots[name]
        slots = self.unnamed.get(name, ())
        return slots[0] if len(slots) == 1 else None

    def _report_missing(self, name: str, path: Path) -> None:
        count = len(self.unnamed.get(name, ()))
        if count > 1:
            help = "give the one that is meant a `name`, and refer to that"
            self.reporter.report(AMBIGUOUS_REFERENCE, f"{show(name)} may be any of the {count} above", path, help=help)
        elif name in self.later:
            help = "a layer takes its input from layers above it: move this one down, or that one up"
            self.reporter.report(MISSING_REFERENCE, f"layer {show(name)} is not above this one", path, help=help)
        else:
            message = f"there is no layer {show(name)} above"
            self.reporter.report(MISSING_REFERENCE, message, path, help=lambda: did_you_mean(name, self._near()))

    def _near(self) -> list[str]:
        """The names last read; comparing with all of a huge file's for each of its faults would take too long."""
        return [*islice(reversed(self.slots), _MAX_CANDIDATES), *islice(self.unnamed, _MAX_CANDIDATES)]
