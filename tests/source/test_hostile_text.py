"""What hostile text does: a diagnostic with a code and a place, in time and memory bounded by the text."""

from __future__ import annotations

import contextlib
import json
import sys
import time

import pytest

from spec_compiler.diagnostics import ALIAS_LIMIT, ENCODING, LIMIT_EXCEEDED, SYNTAX_ERROR, UNSAFE_TAG, SpecError
from spec_compiler.source import LIMITS, Limits, parse


def refusal(text, name="x", **options):
    with pytest.raises(SpecError) as caught:
        parse(text, name, **options)
    first = caught.value.diagnostics[0]
    assert first.span is not None
    assert first.span.file == name
    return first.code


NESTED = {
    "json lists": "[" * 50_000,
    "json lists, closed": "[" * 50_000 + "]" * 50_000,
    "json objects": '{"a":' * 50_000,
    "json in a json string": json.dumps('{"a":' * 50_000),
    "yaml flow lists": "a: " + "[" * 50_000,
    "yaml flow mappings": "a: " + "{b: " * 50_000,
    "yaml flow pairs": "a: [" + "b: [" * 50_000,
    "yaml lists": "- " * 50_000,
    "yaml mappings": "\n".join(" " * level + "a:" for level in range(1_000)),
    "yaml lists in mappings": "\n".join(" " * level + "- a:" for level in range(0, 2_000, 2)),
    "yaml aliases of aliases": "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 500)),
}


@pytest.mark.parametrize("text", NESTED.values(), ids=NESTED)
def test_deep_nesting_is_refused(text):
    assert refusal(text) is LIMIT_EXCEEDED


def test_nesting_up_to_the_limit_is_read():
    deep = LIMITS.max_depth
    assert parse("[" * deep + "]" * deep).format == "json"
    assert parse("a: " + "[" * (deep - 1) + "]" * (deep - 1)).format == "yaml"
    assert refusal("[" * (deep + 1) + "]" * (deep + 1)) is LIMIT_EXCEEDED
    assert refusal("a: " + "[" * deep + "]" * deep) is LIMIT_EXCEEDED


def test_brackets_in_strings_are_not_nesting():
    data = ["[" * 1_000, '{"\\' * 1_000, '\\"[', '"', "\\", "]}" * 1_000, {'"[{': '"'}]
    assert parse(json.dumps(data)).data == data
    assert parse(json.dumps(json.dumps(data))).data == data
    hidden = '["' + "]" * 1_000 + '", ' + "[" * 500
    assert refusal(hidden) is LIMIT_EXCEEDED


def test_a_nearly_full_stack_does_not_matter():
    text = "[" * 100 + "]" * 100

    def descend(levels):
        return descend(levels - 1) if levels else parse(text).data

    depth = 0
    frame = sys._getframe()
    while frame is not None:
        depth, frame = depth + 1, frame.f_back
    assert descend(sys.getrecursionlimit() - depth - 60)


def repeated(alias: str, times: int) -> str:
    return ", ".join([f"*{alias}"] * times)


ALIASES = {
    "laughs": "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{repeated(f'a{i - 1}', 9)}]\n" for i in range(1, 30)),
    "merges": "a0: &a0 {x: 1}\n"
    + "".join(f"a{i}: &a{i} {{k{i}: 1, <<: [{repeated(f'a{i - 1}', 6)}]}}\n" for i in range(1, 30)),
    "long text": f'a: &a "{"x" * 10**6}"\nb: [{repeated("a", 10_000)}]',
    "itself": "&a [*a]",
    "itself, as a value": "&a {b: {c: *a}}",
    "itself, merged": "a: &a\n  <<: *a",
}


@pytest.mark.parametrize("text", ALIASES.values(), ids=ALIASES)
def test_multiplying_aliases_are_refused(text):
    start = time.perf_counter()
    assert refusal(text) is ALIAS_LIMIT
    assert time.perf_counter() - start < 5


def test_a_change_to_one_alias_changes_no_other():
    data = parse("a: &a [[1], {b: 2}]\nb: *a\nc: *a").data
    data["b"][0].append(3)
    data["c"][1]["b"] = 4
    assert data["a"] == [[1], {"b": 2}]
    assert data["c"][0] == [1]


@pytest.mark.parametrize("text", ['{"a": %s}', "a: %s", "a: 0x%s", '{"a": -%s}', "a: [!!int %s]"])
@pytest.mark.parametrize("digits", [5_000, 1_000_000])
def test_endless_integers_are_refused(text, digits):
    assert refusal(text % ("9" * digits)) is LIMIT_EXCEEDED


def test_endless_integers_are_refused_where_python_sets_no_limit():
    usual = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        assert refusal('{"a": %s}' % ("9" * 5_000)) is LIMIT_EXCEEDED
        assert parse('{"a": 12}').data == {"a": 12}
    finally:
        sys.set_int_max_str_digits(usual)


@pytest.mark.parametrize(
    "text", ["[" + "1," * 50 + "1]", "- 1\n" * 50, "[" + "[]," * 50 + "[]]", "a: [" + "{}, " * 50 + "]"]
)
def test_too_many_values_are_refused(text):
    assert refusal(text, limits=Limits(max_nodes=20)) is LIMIT_EXCEEDED


@pytest.mark.parametrize("text", ["a" * 101, b"a" * 101])
def test_too_many_bytes_are_refused(text):
    assert refusal(text, limits=Limits(max_bytes=100)) is LIMIT_EXCEEDED


def test_too_many_directives_are_refused():
    text = "".join(f"%TAG !a{i}! b\n" for i in range(50_000)) + "---\na: 1\n"
    assert refusal(text) is LIMIT_EXCEEDED


def test_faults_without_end_are_cut_short():
    with pytest.raises(SpecError) as caught:
        parse("a: !x 1\n" * 10_000)
    assert len(caught.value.diagnostics) == LIMITS.max_faults


def test_tags_run_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = "!!python/object/apply:os.mkdir [made]\n"
    assert refusal(text) is UNSAFE_TAG
    assert not (tmp_path / "made").exists()


GROWING = {
    "json numbers": ("[1", ", 1", "]"),
    "json objects, broken at the end": ('[{"a": 1}', ', {"b": [2]}', ""),
    "json with surrogates": ('["', "\\ud83c\\udf89", '"]'),
    "json text": ('["', "x\\n", '"]'),
    "open strings": ("", '"', ""),
    "backslashes": ('"', "\\", ""),
    "spaces": ("[", " ", ""),
    "yaml list": ("", "- a: b\n", ""),
    "yaml keys": ("", "? a\n", ""),
    "yaml text": ("a: ", "b ", ""),
    "yaml lines": ("a: |\n", "  b\n", ""),
    "yaml comments": ("", "# a\n", "a: b"),
    "yaml anchors": ("", "- &a b\n", ""),
    "yaml aliases": ("- &a b\n", "- *a\n", ""),
}


@pytest.mark.parametrize(("start", "middle", "end"), GROWING.values(), ids=GROWING)
def test_time_grows_no_faster_than_the_text(start, middle, end):
    def seconds(size):
        text = start + middle * (size // len(middle)) + end
        best = float("inf")
        for _ in range(3):
            begin = time.perf_counter()
            with contextlib.suppress(SpecError):
                parse(text)
            best = min(best, time.perf_counter() - begin)
        return best

    # Eight times the text would take 64 times as long, were the time quadratic.
    assert seconds(160_000) < 24 * seconds(20_000) + 0.05


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"a: \xff", ENCODING),
        (b"\xc3", ENCODING),
        (b"{\x00\x00", ENCODING),
        (b"\xff\xfea", ENCODING),
        (b"\x89HDF\r\n\x1a\n....", ENCODING),
        (b"PK\x03\x04....", ENCODING),
        (b"\x80\x04\x95....", ENCODING),
        (b"\x00\x00\x00\x00", ENCODING),
        (b"[\x00]", ENCODING),
        (b'["a\x00b"]', SYNTAX_ERROR),
        ("a: \ud800", ENCODING),
        ('["\udfff"]', ENCODING),
        ("a: \x00", ENCODING),
        ("a: \x7f\x1b[31m", ENCODING),
        ('a: "\\ud800"', SYNTAX_ERROR),
        ('a: "\\UFFFFFFFF"', SYNTAX_ERROR),
    ],
)
def test_what_is_no_text_is_refused(data, code):
    assert refusal(data) is code


def test_bad_bytes_are_located():
    with pytest.raises(SpecError) as caught:
        parse(b"a: 1\nb: x\xffy\n", "net.yaml")
    assert str(caught.value).startswith("net.yaml:2:5: byte 9 is not UTF-8: 0xff [SC006]")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("text", ['{"a": "é"}', "a: é\r\n"])
def test_encodings_are_recognised(text, encoding):
    document = parse(text.encode(encoding))
    assert document.data == {"a": "é"}
    assert document.span(("a",)).column in (4, 7)


def test_messages_cannot_steer_a_terminal():
    for text in ('{"a": 1, "\\u001b[31m": 1, "\\u001b[31m": 2}', "a: !\u202e x", "a: *\u202e"):
        with pytest.raises(SpecError) as caught:
            parse(text, "evil\x1b\u202e.txt")
        assert all(line.isprintable() for line in str(caught.value).splitlines())
