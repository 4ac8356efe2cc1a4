"""Files in `ok/` read as their `.out` says; files in `err/` are refused in the words of their `.out`."""

from __future__ import annotations

from pathlib import Path

import pytest

from spec_compiler.diagnostics import SpecError
from spec_compiler.source import parse, yaml_reader

HERE = Path(__file__).parent


def cases(folder: str, pattern: str = "*") -> list[Path]:
    return sorted(path for path in (HERE / folder).glob(pattern) if path.suffix != ".out")


def out(path: Path) -> str:
    return path.with_name(path.name + ".out").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", cases("ok"), ids=lambda path: path.name)
def test_sound_text_reads_as_stated(path):
    document = parse(path.read_bytes(), path.name)
    assert repr(document.data) + "\n" == out(path)
    assert not document.warnings


@pytest.mark.parametrize("path", cases("err"), ids=lambda path: path.name)
def test_broken_text_is_refused_as_stated(path):
    with pytest.raises(SpecError) as caught:
        parse(path.read_bytes(), path.name)
    assert f"{caught.value}\n" == out(path)


@pytest.mark.parametrize("line_end", ["\r\n", "\r"])
@pytest.mark.parametrize("path", [*cases("ok"), *cases("err")], ids=lambda path: path.name)
def test_line_ends_change_neither_data_nor_places(path, line_end):
    text = path.read_text(encoding="utf-8")
    assert "\r" not in text
    try:
        assert repr(parse(text.replace("\n", line_end), path.name).data) + "\n" == out(path)
    except SpecError as error:
        assert str(error).replace(repr(line_end[0]), repr("\n")) + "\n" == out(path)


@pytest.mark.parametrize("path", [*cases("ok", "*.yaml"), *cases("err", "*.yaml")], ids=lambda path: path.name)
def test_pyyaml_without_libyaml_agrees(path, monkeypatch):
    text = path.read_text(encoding="utf-8")

    def read():
        try:
            return repr(parse(text, path.name).data)
        except SpecError as error:
            return [(found.code, found.span and found.span.line) for found in error.diagnostics[:-1]]

    expected = read()
    monkeypatch.setattr(yaml_reader, "_LOADER", yaml_reader.yaml.SafeLoader)
    assert read() == expected
