"""Which stage may import which, and that the front half leaves torch alone: both are what the design stands on."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent / "spec_compiler"

ALLOWED = {
    "diagnostics": set(),
    "source": {"diagnostics"},
    "specs": {"diagnostics"},
    # Keras 3 writes each layer's input shape, and Keras 2 its own classes for some: the writers infer shapes first.
    "dialects": {"diagnostics", "source", "specs", "ir", "passes"},
    "ir": {"diagnostics", "specs"},
    "passes": {"diagnostics", "ir", "specs"},
    "nn": set(),
    "lowering": {"diagnostics", "ir", "specs", "nn", "passes"},
    "codegen": {"diagnostics", "ir", "lowering", "nn"},
    "runtime": {"diagnostics", "source", "specs", "dialects", "ir", "passes", "lowering", "nn", "weights", "codegen"},
    "weights": {"diagnostics", "ir", "specs", "source"},
}
TOP_LEVEL = {"loading", "summary", "schema", "ops", "writing"}
"""Single files beside the stages; they belong to the torch-free half."""

TORCH_FREE = ("diagnostics", "source", "specs", "dialects", "ir", "passes")
LAZY_BY_NAME = {("specs", "runtime")}
"""The closed table of callbacks, what a loss called in Python computes with, and the call of a layer that runs a model there."""


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def files(stage: str) -> list[Path]:
    return sorted((ROOT / stage).rglob("*.py"))


@pytest.mark.parametrize("stage", ALLOWED)
def test_stage_imports_only_what_stands_before_it(stage):
    for path in files(stage):
        for module in imported(path):
            package, _, rest = module.partition(".")
            if package != "spec_compiler" or not rest:
                continue
            other = rest.split(".")[0]
            fine = other == stage or other in ALLOWED[stage] or other in TOP_LEVEL or (stage, other) in LAZY_BY_NAME
            assert fine, f"{path.relative_to(ROOT)} imports {module}"


@pytest.mark.parametrize("stage", TORCH_FREE)
def test_front_half_never_imports_torch_or_numpy(stage):
    for path in files(stage):
        heavy = {module.split(".")[0] for module in imported(path)} & {"torch", "numpy", "h5py", "safetensors", "rich"}
        assert not heavy, f"{path.relative_to(ROOT)} imports {heavy}"


def test_nn_imports_torch_alone():
    for path in files("nn"):
        roots = {module.split(".")[0] for module in imported(path)}
        assert roots <= {"__future__", "torch", "math", "collections", "typing", "itertools", "functools"}, path


HEAVY = "{'torch', 'numpy', 'h5py', 'rich', 'safetensors'} & set(sys.modules)"


@pytest.mark.parametrize(
    "code",
    [
        "import spec_compiler",
        "from spec_compiler import Input, layers; layers.Dense(2)(Input((3,)))",
        "import spec_compiler; assert spec_compiler.validate_text('layers: [{Dense: {units: 3}}]').ok",
    ],
)
def test_front_half_runs_without_torch(code):
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nassert not {HEAVY}, {HEAVY}"], capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()
