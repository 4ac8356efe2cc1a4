"""What PyYAML and libyaml complain of, in plain words."""

from __future__ import annotations

import re

from yaml import MarkedYAMLError, YAMLError
from yaml.error import Mark
from yaml.reader import ReaderError

from spec_compiler.diagnostics import ENCODING, LIMIT_EXCEEDED, SYNTAX_ERROR, show
from spec_compiler.source.places import Fault

# What YAML allows in no place; libyaml reports it with an offset in bytes, so it is looked for again.
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_OPEN = "a bracket, brace or quote before it may be left open, or the indentation may be off"
_COLON = "a ':' is missing in the line before, the indentation is off, or the text needs quotes"
_PLAIN_WORDS: tuple[tuple[str, str, str | None], ...] = (
    # what they say, what we say, help
    (
        "mapping values are not allowed",
        "a ':' where no key can stand",
        _COLON,
    ),
    ("expected key", "expected a key here", "indent the line like its neighbours; " + _OPEN),
    ("expected '-'", "expected '-' for the next item of the list", "indent the line like its neighbours"),
    ("block end", "this line fits nothing above it", "indent the line like its neighbours; " + _OPEN),
    ("expected ',' or ']'", "expected ',' or ']' in the list", None),
    ("expected ',' or '}'", "expected ',' or '}' in the mapping", None),
    ("expected ':'", "expected ':' after the key", "a key and its ':' stand on one line"),
    ("expected alphabetic", "expected a name after '&' or '*'", "quote text that begins with '&' or '*'"),
    ("expected node content", "expected a value", None),
    ("document start", "expected the end of the document", _OPEN),
    ("unexpected end of stream", "the text ends inside a quoted string", None),
    ("undefined tag handle", "a tag with an unknown handle", "quote text that begins with '!'"),
    ("hexdecimal number", "bad escape in a double-quoted string", r"a backslash is written \\"),
    ("unknown escape character", "unknown escape in a double-quoted string", r"a backslash is written \\"),
    ("incompatible YAML", "the file asks for a version of YAML that is unknown", "remove the %YAML line"),
    ("tab character", "a tab where YAML allows only spaces", "indent with spaces"),
)


def explain(error: YAMLError | ValueError | OverflowError, text: str) -> Fault:
    """The fault behind an exception of the YAML parser."""
    if isinstance(error, ReaderError):
        match = _UNPRINTABLE.search(text)
        at = match.start() if match else 0
        message = f"the control character {show(text[at : at + 1])} is not allowed in YAML"
        return Fault(ENCODING, message, at, at + 1)
    if not isinstance(error, MarkedYAMLError):
        return Fault(SYNTAX_ERROR, f"not YAML: {error}", 0, 0)
    mark = error.problem_mark or error.context_mark
    at = min(mark.index, len(text)) if mark is not None else 0
    if "maximum nesting depth" in (error.problem or ""):
        # libyaml has a limit of its own, which its lookahead can meet before the parser meets ours.
        return Fault(LIMIT_EXCEEDED, "the document is nested too deep", at, at + 1)
    message, help = _say(error.problem or "not YAML", text, at)
    context = error.context_mark
    message = _item_out_of_line(text, mark, context) or message
    if help is None and context is not None and context.index < at:
        help = f"what is open here began in line {context.line + 1}, column {context.column + 1}"
    return Fault(SYNTAX_ERROR, message, at, at + 1, help)


def _item_out_of_line(text: str, mark: Mark | None, context: Mark | None) -> str | None:
    """What is wrong with a list's item that is indented otherwise than those above it."""
    if mark is None or context is None or text[mark.index : mark.index + 2] != "- " or text[context.index] != "-":
        return None
    return f"this '-' stands in column {mark.column + 1}, and those of the list above it in column {context.column + 1}"


def _say(problem: str, text: str, at: int) -> tuple[str, str | None]:
    found = text[at : at + 1]
    if found == "\t":
        return "a tab where YAML allows only spaces", "indent with spaces"
    if "cannot start any token" in problem:
        return f"nothing begins with {show(found)} in YAML", "put the text in quotes"
    if found == "{" and text[at - 1 : at] == "$":
        return "'${...}' is not in quotes", 'inside [...] and {...} write "${...}"'
    for theirs, ours, help in _PLAIN_WORDS:
        if theirs in problem:
            return (f"{ours}, found {show(found)}" if found.strip(": \r\n") else ours), help
    return problem, None
