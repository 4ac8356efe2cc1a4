"""The limits on what a text may ask of us; everything below costs time and memory linear in the text."""

from __future__ import annotations

from typing import NamedTuple


class Limits(NamedTuple):
    """Bounds on one document. The largest model file known to us needs a hundredth of each."""

    max_bytes: int = 64 * 2**20
    max_depth: int = 128
    """Lists and mappings inside each other. Low enough for recursion over the data to be safe everywhere."""
    max_nodes: int = 1_000_000
    """Values in the document, keys not counted, aliases expanded."""
    max_alias_nodes: int = 200_000
    """Values that YAML aliases and merge keys may add to those written out."""
    max_digits: int = 4_300
    """Digits of an integer; Python's own default, held here whatever the process has set."""
    max_directives: int = 32
    """Lines beginning with `%`, which libyaml compares pairwise."""
    max_faults: int = 100
    """Findings after which a text is read no further."""


LIMITS = Limits()
