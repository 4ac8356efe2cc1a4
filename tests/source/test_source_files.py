"""Loading files: what is no regular, readable, reasonably small text is refused without harm."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from spec_compiler.diagnostics import EMPTY_DOCUMENT, LIMIT_EXCEEDED, SYNTAX_ERROR, UNREADABLE_FILE, SpecError
from spec_compiler.source import Limits, load, parse


def refusal(path, **options):
    with pytest.raises(SpecError) as caught:
        load(path, **options)
    (found,) = caught.value.diagnostics
    assert found.span is not None
    assert found.span.file == os.fspath(path)
    return found.code


def test_load_reads_a_file_and_names_it(tmp_path):
    path = tmp_path / "net.yaml"
    path.write_text("a: 1\n")
    document = load(path)
    assert document.data == {"a": 1}
    assert document.name == str(path)
    assert str(document.span(("a",))) == f"{path}:1:4"
    assert load(str(path)).data == {"a": 1}


@pytest.mark.parametrize("name", ["missing.yaml", "zero\0byte", "x" * 5_000, ""])
def test_names_that_lead_nowhere_are_refused(name):
    assert refusal(name) is UNREADABLE_FILE


def test_folders_and_devices_are_refused(tmp_path):
    assert refusal(tmp_path) is UNREADABLE_FILE
    for device in ("/dev/zero", "/dev/stdin"):
        if Path(device).exists():
            assert refusal(device) is UNREADABLE_FILE


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert refusal(tmp_path / "pipe") is UNREADABLE_FILE


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="everything is permitted")
def test_a_forbidden_file_is_refused(tmp_path):
    path = tmp_path / "secret.yaml"
    path.write_text("a: 1")
    path.chmod(0)
    assert refusal(path) is UNREADABLE_FILE


def test_a_large_file_is_refused_unread(tmp_path):
    path = tmp_path / "large.json"
    with path.open("wb") as file:
        file.truncate(10**12)
    assert refusal(path) is LIMIT_EXCEEDED
    assert shutil.disk_usage(tmp_path).free  # the file is sparse
    path.write_bytes(b'{"a": 1}')
    assert refusal(path, limits=Limits(max_bytes=7)) is LIMIT_EXCEEDED
    assert load(path, limits=Limits(max_bytes=8)).data == {"a": 1}


@pytest.mark.parametrize("data", [b"", b" \n\t", b"\xef\xbb\xbf", b"# comment\n"])
def test_an_empty_file_is_refused(tmp_path, data):
    path = tmp_path / "empty"
    path.write_bytes(data)
    assert refusal(path) is EMPTY_DOCUMENT


def test_the_extension_says_what_is_meant(tmp_path):
    text = "{'a': 1,}"
    assert parse(text).format == "yaml"
    assert parse(text, "net.yml").format == "yaml"
    assert parse('{"a": 1,}', "net.yml").data == {"a": 1}
    assert parse('{"a": 1}', "net.yml").format == "json"
    assert parse('{"a": 1}', "net.yml", format="yaml").format == "yaml"
    path = tmp_path / "net.json"
    path.write_text(text)
    assert refusal(path) is SYNTAX_ERROR
    assert load(path, format="yaml").data == {"a": 1}


@pytest.mark.parametrize("text", ['{"a": 1,}', '{"a": 01}', '{"a": tru}', '[{"a": 1 2}]', '"{\\"a\\": 1,}"'])
def test_broken_json_is_not_taken_for_yaml(text):
    with pytest.raises(SpecError):
        parse(text)


def test_a_document_written_twice_is_read_once_with_a_warning():
    text = "name: a\nlayers: [b]\n"
    document = parse(text * 2, "net.yaml")
    assert document.data == {"name": "a", "layers": ["b"]}
    (warning,) = document.warnings
    assert str(warning) == "net.yaml:3:1: warning: the whole document is repeated here [SC004]"
    assert str(document.span(("layers",))) == "net.yaml:2:9"
    with pytest.raises(SpecError):
        parse(text + text.replace("b", "c"))
