"""Odd streams, plugins and places to write to: the right exit code, no traceback, and earlier files as they were."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GOOD = ROOT / "tests" / "dialects" / "keras3" / "shared_layer.json"
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")


def run(command: str, cwd: Path, **options: object) -> subprocess.CompletedProcess[str]:
    """`command` in a shell, `spec` standing for the program; it must come to an end by itself."""
    words = f'spec() {{ "{sys.executable}" -m spec_compiler "$@"; }}\n{command}'
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "GOOD": str(GOOD)}
    done = subprocess.run(
        ["sh", "-c", words], cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, **options
    )
    assert "Traceback" not in done.stderr and "SC901" not in done.stderr, done.stderr
    return done


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("spec validate - <&-", 2, "there is no standard input to read"),
        ("spec summary - <&-", 2, "there is no standard input to read"),
        ("spec validate - </dev/null", 1, "<stdin>:1:1: the document is empty [SC011]"),
        ("spec validate - </dev/zero", 1, "<stdin>:1:1: the document is larger than"),
        ('spec validate - - <"$GOOD"', 0, "1 file: nothing is wrong"),
        ('spec summary "$GOOD" >&-', 0, ""),
        ('spec summary "$GOOD" >/dev/full', 1, "No space left on device"),
        ('spec convert "$GOOD" /dev/full --json', 1, "No space left on device"),
        ('spec convert "$GOOD" /dev/null --json', 0, "wrote /dev/null"),
        ('spec convert "$GOOD" "$(printf "a\\001.json")"', 0, "wrote a\\x01.json"),
        ('spec convert "$GOOD" .', 2, "ends in neither .json nor .yaml"),
        ('spec convert "$GOOD" nowhere/a.json', 2, "there is no folder 'nowhere'"),
        ('spec convert "$GOOD" "$GOOD/a.json"', 2, "there is no folder"),
    ],
)
def test_odd_streams_and_places(tmp_path: Path, command: str, code: int, said: str) -> None:
    done = run(command, tmp_path)
    assert done.returncode == code, done.stderr
    assert said in done.stdout + done.stderr


@pytest.mark.parametrize("blocks", [0, 1])
def test_full_disk_leaves_the_earlier_file(tmp_path: Path, blocks: int) -> None:
    earlier = tmp_path / "net.json"
    earlier.write_text("mine")
    done = run(f'ulimit -f {blocks}; spec convert "$GOOD" net.json', tmp_path)
    assert done.returncode == 1
    assert done.stderr == "spec-compiler: 'net.json': File too large\n"
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_faulty_model_leaves_the_earlier_file(tmp_path: Path) -> None:
    (tmp_path / "net.json").write_text("mine")
    (tmp_path / "bad.yaml").write_text("inputs: {x: [3]}\nlayers: [Densee]\n")
    assert run("spec convert bad.yaml net.json", tmp_path).returncode == 1
    assert (tmp_path / "net.json").read_text() == "mine"


def test_interrupt_in_the_midst_of_writing_leaves_the_earlier_file(tmp_path: Path) -> None:
    earlier = tmp_path / "net.json"
    earlier.write_text("mine")
    code = (
        "import os, signal, sys\n"
        "from spec_compiler.cli.main import main\n"
        "os.fsync = lambda file: signal.raise_signal(signal.SIGINT)\n"
        "main(sys.argv[1:])\n"
    )
    command = [sys.executable, "-c", code, "convert", str(GOOD), str(earlier)]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 130 and done.stderr.strip() == "interrupted"
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


PLUGINS = {
    "raise SystemExit(0)": (2, "failed: SystemExit: 0"),
    "raise GeneratorExit": (2, "failed: GeneratorExit"),
    "class Odd(BaseException): pass\nraise Odd('x')": (2, "failed: Odd: x (odd.py:2)"),
    "raise KeyboardInterrupt": (130, "interrupted"),
    "def f(): f()\nf()": (2, "failed: RecursionError"),
    "raise ValueError('\\x1b[31m' + 'x' * 10**6)": (2, "failed: ValueError: \\x1b[31mxxx"),
    "\0": (2, "source code string cannot contain null bytes"),
    "import spec_compiler as sc\nsc.register_layer(int)": (2, "takes a subclass of LayerSpec"),
}


@pytest.mark.parametrize("source", PLUGINS)
def test_plugin_that_fails_in_any_way_is_the_plugins_fault(tmp_path: Path, source: str) -> None:
    code, said = PLUGINS[source]
    (tmp_path / "odd.py").write_text(source)
    done = run('spec --plugin odd.py validate "$GOOD"', tmp_path)
    assert done.returncode == code, done.stderr
    assert said in done.stderr and len(done.stderr) < 2_000


@pytest.mark.parametrize("plugin", ["missing.py", "folder.py", "pipe.py", "/dev/zero", "..", "a/b", "''", "import"])
def test_what_is_no_plugin_is_said(tmp_path: Path, plugin: str) -> None:
    (tmp_path / "folder.py").mkdir()
    os.mkfifo(tmp_path / "pipe.py")
    done = run(f'spec --plugin {plugin} validate "$GOOD"', tmp_path)
    assert done.returncode == 2
    assert "plugin" in done.stderr.splitlines()[-1]


def test_names_that_are_no_utf8_are_read_and_written(tmp_path: Path) -> None:
    run('cp "$GOOD" "$(printf "\\377.json")"', tmp_path)
    done = run('spec convert "$(printf "\\377.json")" "$(printf "\\376.json")"', tmp_path)
    assert done.returncode == 0 and done.stderr == "wrote \\udcfe.json\n"
    assert sorted(os.fsencode(path.name) for path in tmp_path.iterdir()) == [b"\xfe.json", b"\xff.json"]


def test_interrupt_is_said_in_a_word() -> None:
    command = [sys.executable, "-m", "spec_compiler", "validate", "-"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    reading = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    assert reading.stdin is not None
    reading.stdin.write(b"{" * 2**17)  # more than a pipe holds: once it is taken, the command is reading
    reading.stdin.flush()
    reading.send_signal(signal.SIGINT)
    _, said = reading.communicate(timeout=60)
    assert reading.returncode == 130 and said.strip() == b"interrupted"
