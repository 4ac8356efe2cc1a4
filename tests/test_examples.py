"""Every example runs, as the README says it does."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"


def run(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_python_example_runs(path, tmp_path):
    done = run(str(path), cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_yaml_examples_are_sound():
    done = run("-m", "spec_compiler", "validate", *map(str, sorted(EXAMPLES.glob("*.yaml"))))
    assert done.returncode == 0, done.stdout + done.stderr


def test_digits_train_to_97_percent_and_are_read_again(tmp_path):
    saved = tmp_path / "digits.safetensors"
    done = run("-m", "spec_compiler", "train", str(EXAMPLES / "digits.yaml"), "-o", str(saved), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    import numpy as np

    from spec_compiler.models import load_model

    with np.load(EXAMPLES / "data" / "digits.npz") as data:
        x, y = data["x_test"], data["y_test"]
    probabilities = load_model(saved).predict(x, verbose=0)
    assert (probabilities.argmax(-1) == y.ravel()).mean() >= 0.97


def test_readme_shows_the_source_that_is_emitted():
    from spec_compiler import emit, parse_spec

    written, shown = (
        re.search(rf"```{language}\n({start}.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
        for language, start in (("yaml", "name: digits"), ("python", "class Digits"))
    )
    assert emit(parse_spec(written)).endswith(shown)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_yaml_example_lowers_and_its_source_is_the_module(path):
    import torch

    from spec_compiler import emit, load_spec, lower

    spec = load_spec(path)
    module = lower(spec).eval()
    namespace: dict[str, object] = {"__name__": "emitted"}
    exec(compile(emit(spec), "emitted.py", "exec"), namespace)
    twin = namespace[type(module).__name__]()
    twin.load_state_dict(module.state_dict())
    from spec_compiler.runtime.model import Model

    inputs = [
        torch.ones(2, *(n or 5 for n in value.shape[1:])).to(getattr(torch, value.dtype))
        for value in Model.from_spec(spec).graph.inputs
    ]
    with torch.no_grad():
        ours, theirs = module(*inputs), twin.eval()(*inputs)
    for a, b in zip(_flat(ours), _flat(theirs), strict=True):
        assert torch.equal(a, b)


def _flat(outputs):
    if isinstance(outputs, (list, tuple)):
        return [leaf for item in outputs for leaf in _flat(item)]
    return list(outputs.values()) if isinstance(outputs, dict) else [outputs]
