"""Layers of the user's own: in the example, on every command, in every dialect, and when the plugin is broken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "own_layer"
NET = str(EXAMPLE / "net.yaml")


def run(*arguments: str, cwd: Path = EXAMPLE, code: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code] if code else [sys.executable, "-m", "spec_compiler", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, cwd=cwd)


def in_process(plugin: str, *arguments: str, cwd: Path, after: str = "") -> subprocess.CompletedProcess[str]:
    """The command in a Python of its own, and `after` it a statement."""
    words = ["--plugin", plugin, *arguments]
    return run(code=f"import sys\nfrom spec_compiler.cli.main import run\ncode = run({words})\n{after}", cwd=cwd)


@pytest.mark.parametrize("command", ["validate", "summary", "convert"])
@pytest.mark.parametrize(("plugin", "cwd"), [("mylayers", EXAMPLE), (str(EXAMPLE / "mylayers.py"), ROOT)])
def test_checking_a_file_with_own_layers_loads_no_torch(command, plugin, cwd):
    more = ["-", "--to", "short"] if command == "convert" else []
    after = "assert code == 0 and not {'torch', 'numpy'} & set(sys.modules), code"
    done = in_process(plugin, command, NET, *more, cwd=cwd, after=after)
    assert done.returncode == 0, done.stderr


def test_every_command_takes_the_plugin(tmp_path):
    x = np.random.default_rng(0).standard_normal((8, 5, 4)).astype("float32")
    np.savez(tmp_path / "data.npz", x=x, y=x.mean((1, 2), keepdims=True)[:, 0])
    data, saved, plugin = str(tmp_path / "data.npz"), str(tmp_path / "net.safetensors"), ("--plugin", "mylayers")
    for arguments in (
        ("emit", NET),
        ("train", NET, "--data", data, "-o", saved, "-q"),
        ("evaluate", saved, "--data", data),
        ("predict", saved, "--data", data),
        ("schema",),
        ("explain", "SC101"),
    ):
        done = run(*plugin, *arguments)
        assert done.returncode == 0, done.stderr
        if arguments[0] == "schema":
            assert json.loads(done.stdout)["$defs"]["layer.Gain"]["description"].startswith("Multiply each channel")


def test_emitted_source_needs_torch_alone_and_is_the_module(tmp_path):
    source = run("--plugin", "mylayers", "emit", NET).stdout
    check = (
        "import sys, torch, mylayers, spec_compiler\n"
        "space = {'__name__': 'emitted'}\n"
        "exec(compile(sys.argv[1], 'emitted', 'exec'), space)\n"
        "module = spec_compiler.lower(spec_compiler.load_spec('net.yaml')).eval()\n"
        "twin = space['Scaled']().eval()\n"
        "twin.load_state_dict(module.state_dict())\n"
        "x = torch.randn(2, 5, 4)\n"
        "assert torch.equal(module(x), twin(x))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", check, source]
    done = subprocess.run(command, env=environment, cwd=EXAMPLE, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "spec_compiler" not in source and "mylayers" not in source


def test_several_plugins_and_the_file_names_none(tmp_path):
    header = "from spec_compiler import LayerSpec, register_layer\n"
    for name in ("One", "Two"):
        (tmp_path / f"{name.lower()}.py").write_text(f"{header}@register_layer\nclass {name}(LayerSpec): ...\n")
    (tmp_path / "net.yaml").write_text("inputs: {x: [4]}\nlayers: [One, Two]\n")
    assert run("--plugin", "one", "--plugin", "two.py", "validate", "net.yaml", cwd=tmp_path).returncode == 0
    keras = {"module": "one", "class_name": "One", "config": {"name": "a"}, "registered_name": "One"}
    document = {"class_name": "Sequential", "config": {"layers": [keras]}}
    (tmp_path / "net.json").write_text(json.dumps(document))
    done = run("validate", "net.json", cwd=tmp_path)
    assert done.returncode == 1 and "custom layer 'One' of module 'one'" in done.stdout


def keras_file(version, layer, source):
    config = {"layers": [{"class_name": "InputLayer", "config": source}, layer]}
    return json.dumps({"class_name": "Sequential", "config": config, "keras_version": version})


UNREGISTERED = {
    "keras3.json": keras_file(
        "3.15.1",
        {"module": "lab", "class_name": "Mine", "config": {"name": "a", "n": 2}, "registered_name": "lab>Mine"},
        {"batch_shape": [None, 4]},
    ),
    "keras2.json": keras_file(
        "2.15.0", {"class_name": "Mine", "config": {"name": "a", "n": 2}}, {"batch_input_shape": [None, 4]}
    ),
    "wrapped.json": keras_file(
        "2.15.0",
        {
            "class_name": "TimeDistributed",
            "config": {"layer": {"class_name": "Custom>Mine", "config": {"name": "a", "n": 2}}},
        },
        {"batch_input_shape": [None, 5, 4]},
    ),
    "short.yaml": "inputs: {x: [4]}\nlayers: [{Mine: {n: 2}}]\n",
    "wrapped.yaml": "inputs: {x: [5, 4]}\nlayers: [{TimeDistributed: {layer: {Mine: {n: 2}}}}]\n",
}


@pytest.mark.parametrize("file", UNREGISTERED)
def test_a_layer_that_is_not_registered_is_told_with_the_way_to_register_it(tmp_path, file):
    (tmp_path / file).write_text(UNREGISTERED[file])
    done = run("validate", file, cwd=tmp_path)
    assert done.returncode == 1 and "Mine" in done.stdout
    assert "`register_layer`, `lowers`; `spec-compiler --plugin mylayers.py` loads them" in done.stdout
    (tmp_path / "mylayers.py").write_text(HEADER + "class Mine(LayerSpec):\n    n: int\n")
    done = run("--plugin", "mylayers.py", "validate", file, cwd=tmp_path)
    assert done.returncode == 0, done.stdout


HEADER = "from spec_compiler import LayerSpec, lowers, register_layer\n@register_layer\n"
BROKEN = {
    "clash": (
        HEADER + "class Dense(LayerSpec): ...\n",
        "Keras has a layer 'Dense': give yours another name (bad.py:2)",
    ),
    "model": (HEADER + "class Sequential(LayerSpec): ...\n", "Keras has a layer 'Sequential'"),
    "no layer": (HEADER + "class Mine: ...\n", "register_layer takes a subclass of LayerSpec"),
    "twice": (
        HEADER + "class Mine(LayerSpec): ...\ndef inner():\n    class Mine(LayerSpec): ...\n    register_layer(Mine)\n"
        "inner()\n",
        "a layer 'Mine' is registered already, by bad: give yours another name",
    ),
    "raises": ("1 / 0\n", "ZeroDivisionError: division by zero (bad.py:1)"),
    "syntax": ("class Mine(\n", "(bad.py:1)"),
    "import": ("import no_such_module_at_all\n", "No module named 'no_such_module_at_all' (bad.py:1)"),
    "exits": ("raise SystemExit(0)\n", "SystemExit"),
    "field type": (HEADER + "class Mine(LayerSpec):\n    a: 'Nowhere' = 1\n", "name 'Nowhere' is not defined"),
    "shape rule": (
        HEADER + "class Mine(LayerSpec):\n    def infer_shape(self, x):\n        return x[9]\n",
        "IndexError: tuple index out of range (bad.py:5)",
    ),
    "shape": (
        HEADER + "class Mine(LayerSpec):\n    def infer_shape(self, x):\n        return list(x)\n",
        "Mine.infer_shape() returned [None, 4], expected a tuple of whole numbers",
    ),
    "weights": (
        HEADER + "class Mine(LayerSpec):\n    def variables(self, x):\n        return None\n",
        "Mine.variables() returned None, expected a list of Variables",
    ),
}


@pytest.mark.parametrize("plugin", ["bad", "bad.py"])
@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_plugin_is_told_in_a_line_and_exits_2(tmp_path, fault, plugin):
    code, message = BROKEN[fault]
    (tmp_path / "bad.py").write_text(code)
    (tmp_path / "net.yaml").write_text("inputs: {x: [4]}\nlayers: [Mine]\n")
    done = run("--plugin", plugin, "validate", "net.yaml", cwd=tmp_path)
    assert done.returncode == 2, done.stdout + done.stderr
    assert f"plugin '{plugin}' failed: " in done.stderr and message in done.stderr
    assert "Traceback" not in done.stderr and "errors.pydantic.dev" not in done.stderr


@pytest.mark.parametrize(
    ("plugin", "message"),
    [
        ("no_such_plugin", "there is no plugin 'no_such_plugin'"),
        ("no.such.plugin", "there is no plugin 'no.such.plugin'"),
        ("no/such.py", "there is no plugin 'no/such.py': no such file"),
        ("a b", "--plugin takes a module's name or a .py file"),
    ],
)
def test_a_plugin_that_is_not_there_is_told_in_a_line_and_exits_2(plugin, message):
    done = run("--plugin", plugin, "validate", NET)
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr


def test_a_plugins_file_does_not_stand_in_for_another_module(tmp_path):
    (tmp_path / "json.py").write_text("")
    done = run("--plugin", str(tmp_path / "json.py"), "validate", NET)
    assert done.returncode == 2 and "bears the name of another module" in done.stderr


def test_a_layer_without_a_lowering_is_sound_and_cannot_be_emitted(tmp_path):
    (tmp_path / "mine.py").write_text(HEADER + "class Mine(LayerSpec): ...\n")
    (tmp_path / "net.yaml").write_text("inputs: {x: [4]}\nlayers: [Mine]\n")
    assert run("--plugin", "mine", "validate", "net.yaml", cwd=tmp_path).returncode == 0
    done = run("--plugin", "mine", "emit", "net.yaml", cwd=tmp_path)
    assert done.returncode == 1
    assert "nothing says how Mine is computed" in done.stderr and "@lowers(Mine)" in done.stderr
