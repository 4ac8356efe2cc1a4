"""Diagnostics print as documented, whatever they are made of."""

from __future__ import annotations

import ast
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import spec_compiler
from spec_compiler import diagnostics
from spec_compiler.diagnostics import (
    CODES,
    CYCLE,
    TRIMMED_NAME,
    UNKNOWN_LAYER,
    Code,
    Diagnostic,
    Report,
    Reporter,
    Span,
    SpecError,
    did_you_mean,
    find_code,
    format_path,
    show,
)
from spec_compiler.source import parse


def test_a_diagnostic_prints_place_fault_code_and_help():
    found = Diagnostic(
        UNKNOWN_LAYER, "unknown layer 'Densee'", span=Span("net.yaml", 7, 5), help="did you mean 'Dense'?"
    )
    assert str(found) == "net.yaml:7:5: unknown layer 'Densee' [SC101]\n  help: did you mean 'Dense'?"


def test_a_diagnostic_without_span_prints_its_path():
    path = ("layers", 3, "config", "units")
    assert Diagnostic(CYCLE, "m", path=path).render() == "layers[3].config.units: m [SC201]"
    assert Diagnostic(CYCLE, "m").render() == "m [SC201]"
    assert Diagnostic(CYCLE, "m", "warning", path).render() == "layers[3].config.units: warning: m [SC201]"
    assert format_path((0, "a b", "", "c")) == "[0]['a b'][''].c"


def test_to_dict_is_json_ready():
    assert Diagnostic(CYCLE, "m", path=("a", 0), span=Span("f", 1, 2, 3, 4), help="h").to_dict() == {
        "code": "SC201",
        "name": "cycle",
        "severity": "error",
        "message": "m",
        "help": "h",
        "path": ["a", 0],
        "span": {"file": "f", "line": 1, "column": 2, "end_line": 3, "end_column": 4},
    }


def test_every_code_is_found_somewhere():
    package = Path(spec_compiler.__file__).parent
    code = "\n".join(path.read_text() for path in package.rglob("*.py") if path.parent.name != "diagnostics")
    names = {name for name, value in vars(diagnostics).items() if isinstance(value, Code)}
    assert len(names) == len(CODES)
    assert {name for name in names if not re.search(rf"\b{name}\b", code)} == set()


def test_codes_are_fixed_and_explained():
    assert len({code.slug for code in CODES.values()}) == len(CODES)
    for id, code in CODES.items():
        assert id == code.id
        assert len(code.explanation) > 40
        assert code.summary.endswith(".")
        assert find_code(id.lower()) is find_code(code.slug) is code
    assert find_code("SC000") is None
    assert Code("SC101", "unknown-layer", "") == UNKNOWN_LAYER


def test_reporter_finds_places_sorts_and_drops_repeats():
    document = parse("a: 1\nb: [2]\n", "f.yaml")
    reporter = Reporter(document)
    reporter.report(CYCLE, "second", ("b", 0))
    reporter.warn(TRIMMED_NAME, "first", ("a",), on_key=True)
    reporter.report(CYCLE, "second", ("b", 0))
    assert reporter.error_count == 1
    assert not reporter.ok
    assert str(reporter.result()) == "f.yaml:1:1: warning: first [SC113]\nf.yaml:2:5: second [SC201]"
    with pytest.raises(SpecError, match="second"):
        reporter.raise_if_errors()


def test_warnings_alone_are_fine():
    reporter = Reporter()
    reporter.warn(TRIMMED_NAME, "old")
    reporter.raise_if_errors()
    assert reporter.ok
    assert reporter.result().ok
    assert len(reporter.result().warnings) == 1
    assert reporter.result().errors == ()


def test_reporter_stores_a_thousand_and_counts_the_rest():
    asked = []
    reporter = Reporter()
    for number in range(2_500):
        reporter.report(CYCLE, f"m{number}", help=lambda: asked.append(1))
    reporter.warn(TRIMMED_NAME, "still heard")
    report = reporter.result()
    assert len(report.errors) == len(asked) == 1_000
    assert len(report.warnings) == 1
    assert reporter.error_count == 2_500
    assert str(report).endswith("… and 1,500 more")


def test_errors_and_reports_survive_pickling():
    error = SpecError([Diagnostic(CYCLE, "m", span=Span("f", 1, 2)), Diagnostic(CYCLE, "n")], omitted=3)
    copy = pickle.loads(pickle.dumps(error))  # our own bytes
    assert str(copy) == str(error) == "f:1:2: m [SC201]\nn [SC201]\n… and 3 more"
    assert copy.diagnostics == error.diagnostics
    assert Report([]).ok


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Densee", "Dense"),
        ("dense", "Dense"),
        ("CONV2D", "Conv2D"),
        ("Conv2d", "Conv2D"),
        ("flaten", "Flatten"),
        ("Xyzzy", None),
        ("", None),
        ("D" * 100_000, None),
        (None, None),
        (3, None),
    ],
)
def test_did_you_mean_suggests_the_nearest(name, expected):
    help = did_you_mean(name, ["Dense", "Conv2D", "Flatten", "Dropout"])
    assert help == (expected and f"did you mean {expected!r}?")


def test_show_is_short_and_literal_where_it_can_be():
    assert show("Dense") == "'Dense'"
    assert show([1, None, True, 2.5, ("a",)]) == "[1, None, True, 2.5, ('a')]"
    assert show({"a": [1]}) == "{'a': [1]}"
    assert show(10**10_000) == "an integer of about 10,001 digits"
    assert show(-(10**5_000)) == "an integer of about 5,001 digits"
    assert show(object()) == "<object>"
    assert show("x" * 100) == repr("x" * 60) + "…"
    assert show("\ud800\x1b[1m\u202e") == r"'\ud800\x1b[1m\u202e'"
    endless: list[object] = []
    endless.append(endless)
    assert len(show(endless)) < 130


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
)


@given(anything)
def test_show_never_fails_and_always_prints(value):
    shown = show(value)
    assert shown.isprintable()
    assert len(shown) < 800
    if isinstance(value, (int, float, str)) and "…" not in shown and not shown.startswith("an ") and value == value:
        assert abs(value) == float("inf") if shown.endswith("inf") else ast.literal_eval(shown) == value


@given(st.text(), st.text(), st.text(), st.lists(st.text() | st.integers()))
def test_rendering_leaves_nothing_unprintable(file, message, help, path):
    for span in (None, Span(file, 1, 1)):
        text = Diagnostic(CYCLE, message, path=tuple(path), span=span, help=help).render()
        first, *rest = text.split("\n")
        assert first.isprintable()
        assert all(line.isprintable() and line.startswith("  ") for line in rest)


def test_importing_costs_nothing_heavy():
    code = "import sys, spec_compiler.source, spec_compiler.diagnostics; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "numpy", "h5py", "yaml", "difflib", "pydantic"} & set(loaded)
