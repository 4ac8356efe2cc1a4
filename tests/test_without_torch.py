"""The package beside pydantic, pyyaml, jsonschema and click alone, in a venv of its own: checking needs no more."""

from __future__ import annotations

import re
import subprocess
import venv
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NEEDED = ("pydantic", "pyyaml", "jsonschema", "click")


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """The interpreter of a venv that holds links to what is needed, and nothing else."""
    home = tmp_path_factory.mktemp("venv")
    venv.create(home, with_pip=False, symlinks=True)
    site = next(home.glob("[Ll]ib*/**/site-packages"))
    for dist in closure(NEEDED):
        for top in {file.parts[0] for file in dist.files or [] if file.parts[0] not in ("..", "__pycache__")}:
            (site / top).symlink_to(Path(str(dist.locate_file(top))))
    (site / "spec_compiler").symlink_to(ROOT / "spec_compiler")
    return next(home.glob("[bS]*/python*"))


def closure(names: tuple[str, ...]) -> list[Distribution]:
    """The distributions that `names` need, themselves included."""
    from packaging.requirements import Requirement

    found: dict[str, Distribution] = {}
    left = list(names)
    while left:
        name = re.sub(r"[-_.]+", "-", left.pop()).lower()
        if name not in found:
            found[name] = distribution(name)
            needs = map(Requirement, found[name].requires or [])
            left += [need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    return list(found.values())


def run(python: Path, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [str(python), "-I", "-B", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60)


def test_nothing_heavy_is_there(python):
    for name in ("torch", "numpy", "rich", "h5py", "safetensors"):
        assert run(python, "-c", f"import {name}").returncode == 1


EXAMPLES = sorted(map(str, (ROOT / "examples").glob("*.yaml")))
DIGITS = str(ROOT / "examples" / "digits.yaml")
CALLBACKS = """\
inputs: {x: [4]}
layers: [{Dense: {units: 1}}]
training:
  loss: mse
  metrics: [accuracy, {AUC: {}}]
  optimizer: {Adam: {learning_rate: {ExponentialDecay: {initial_learning_rate: 1, decay_steps: 9, decay_rate: 0.5}}}}
  callbacks: [{EarlyStopping: {patience: 3}}, {ModelCheckpoint: {filepath: best.safetensors}}]
"""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--help"], "validate  Check model files."),
        (["--version"], "spec-compiler "),
        (["validate", *EXAMPLES], ""),
        (["validate", "net.yaml"], ""),
        (["validate", "--format", "sarif", DIGITS], "sarif"),
        (["validate", "--max-params", "99999999", DIGITS], ""),
        (["summary", DIGITS], "Total params: 29,354"),
        (["summary", EXAMPLES[-1]], "Connected to"),
        (["convert", DIGITS, "-", "--to", "keras3"], '"keras_version"'),
        (["convert", DIGITS, "-", "--to", "keras2"], '"keras_version"'),
        (["convert", DIGITS, "-", "--to", "short"], "Conv2D"),
        (["explain", "SC101"], "unknown-layer"),
        (["explain"], "SC102"),
        (["schema"], "$schema"),
        (["schema", "keras"], "$schema"),
    ],
    ids=lambda value: " ".join(value[:1] + value[-1:]).replace(str(ROOT), "") if isinstance(value, list) else "",
)
def test_command_needs_no_torch(python, tmp_path, arguments, said):
    (tmp_path / "net.yaml").write_text(CALLBACKS)
    done = run(python, "-m", "spec_compiler", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert said in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [["emit", DIGITS], ["train", DIGITS], ["evaluate", "a.safetensors", "--data", "a.npz"]],
    ids=lambda arguments: arguments[0],
)
def test_command_that_computes_says_what_is_missing(python, tmp_path, arguments):
    done = run(python, "-m", "spec_compiler", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert re.fullmatch(
        r"spec-compiler: (torch|numpy) is not installed\n  help: pip install (torch|numpy)\n", done.stderr
    )


def test_models_are_stated_and_checked_in_python(python):
    code = (
        "import spec_compiler as sc\n"
        "from spec_compiler import layers, initializers, regularizers, constraints, losses, metrics, optimizers, callbacks\n"
        "x = layers.Dense(3, kernel_initializer='he_normal')(sc.Input((4,)))\n"
        "assert x.shape == (None, 3)\n"
        "assert sc.validate_text('layers: [Dens: {units: 3}]').diagnostics\n"
    )
    done = run(python, "-c", code)
    assert done.returncode == 0, done.stderr
