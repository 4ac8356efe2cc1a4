"""Files in `ok/` read silently, as their `.out` says; files in `err/` are refused in the words of their `.out`."""

from __future__ import annotations

from pathlib import Path

import pytest

from spec_compiler.diagnostics import Reporter
from spec_compiler.dialects import short
from spec_compiler.source import parse
from tests.dialects.short.description import describe

HERE = Path(__file__).parent


def cases(folder: str) -> list[Path]:
    return sorted(path for path in (HERE / folder).glob("*") if path.suffix != ".out")


def out(path: Path) -> str:
    return path.with_name(path.name + ".out").read_text(encoding="utf-8")


def read(path: Path):
    document = parse(path.read_bytes(), path.name)
    reporter = Reporter(document)
    return short.read(document.data, reporter), reporter.result()


@pytest.mark.parametrize("path", cases("ok"), ids=lambda path: path.name)
def test_sound_document_reads_as_stated(path):
    spec, report = read(path)
    assert str(report) == ""
    assert describe(spec) + "\n" == out(path)


@pytest.mark.parametrize("path", cases("err"), ids=lambda path: path.name)
def test_broken_document_is_refused_as_stated(path):
    spec, report = read(path)
    assert f"{report}\n" == out(path)
    assert spec is None
