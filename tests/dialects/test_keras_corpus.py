"""Every published file gets its answer: read, or refused with each custom layer named once, in its place."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from spec_compiler.diagnostics import CUSTOM_LAYER, UNKNOWN_LAYER, UNSAFE_LAYER, UNSUPPORTED, Reporter
from spec_compiler.dialects import detect, read
from spec_compiler.lowering.lower import build, lower_spec
from spec_compiler.passes import check
from spec_compiler.source import Document, load
from tests.conftest import SHARED

CORPUS = SHARED / "corpus"
INDEX = CORPUS / "INDEX.csv"
ROWS = list(csv.DictReader(INDEX.open(encoding="utf-8"))) if INDEX.exists() else []
CUSTOM = (CUSTOM_LAYER, UNKNOWN_LAYER, UNSAFE_LAYER)

pytestmark = pytest.mark.skipif(not ROWS, reason="the published files are not at hand")


def layers_of(data: Any) -> list[str]:
    """The class of every layer in a document, those inside models and wrappers too."""
    found, pending = [], [data]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            if isinstance(item.get("class_name"), str) and "config" in item:
                found.append(item["class_name"].strip())
            pending += item.values()
        elif isinstance(item, list):
            pending += item
    return found


def read_row(row: dict[str, str]) -> tuple[Document, Reporter, Any]:
    document = load(CORPUS / row["file"])
    reporter = Reporter(document)
    return document, reporter, read(document, reporter)


def custom_of(row: dict[str, str]) -> list[str]:
    if row["kind"].startswith("other:"):
        return [row["kind"].removeprefix("other:")]
    return row["custom_layers"].replace("\\s", "").split()


@pytest.mark.parametrize("row", [r for r in ROWS if not custom_of(r)], ids=lambda row: row["file"][:60])
def test_file_of_keras_layers_builds(row: dict[str, str]) -> None:
    document, reporter, spec = read_row(row)
    assert spec is not None, str(reporter.result())
    module = build(lower_spec(spec))
    graph = check(spec, Reporter())
    assert graph is not None
    assert sum(1 for _ in module.state_dict()) >= sum(map(len, graph.variables.values()))
    assert len(list(spec.walk())) >= int(row["n_layers"])
    stated = row["keras_version"].strip()
    dialects = {"0": ["keras0"], "1": ["keras1"], "2": ["keras2"], "3": ["keras3"], "t": ["tfjs", "keras2"]}
    if stated and "modelTopology" not in document.data:
        assert spec.origin.dialect in dialects[stated[0]]


@pytest.mark.parametrize("row", [r for r in ROWS if custom_of(r)], ids=lambda row: row["file"][:60])
def test_every_custom_layer_is_named_once_in_its_place(row: dict[str, str]) -> None:
    document, reporter, spec = read_row(row)
    assert spec is None
    found = [d for d in reporter.diagnostics if d.severity == "error"]
    assert {d.code for d in found} <= {*CUSTOM, UNSUPPORTED}
    named = Counter(
        name for d in found if d.code in CUSTOM for name in custom_of(row) if f"{name}" in d.message.split()
    )
    named += Counter(name for d in found if d.code in CUSTOM for name in custom_of(row) if f"'{name}'" in d.message)
    present = Counter(name for name in layers_of(document.data) if name in custom_of(row))
    assert named == present
    assert len({d.span for d in found}) == len(found)
    assert all(d.help for d in found if d.code in CUSTOM)


VERSIONS = {"keras0": "Keras 0.x", "keras1": "Keras 1.x", "keras2": "Keras 2.0-2.15", "keras3": "Keras 3.x",
            "tfjs": "TensorFlow.js"}  # fmt: skip


def test_table_of_the_readme_counts_the_published_files() -> None:
    counts: dict[str, Counter[str]] = {version: Counter() for version in VERSIONS.values()}
    for row in ROWS:
        document, _, spec = read_row(row)
        detected = detect(document.data, Reporter())
        assert detected is not None
        counts[VERSIONS[detected.dialect]]["refused" if spec is None else "built"] += 1
    totals = sum(counts.values(), Counter())
    assert totals == {"built": 75, "refused": 25}
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    for version, count in {**counts, "all": totals}.items():
        assert f"| {version} | {count.total()} | {count['built']} | {count['refused']} |" in readme


def test_no_old_name_outlives_its_reader() -> None:
    """The words of old Keras stand in its dialects' files and nowhere else."""
    package = Path(__file__).parents[2] / "spec_compiler"
    words = ("nb_filter", "border_mode", "dim_ordering", "W_regularizer", "inner_init", "batch_input_shape")
    homes = {"keras0.py", "keras1.py", "keras2.py", "keras2_words.py", "keras2_writer.py", "inputs.py", "detect.py"}
    homes |= {"keras0_graph.py", "keras1_kernels.py", "keras1_several.py"}
    for path in package.rglob("*.py"):
        if path.name not in homes:
            text = path.read_text(encoding="utf-8")
            assert not [word for word in words if word in text and word != "batch_input_shape"], path
