"""`train`, `evaluate` and `predict` as a stranger meets them: good data, wrong data, places that cannot be written."""

from __future__ import annotations

import csv
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from spec_compiler.cli.main import run
from spec_compiler.loading import load_spec
from spec_compiler.models import Model, load_model

ROOT = Path(__file__).resolve().parents[2]
NET = """\
name: net
inputs: {x: [4]}
layers:
  - Dense: {units: 3, activation: relu}
  - {Dense: {units: 1}, name: price}
training: {loss: mse, metrics: [mae], optimizer: OPTIMIZER, fit: {epochs: 2, seed: 0}}
"""
rng = np.random.default_rng(0)
X, Y = rng.normal(size=(20, 4)), rng.normal(size=20)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text(NET.replace("OPTIMIZER", "adam"))
    np.savez("good.npz", x=X, y=Y)
    Path("good.csv").write_text("a,b,c,d,price\n" + "".join(",".join(map(str, row)) + "\n" for row in np.c_[X, Y]))
    return tmp_path


def holding_nan() -> np.ndarray:
    x = X.copy()
    x[3, 1] = np.nan
    return x


ARRAYS = {
    "no inputs": ({"a": X, "y": Y}, "there is nothing for the model's inputs: the file holds a, y"),
    "no targets": ({"x": X}, "there are no targets beside x: the file holds x"),
    "another shape": ({"x": X[:, :3], "y": Y}, "input 'x' takes arrays of shape (None, 4), got (20, 3)"),
    "another rank": ({"x": X[0], "y": Y[:4]}, "input 'x' takes arrays of shape (None, 4), got (4,)"),
    "wide targets": ({"x": X, "y": X}, "output 'price' cannot be compared with its target"),
    "unequal lengths": ({"x": X, "y": Y[:9]}, "different numbers of samples: input 'x' 20, target 'price' 9"),
    "nothing": ({"x": X[:0], "y": Y[:0]}, "input 'x' is empty: its shape is (0, 4)"),
    "strings": ({"x": X.astype(str), "y": Y}, "input 'x' holds strings, not numbers"),
    "objects": ({"x": X.astype(object), "y": Y}, "holds Python objects, which are not read"),
    "nan": ({"x": holding_nan(), "y": Y}, "x holds nan in sample 4"),
    "infinite targets": ({"x": X, "y": np.append(Y[:19], -np.inf)}, "y holds -inf in sample 20"),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_wrong_arrays_are_named_with_their_file(here, capsys, case):
    arrays, said = ARRAYS[case]
    np.savez("data.npz", **arrays)
    assert run(["train", "net.yaml", "--data", "data.npz"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("data.npz:1:1: ") and said in err
    assert not Path("net.safetensors").exists()


TABLES = {
    "": "data.csv:1:1: the file is empty",
    "a,b,c,d,price\n": "data.csv:1:1: there is no line after the one with the columns' names",
    "1,2,3,4,5\n1,2,3,4,5\n": "data.csv:1:1: the first line holds numbers",
    "a;b\n1;2\n": "data.csv:1:1: the first line, 'a;b', has no comma",
    "a,b,c,d,price\n1,2,3,4\n": "data.csv:2:1: 4 values where 5 columns are named",
    "a,b,c,d,price\n1,2,3,4,5\n1,two,3,,5\n": "data.csv:3:1: column 'b': 'two' is no number",
    "a,b,c,d,price\n1,2,nan,4,5\n": "data.csv:1:1: x holds nan in sample 1",
    "a,b,c,price\n1,2,3,4\n": "data.csv:1:1: input 'x' takes arrays of shape (None, 4), got (1, 3)",
}


@pytest.mark.parametrize("text", TABLES)
def test_wrong_tables_are_named_with_their_place(here, capsys, text):
    Path("data.csv").write_text(text)
    assert run(["train", "net.yaml", "--data", "data.csv"]) == 1
    assert TABLES[text] in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["net.yaml"], 1, "nothing says what data to train on"),
        (["net.yaml", "--data", "none.npz"], 1, "none.npz:1:1: there is no such file"),
        (["net.yaml", "--data", "net.yaml"], 1, "net.yaml:1:1: this is no kind of data file"),
        (["none.yaml", "--data", "good.npz"], 1, "none.yaml:1:1: there is no such file"),
        (["-", "--data", "good.npz"], 2, "say with -o where it is written"),
        (["net.yaml", "--data", "good.npz", "-o", "model.txt"], 2, "'model.txt' does not end in .safetensors"),
        (["net.yaml", "--data", "good.npz", "-o", "no/m.safetensors"], 2, "there is no folder 'no'"),
        (["net.yaml", "--data", "good.npz", "-o", "folder.safetensors"], 2, "'folder.safetensors' is a folder"),
        (["net.yaml", "--data", "good.npz", "--epochs", "0"], 2, "0 is not in the range"),
        (["untrained.yaml", "--data", "good.npz"], 1, "there is no `training` section"),
        (["lossless.yaml", "--data", "good.npz"], 1, "the `training` section has no `loss`"),
        (["outside.yaml"], 1, "in its own folder or below, got '../data.npz'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_trained_says_why(here, capsys, arguments, code, said):
    Path("folder.safetensors").mkdir()
    head = NET.partition("training")[0]
    Path("untrained.yaml").write_text(head)
    Path("lossless.yaml").write_text(head + "training: {optimizer: adam}\n")
    Path("outside.yaml").write_text(head + "training: {loss: mse, data: ../data.npz}\n")
    assert run(["train", *arguments]) == code
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("data", ["good.npz", "good.csv"])
def test_trained_model_is_evaluated_and_asked(here, capsys, data):
    assert run(["train", "net.yaml", "--data", data]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == f"net: 19 parameters; training on 20 samples of {data}"
    assert out[1].startswith("trained for 2 epochs: mae ") and out[2] == "wrote net.safetensors"
    assert run(["evaluate", "net.safetensors", "--data", data]) == 0
    assert "20 samples: mae " in capsys.readouterr().out
    assert run(["predict", "net.safetensors", "--data", data]) == 0
    printed = capsys.readouterr().out
    assert run(["predict", "net.safetensors", "--data", data, "-o", "p.csv"]) == 0
    assert Path("p.csv").read_text() == printed
    assert run(["predict", "net.safetensors", "--data", data, "-o", "p.npz"]) == 0
    with np.load("p.npz") as arrays:
        rows = list(csv.reader(printed.splitlines()))
        assert rows[0] == ["price"] and list(arrays) == ["price"]
        np.testing.assert_array_equal(np.array(rows[1:], dtype="float32"), arrays["price"])


def test_outputs_keep_names_that_numpy_has_for_arguments(here):
    names = ["file", "allow_pickle", "a/b"]
    heads = [f"  - {{Dense: {{units: {i + 1}}}, name: {name}, from: x}}\n" for i, name in enumerate(names)]
    Path("heads.yaml").write_text(f"inputs: {{x: [4]}}\nlayers:\n{''.join(heads)}outputs: [{', '.join(names)}]\n")
    Model.from_spec(load_spec("heads.yaml")).save("heads.safetensors")
    assert run(["predict", "heads.safetensors", "--data", "good.npz", "-o", "p.npz"]) == 0
    with np.load("p.npz") as arrays:
        assert {name: array.shape for name, array in arrays.items()} == {
            name: (20, i + 1) for i, name in enumerate(names)
        }


@pytest.mark.parametrize(("arguments", "equal"), [(["--seed", "7"], True), ([], False)])
def test_seed_makes_the_same_weights(here, arguments, equal):
    Path("net.yaml").write_text(NET.replace("OPTIMIZER", "adam").replace(", seed: 0", ""))
    trained = []
    for name in ("a.safetensors", "b.safetensors"):
        assert run(["train", "net.yaml", "--data", "good.npz", "-q", "-o", name, *arguments]) == 0
        trained.append(load_model(name).get_weights())
    assert all(np.array_equal(a, b) for a, b in zip(*trained, strict=True)) == equal


@pytest.mark.parametrize("data", ["good.npz", "good.csv"])
def test_data_give_the_shape_that_the_file_leaves_open(here, capsys, data):
    Path("net.yaml").write_text(NET.replace("OPTIMIZER", "adam").replace("inputs: {x: [4]}\n", ""))
    assert run(["train", "net.yaml", "--data", data]) == 0
    assert capsys.readouterr().out.startswith("net: 19 parameters; ")


def test_loss_that_is_not_finite_is_said_once_and_no_model_written(here, capsys):
    Path("net.yaml").write_text(NET.replace("OPTIMIZER", "{SGD: {learning_rate: 1e+20}}").replace("s: 2", "s: 5"))
    assert run(["train", "net.yaml", "--data", "good.npz"]) == 1
    err = capsys.readouterr().err
    assert err.count("warning: the loss is ") == 1
    assert "in 4 of 4 weights" in err and "'net.safetensors' is not written" in err
    assert not Path("net.safetensors").exists()


@pytest.mark.parametrize("command", ["evaluate", "predict"])
@pytest.mark.parametrize(
    ("model", "code", "said"),
    [("none.safetensors", 1, "none.safetensors"), ("net.yaml", 2, "holds no weights"), ("bad.safetensors", 1, "bad.")],
)
def test_what_is_no_trained_model_is_refused(here, capsys, command, model, code, said):
    Path("bad.safetensors").write_bytes(b"\x80" * 100)
    assert run([command, model, "--data", "good.npz"]) == code
    assert said in capsys.readouterr().err


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_folder_without_permission_is_refused_before_training(here, capsys):
    folder = Path("locked")
    folder.mkdir(mode=0o500)
    assert run(["train", "net.yaml", "--data", "good.npz", "-o", "locked/m.safetensors"]) == 2
    assert "permission denied" in capsys.readouterr().err


def on_a_terminal(arguments: list[str], until: str | None = None) -> tuple[int, str]:
    """What a command shows on a terminal of 80 columns; interrupted by Ctrl-C once it has shown `until`."""
    master, slave = pty.openpty()
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "80", "LINES": "24", "TERM": "xterm"}
    child = subprocess.Popen(
        [sys.executable, "-m", "spec_compiler", *arguments], stdout=slave, stderr=slave, env=environment
    )
    os.close(slave)
    shown = b""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if not select.select([master], [], [], 1)[0]:
            continue
        try:
            more = os.read(master, 4096)
        except OSError:  # Linux's way to say that the other side is closed
            break
        if not more:
            break
        shown += more
        if until is not None and until.encode() in shown:
            child.send_signal(signal.SIGINT)
            until = None
    os.close(master)
    return child.wait(timeout=60), shown.decode(errors="replace")


def test_terminal_shows_a_bar_and_a_line_an_epoch(here):
    digits = str(ROOT / "examples" / "digits.yaml")
    code, shown = on_a_terminal(["train", digits, "--epochs", "2", "--batch-size", "4"])
    assert code == 0
    assert "━" in shown and "Epoch 2/2 - " in shown
    assert " - loss: " in shown and " - accuracy: " in shown and " - val_accuracy: " in shown
    assert "wrote digits.safetensors" in shown


def test_interruption_leaves_the_earlier_file_and_says_so(here):
    Path("digits.safetensors").write_bytes(b"earlier")
    code, shown = on_a_terminal(["train", str(ROOT / "examples" / "digits.yaml"), "--epochs", "999"], "Epoch 2/999 ")
    assert code == 130
    assert "interrupted: 'digits.safetensors' is not written" in shown and "Traceback" not in shown
    assert [path.name for path in Path().iterdir() if "digits" in path.name] == ["digits.safetensors"]
    assert Path("digits.safetensors").read_bytes() == b"earlier"
