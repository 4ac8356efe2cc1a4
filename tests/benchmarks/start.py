"""What it costs to start: `import spec_compiler` and `spec-compiler validate`, as multiples of `import pydantic, yaml`.

    python tests/benchmarks/start.py

Each figure is CPU time of a whole process, the least of several runs, taken in turns; both bounds are issue 2's.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

RUNS = 15
TEN_LAYERS = """\
inputs: {image: [28, 28, 1]}
layers:
  - Rescaling: {scale: 0.00392}
  - Conv2D: {filters: 32, kernel_size: 3, activation: relu}
  - BatchNormalization
  - MaxPooling2D
  - Conv2D: {filters: 64, kernel_size: 3, activation: relu}
  - MaxPooling2D
  - Flatten
  - Dropout: {rate: 0.5}
  - Dense: {units: 64, activation: relu}
  - Dense: {units: 10, activation: softmax}
"""


def cpu_seconds(command: list[str]) -> float:
    """User and system time of a process; it must end well."""
    # Compiled once, as an installed package is.
    env = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print each command's time, its multiple of the first, and the bound on it."""
    with tempfile.TemporaryDirectory() as folder:
        short = Path(folder, "ten.yaml")
        short.write_text(TEN_LAYERS)
        keras = Path(folder, "ten.json")
        program = shutil.which("spec-compiler") or "spec-compiler"
        subprocess.run([program, "convert", str(short), str(keras), "--to", "keras3"], check=True)
        commands = {
            "import pydantic, yaml": ([sys.executable, "-c", "import pydantic, yaml"], None),
            "import spec_compiler": ([sys.executable, "-c", "import spec_compiler"], 1.5),
            "validate, Keras 3 JSON": ([program, "validate", str(keras)], 3.0),
            "validate, short YAML": ([program, "validate", str(short)], 3.0),
        }
        times = {name: [cpu_seconds(command)] for name, (command, _) in commands.items()}
        for _ in range(RUNS):
            for name, (command, _) in commands.items():
                times[name].append(cpu_seconds(command))
    least = {name: min(found) for name, found in times.items()}
    base = least["import pydantic, yaml"]
    for name, (_, bound) in commands.items():
        limit = "" if bound is None else f"  (at most {bound})"
        print(f"{name:24} {least[name] * 1e3:6.0f} ms {least[name] / base:6.2f} x{limit}")


if __name__ == "__main__":
    main()
