"""The commands as a stranger meets them: what they print, their exit codes, and that checking loads no torch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GOOD = "inputs: {x: [4]}\nlayers:\n  - Dense: {units: 3}\n"


def run(*arguments: str, code: str | None = None, text: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code] if code else [sys.executable, "-m", "spec_compiler", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, input=text)


@pytest.fixture
def good(tmp_path):
    path = tmp_path / "net.yaml"
    path.write_text(GOOD)
    return path


def test_a_sound_file_exits_0(good):
    assert run("validate", str(good)).returncode == 0


def test_a_typo_names_line_column_and_what_was_meant(tmp_path):
    path = tmp_path / "net.yaml"
    path.write_text("inputs: {x: [4]}\nlayers:\n  - Densee: {units: 3}\n  - Dense: {unit: 3}\n")
    done = run("validate", str(path))
    assert done.returncode == 1
    assert f"{path}:3:5: " in done.stdout and "did you mean 'Dense'" in done.stdout
    assert f"{path}:4:13: " in done.stdout and "did you mean 'units'" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


WHERE = {
    "summary": [],
    "emit": [],
    "convert": ["-", "--to", "keras3"],
    "train": ["--data", "data.npz", "-o", "net.safetensors"],
}


@pytest.mark.parametrize("command", WHERE)
def test_shapes_that_do_not_fit_have_a_place_in_every_command(command):
    text = "inputs: {x: [4]}\nlayers:\n  - {Dense: {units: 2}, from: x}\n  - {Conv2D: {filters: 2, kernel_size: 3}, from: x}\n"
    done = run(command, "-", *WHERE[command], text=text)
    assert done.returncode == 1
    assert "<stdin>:3:5: warning: layer 'dense' leads to no output of the model [SC205]" in done.stderr
    assert "<stdin>:4:5: layer 'conv2d': Conv2D takes an input of rank 4" in done.stderr


def test_what_is_odd_and_no_fault_is_told_beside_the_answer():
    text = "inputs: {x: [4]}\nlayers:\n  - {Dense: {units: 2}, from: x}\n  - {Dense: {units: 3}, from: x}\n"
    for command in ("summary", "emit"):
        done = run(command, "-", text=text)
        assert done.returncode == 0
        assert done.stderr == "<stdin>:3:5: warning: layer 'dense' leads to no output of the model [SC205]\n"
        assert "dense_1" in done.stdout


def test_wrong_usage_exits_2():
    assert run("validate").returncode == 2
    assert run("no-such-command").returncode == 2


def test_a_missing_file_is_a_finding():
    done = run("validate", "/no/such/file.yaml")
    assert done.returncode in (1, 2) and "Traceback" not in done.stderr


def test_help_lists_the_commands():
    done = run("--help")
    assert done.returncode == 0
    for command in ("validate", "summary", "emit", "convert", "train", "evaluate", "predict", "explain"):
        assert command in done.stdout


@pytest.mark.parametrize("command", ["validate", "summary"])
def test_checking_loads_no_torch(command, good):
    code = (
        "import sys\nfrom spec_compiler.cli.main import main\n"
        f"sys.argv = ['spec-compiler', '{command}', {str(good)!r}]\n"
        "try:\n    main()\nexcept SystemExit as e:\n    assert not e.code, e.code\n"
        "heavy = {'torch', 'numpy', 'h5py', 'rich'} & set(sys.modules)\nassert not heavy, heavy"
    )
    done = run(code=code)
    assert done.returncode == 0, done.stderr


def test_emitted_source_needs_torch_alone(good, tmp_path):
    out = tmp_path / "net.py"
    assert run("emit", str(good), "-o", str(out)).returncode == 0
    assert "spec_compiler" not in out.read_text() and "nn.Linear(4, 3)" in out.read_text()


def test_convert_writes_what_keras_reads(good, tmp_path):
    out = tmp_path / "net.json"
    done = run("convert", str(good), str(out), "--to", "keras3", "--json")
    assert done.returncode == 0, done.stderr
    import keras

    assert keras.models.model_from_json(out.read_text()).count_params() == 15


def test_explain_tells_what_a_code_means():
    done = run("explain", "SC101")
    assert done.returncode == 0 and "unknown-layer" in done.stdout
