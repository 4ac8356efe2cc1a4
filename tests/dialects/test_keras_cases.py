"""Files in `ok/` read as their `.out` says; files in `err/` are refused in the words of their `.out`."""

from __future__ import annotations

from pathlib import Path

import pytest

from spec_compiler.diagnostics import Report, Reporter
from spec_compiler.dialects import detect, read
from spec_compiler.source import parse
from spec_compiler.specs.model import ModelSpec
from tests.dialects.short.description import describe

HERE = Path(__file__).parent


def cases(folder: str) -> list[Path]:
    return sorted(path for path in (HERE / folder).glob("*") if path.suffix != ".out")


def expected(path: Path) -> str:
    return path.with_name(path.name + ".out").read_text(encoding="utf-8")


def read_case(path: Path) -> tuple[ModelSpec | None, Report]:
    document = parse(path.read_bytes(), path.name)
    reporter = Reporter(document)
    return read(document, reporter), reporter.result()


@pytest.mark.parametrize("path", cases("ok"), ids=lambda path: path.name)
def test_old_words_read_as_todays(path: Path) -> None:
    spec, report = read_case(path)
    assert spec is not None, str(report)
    assert spec.origin is not None
    assert report.ok
    text = f"{spec.origin}\n{describe(spec)}\n" + "".join(f"{warning}\n" for warning in report.warnings)
    assert text == expected(path)


@pytest.mark.parametrize("path", cases("err"), ids=lambda path: path.name)
def test_every_fault_of_a_file_is_reported_in_one_run(path: Path) -> None:
    spec, report = read_case(path)
    assert spec is None
    assert f"{report}\n" == expected(path)


@pytest.mark.parametrize("path", cases("ok"), ids=lambda path: path.name)
def test_dialect_is_told_by_structure_alone(path: Path) -> None:
    data = parse(path.read_bytes(), path.name).data
    stated = detect(data, Reporter())
    for mapping in (data, data.get("modelTopology", {})):
        mapping.pop("keras_version", None)
    bare = detect(data, Reporter())
    assert stated is not None and bare is not None
    assert stated.dialect == bare.dialect
