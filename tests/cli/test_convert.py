"""`spec-compiler convert IN OUT --to keras3|keras2|short [--json|--yaml]`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from spec_compiler.loading import load_spec, parse_spec
from tests.cli.test_commands import GOOD, ROOT, run
from tests.dialects.short.description import describe

KERAS1 = ROOT / "examples" / "keras1.json"


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "net.yaml"
    path.write_text(GOOD)
    return path


@pytest.mark.parametrize("dialect", ["keras3", "keras2", "short"])
@pytest.mark.parametrize(
    ("name", "option", "form"),
    [
        ("out.json", (), "json"),
        ("out.yaml", (), "yaml"),
        ("out.YML", (), "yaml"),
        ("out.yaml", ("--json",), "json"),
        ("out.json", ("--yaml",), "yaml"),
        ("out", ("--yaml",), "yaml"),
    ],
)
def test_every_dialect_in_every_form(good: Path, tmp_path: Path, dialect: str, name: str, option, form: str) -> None:
    out = tmp_path / name
    done = run("convert", str(good), str(out), "--to", dialect, *option)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", f"wrote {out}\n")
    text = out.read_text()
    assert text.startswith("{") == (form == "json")
    document = json.loads(text) if form == "json" else yaml.safe_load(text)
    assert ("layers" in document) == (dialect == "short")
    back = parse_spec(text)
    assert back.origin is not None and back.origin.dialect == dialect
    assert describe(back) == describe(load_spec(good))


def test_from_standard_input_to_standard_output(good: Path) -> None:
    done = run("convert", "-", "-", "--to", "keras2", text=GOOD)
    assert done.returncode == 0 and json.loads(done.stdout)["class_name"] == "Sequential"
    short = run("convert", "-", "-", "--to", "short", text=done.stdout)
    assert short.stdout == "inputs: {x: [4]}\nlayers:\n  - Dense: {units: 3}\n"
    assert run("convert", str(good), "-", "--to", "keras3", "--yaml").stdout.startswith("module: keras")


def test_what_is_refused_leaves_the_file_there_as_it_was(good: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    out.write_text("kept")
    broken = run("convert", "-", str(out), text=GOOD.replace("units: 3", "units: -3"))
    assert broken.returncode == 1 and "<stdin>:3:20" in broken.stderr and "Dense.units" in broken.stderr
    newer = run("convert", "-", str(out), "--to", "keras2", text=GOOD.replace("Dense: {units: 3}", "RMSNormalization"))
    assert newer.returncode == 1 and "Keras 2 has no RMSNormalization" in newer.stderr
    assert out.read_text() == "kept"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.yaml", "out.json"]
    assert run("convert", str(good), str(out)).returncode == 0
    assert json.loads(out.read_text())["class_name"] == "Sequential"


def test_what_keras3_does_not_take_is_warned_of_with_its_place(tmp_path: Path) -> None:
    text = GOOD.replace("Dense: {units: 3}", "{Highway: {}, name: a/b}")
    out = tmp_path / "out.json"
    done = run("convert", "-", str(out), text=text)
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        f"wrote {out}",
        "<stdin>:3:5: warning: layer 'a/b': Keras 3 has no Highway [SC902]",
        "  help: the file opens in spec_compiler, and in Keras with a class of that name among its custom_objects",
        "<stdin>:3:5: warning: the name 'a/b' is written as 'a_b': Keras 3 takes none with a '/' [SC113]",
    ]
    back = load_spec(out)
    assert [(type(layer).__name__, layer.name) for layer in back.members()] == [("InputLayer", "x"), ("Highway", "a_b")]


def test_names_that_tensorflow_does_not_take_are_changed_for_keras2() -> None:
    text = GOOD.replace("Dense: {units: 3}", "{Dense: {units: 3}, name: _größer als}")
    done = run("convert", "-", "-", "--to", "keras2", text=text)
    assert done.returncode == 0
    assert "<stdin>:3:5: warning: the name '_größer als' is written as 'layer_gr__er_als': TensorFlow" in done.stderr
    assert [layer["config"]["name"] for layer in json.loads(done.stdout)["config"]["layers"]] == [
        "x",
        "layer_gr__er_als",
    ]


def test_what_is_refused_has_its_place_in_the_file() -> None:
    text = GOOD.replace("Dense: {units: 3}", "RMSNormalization")
    done = run("convert", "-", "-", "--to", "keras2", text=text)
    assert done.returncode == 1 and done.stderr.startswith("<stdin>:3:5: layer 'rms_normalization': Keras 2 has no")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("out.txt", "ends in neither .json nor .yaml"),
        ("net.yaml", "is the file that is read"),
        ("linked.yaml", "is the file that is read"),
        ("no/such/out.json", "there is no folder"),
        ("folder.json", "is a folder"),
    ],
)
def test_place_that_cannot_be_meant_is_wrong_usage(good: Path, tmp_path: Path, target: str, message: str) -> None:
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "linked.yaml").symlink_to(good)
    done = run("convert", str(good), str(tmp_path / target), "--to", "short")
    assert done.returncode == 2 and message in done.stderr
    assert good.read_text() == GOOD


def test_unknown_dialect_and_missing_file(tmp_path: Path) -> None:
    assert run("convert", "a", "b", "--to", "onnx").returncode == 2
    done = run("convert", str(tmp_path / "none.json"), str(tmp_path / "out.json"))
    assert done.returncode == 1 and "there is no such file" in done.stderr


def test_converting_loads_no_torch(good: Path, tmp_path: Path) -> None:
    code = (
        "import sys\nfrom spec_compiler.cli.main import main\n"
        f"sys.argv = ['spec-compiler', 'convert', {str(good)!r}, {str(tmp_path / 'out.json')!r}, '--to', 'keras2']\n"
        "try:\n    main()\nexcept SystemExit as e:\n    assert not e.code, e.code\n"
        "heavy = {'torch', 'numpy', 'h5py', 'rich'} & set(sys.modules)\nassert not heavy, heavy"
    )
    done = run(code=code)
    assert done.returncode == 0, done.stderr


def test_readme_shows_what_becomes_of_a_keras1_file() -> None:
    done = run("convert", str(KERAS1), "-", "--to", "short")
    assert f"```yaml\n{done.stdout}```" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(done.stdout) < KERAS1.stat().st_size / 3
