"""Every published model file reads as `json` and PyYAML read it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from spec_compiler.source import LIMITS, load
from spec_compiler.source.json_scanner import scan_json

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus"
FILES = sorted(path for path in CORPUS.glob("*") if path.suffix in (".json", ".yaml"))


class TupleLoader(yaml.CSafeLoader):
    """Safe, with the one tag that Keras wrote."""


TupleLoader.add_constructor(
    "tag:yaml.org,2002:python/tuple", lambda loader, node: loader.construct_sequence(node, deep=True)
)


@pytest.mark.skipif(not FILES, reason="the published files are not at hand")
def test_published_files_read_as_json_and_pyyaml_read_them():
    for path in FILES:
        text = path.read_bytes()
        document = load(path)
        if document.format == "yaml":
            expected = yaml.load(text, TupleLoader)  # a SafeLoader
        else:
            expected = json.loads(text)
            scanned = scan_json(text.decode(), LIMITS)[0]
            assert scanned == expected, path
            if isinstance(expected, str):
                expected = json.loads(expected)
        assert repr(document.data) == repr(expected), path


@pytest.mark.skipif(not FILES, reason="the published files are not at hand")
def test_published_files_have_a_place_for_every_layer():
    for path in FILES:
        document = load(path)
        config = document.data.get("config")
        layers = config.get("layers") if isinstance(config, dict) else config
        if not isinstance(layers, list):
            continue
        steps = ("config", "layers") if isinstance(config, dict) else ("config",)
        places = [document.span((*steps, index, "class_name")) for index in range(len(layers))]
        assert len({(place.line, place.column) for place in places}) == len(layers), path
