"""Times of reading a large file, in one run: python tests/benchmarks/files.py [ARCHITECTURE]

EfficientNetB7's JSON (816 layers, 760 kB) to a module with its weights drawn, beside `keras.models.model_from_json` on
the torch backend, alternately; the ratio is of the medians, of processor time on one thread. Then whole processes:
`spec-compiler validate` of the file beside Python parsing it with `json`. Last, the peak of memory that reading takes,
by the size of the file.
"""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "torch")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import gc
import json
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import torch

from spec_compiler import Input
from spec_compiler.dialects.write import to_json
from spec_compiler.layers import Dense
from spec_compiler.loading import parse_spec, validate_text
from spec_compiler.models import Sequential, model_from_json

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.applications.architectures import make

ROUNDS = 5


def seconds(work: Callable[[], Any]) -> float:
    """Processor time of one call."""
    gc.collect()
    start = time.process_time()
    kept = work()
    taken = time.process_time() - start
    del kept
    return taken


def building(text: str) -> None:
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(ROUNDS):
        ours.append(seconds(lambda: model_from_json(text).module))
        theirs.append(seconds(lambda: keras.models.model_from_json(text)))
    a, b = statistics.median(ours), statistics.median(theirs)
    print(f"to a built module: {a:.2f} s, Keras {b:.2f} s: {b / a:.1f} times as fast (aim: 3)")


def process_seconds(*command: str) -> float:
    """User and system time of a process, the least of several."""
    taken = []
    for _ in range(ROUNDS):
        before = os.times()
        subprocess.run([sys.executable, *command], check=True, capture_output=True)
        after = os.times()
        taken.append(after.children_user - before.children_user + after.children_system - before.children_system)
    return min(taken)


def validating(path: str) -> None:
    ours = process_seconds("-m", "spec_compiler", "validate", path)
    parsing = process_seconds("-c", f"import json; json.load(open({path!r}))")
    print(f"validated: {ours:.2f} s, parsed with json {parsing:.2f} s (aim: under {1.5 * parsing + 1:.2f} s)")


def peak(work: Callable[[str], Any], text: str) -> float:
    """What Python takes of memory at most while it works, in bytes for each of the text's."""
    gc.collect()
    tracemalloc.start()
    work(text)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most / len(text)


def memory() -> None:
    for n in (1000, 2000, 4000, 8000):
        text = to_json(Sequential([Input((8,)), *(Dense(8) for _ in range(n))]).spec)
        read, validated = peak(parse_spec, text), peak(validate_text, text)
        print(
            f"{n:5,} layers, {len(text) / 1e6:4.1f} MB: {read:.1f} bytes for each to read, {validated:.1f} to validate"
        )


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else "EfficientNetB7"
    torch.set_num_threads(1)
    text = make(name).to_json()
    layers = len(json.loads(text)["config"]["layers"])
    print(f"{name}: {layers} layers, {len(text) / 1e3:.0f} kB; torch {torch.__version__}, Keras {keras.__version__}")
    building(text)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        path.write_text(text)
        validating(str(path))
    memory()


if __name__ == "__main__":
    main()
