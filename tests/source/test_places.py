"""Spans point at the text that a path names."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spec_compiler.diagnostics import DUPLICATE_KEY, ENCODING, NON_FINITE_NUMBER, Span, SpecError
from spec_compiler.source import parse

YAML = """\
name: digits
layers:
  - Conv2D: {filters: 32, "kernel_size": [3, 3]}
    name: stem
  - Dense:
      units: 10

base: &base
  a: 1
again: *base
merged:
  <<: *base
  b: 2
"""
JSON = """\
{"name": "digits",
 "layers": [{"config": {"filters": 32, "é🎉": [3, 3]}},
            {"units": 10}]}
"""


def pointed_at(text: str, span: Span) -> str:
    lines = text.splitlines(keepends=True)
    starts = [sum(map(len, lines[:n])) for n in range(len(lines) + 1)]
    return text[starts[span.line - 1] + span.column - 1 : starts[span.end_line - 1] + span.end_column - 1]


@pytest.mark.parametrize(
    ("path", "value", "key"),
    [
        (("name",), "digits", "name"),
        (("layers", 0, "Conv2D", "filters"), "32", "filters"),
        (("layers", 0, "Conv2D", "kernel_size"), "[3, 3]", '"kernel_size"'),
        (("layers", 0, "Conv2D", "kernel_size", 1), "3", "3"),
        (("layers", 0, "name"), "stem", "name"),
        (("layers", 1), "Dense:\n      units: 10", "Dense:\n      units: 10"),
        (("layers", 1, "Dense"), "units: 10", "Dense"),
        (("base",), "&base\n  a: 1", "base"),
        (("again",), "*base", "again"),
        (("again", "a"), "1", "a"),
        (("merged", "a"), "1", "a"),
        (("merged", "b"), "2", "b"),
    ],
)
def test_yaml_span_covers_value_and_key(path, value, key):
    document = parse(YAML)
    assert pointed_at(YAML, document.span(path)) == value
    assert pointed_at(YAML, document.span(path, key=True)) == key


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize(
    ("path", "value", "key"),
    [
        (("name",), '"digits"', '"name"'),
        (("layers", 0, "config", "filters"), "32", '"filters"'),
        (("layers", 0, "config", "é🎉"), "[3, 3]", '"é🎉"'),
        (("layers", 0, "config", "é🎉", 1), "3", "3"),
        (("layers", 1), '{"units": 10}', '{"units": 10}'),
        (("layers", 1, "units"), "10", '"units"'),
    ],
)
def test_json_span_covers_value_and_key_in_a_string_too(path, value, key, wrap):
    text = json.dumps(JSON) if wrap else JSON
    document = parse(text)
    value, key = (json.dumps(part)[1:-1] if wrap else part for part in (value, key))
    assert pointed_at(text, document.span(path)) == value
    assert pointed_at(text, document.span(path, key=True)) == key


@pytest.mark.parametrize("text", [YAML, JSON])
def test_span_of_what_is_not_there_is_its_nearest_ancestor(text):
    document = parse(text)
    assert document.span(("layers", 0, "nothing", 3, "x")) == document.span(("layers", 0))
    assert document.span(("layers", 9)) == document.span(("layers",))
    assert document.span(("layers", -1)) == document.span(("layers",))
    assert document.span(("name", "x"), key=True) == document.span(("name",))
    assert document.span(("nothing",)) == document.span(())


def test_span_counts_from_one_after_a_byte_order_mark():
    assert parse("\ufeffa: 1").span(("a",)) == Span("<string>", 1, 4, 1, 5)


keys = st.text(st.characters(codec="utf-8"), max_size=5)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | keys,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=20,
)


def paths_of(data, path=()):
    yield path, data
    if isinstance(data, (list, dict)):
        for step, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from paths_of(value, (*path, step))


@given(values, st.booleans(), st.sampled_from([None, 1]))
def test_json_round_trip_and_every_span(data, ensure_ascii, indent):
    text = json.dumps(data, ensure_ascii=ensure_ascii, indent=indent)
    document = parse(text, format="json")
    inside = isinstance(data, str) and data.strip()[:1] in ("{", "[")
    if inside:  # a string that looks like JSON is opened, and this one hardly is any
        return
    assert repr(document.data) == repr(json.loads(text))
    ends = text.split("\n")
    for path, value in paths_of(data):
        span = document.span(path)
        start = sum(len(line) + 1 for line in ends[: span.line - 1]) + span.column - 1
        assert json.JSONDecoder().raw_decode(text, start)[0] == value


@given(values)
def test_json_is_yaml(data):
    # Characters that YAML does not take raw are escaped; it knows no surrogate pairs.
    text = json.dumps(data, ensure_ascii=False).replace("\x7f", "\\u007f")
    text = "".join(c if c.isprintable() or c == "\n" else f"\\U{ord(c):08x}" for c in text)
    document = parse(text, format="yaml")
    assert document.format == "yaml"
    assert document.data == data
    for path, value in paths_of(data):
        if isinstance(value, int) and not isinstance(value, bool):
            span = document.span(path)
            assert text[span.column - 1 : span.end_column - 1] == str(value)


@given(st.text(st.sampled_from("[]{}:,-?&*!|>\"'#%@ \n\tab1.<~\\\r\u2028é"), max_size=40))
def test_any_text_is_read_or_refused(text):
    for format in (None, "json", "yaml"):
        try:
            document = parse(text, format=format)
        except SpecError as error:
            assert all(found.span is not None for found in error.diagnostics)
        else:
            assert document.span(()) is not None


@given(st.text(st.sampled_from('[]{}:,"\\u0b1-+.eE n\n\t'), max_size=12) | st.builds(json.dumps, values), st.data())
def test_what_json_refuses_we_refuse(text, data):
    cut = data.draw(st.integers(0, len(text)))
    text = text[:cut] + data.draw(st.sampled_from(["", ",", '"', "]", "}", "1", ":", "\\"])) + text[cut:]
    try:
        expected = json.loads(text)
    except ValueError:
        with pytest.raises(SpecError):
            parse(text, format="json")
        return
    try:
        document = parse(text, format="json")
    except SpecError as error:
        # A character cut in two by the edit is one that json lets pass, and no file can hold.
        halved = {ENCODING} if re.search("[\ud800-\udfff]", json.dumps(expected, ensure_ascii=False)) else set()
        assert {found.code for found in error.diagnostics} <= {DUPLICATE_KEY, NON_FINITE_NUMBER, *halved}
    else:
        assert isinstance(expected, str) or document.data == expected
