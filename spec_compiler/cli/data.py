"""Data files as `train`, `evaluate` and `predict` take them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spec_compiler.diagnostics import BAD_TRAINING, DATA_MISMATCH, UNSAFE_PATH, Diagnostic, Span, SpecError

if TYPE_CHECKING:
    from spec_compiler.runtime.data_tables import Part, Table
    from spec_compiler.runtime.model import Model


def stated_path(file: str, data: str) -> Path:
    """Where the data are that `file` names; raises SpecError where a link leads out of the file's folder."""
    folder = Path(file).parent
    path = folder / data
    if not path.resolve().is_relative_to(folder.resolve()):
        message = f"the data '{data}' lie outside the folder of the file that names them"
        help = "give the data on the command line, with --data"
        raise SpecError(Diagnostic(UNSAFE_PATH, message, span=Span(file, 1, 1), help=help))
    return path


def find(table: Table, model: Model, endings: Sequence[str], targets: bool) -> Part | None:
    """What the file holds for the model; None where it holds no inputs under these endings."""
    part = table.part(model.graph.inputs, model.output_names, endings)
    if part is not None and part.y is None and targets:
        raise _fault(table, f"there are no targets beside {part.name}", model)
    return part


def find_or_fail(table: Table, model: Model, endings: Sequence[str], targets: bool) -> Part:
    """What the file holds for the model; raises SpecError where it holds nothing for it."""
    part = find(table, model, endings, targets)
    if part is None:
        raise _fault(table, "there is nothing for the model's inputs", model)
    return part


@contextmanager
def faults_of(path: str | Path) -> Iterator[None]:
    """Say of faults found in arrays which file they are in."""
    try:
        yield
    except SpecError as error:
        place = Span(str(path), 1, 1)
        raise SpecError([replace(d, span=place) if d.span is None else d for d in error.diagnostics]) from None


def check_finite(table: Table, part: Part) -> None:
    """Refuse to train on what is no number: every weight would be NaN after one step. Raises SpecError."""
    import numpy as np

    found = []
    for name, given in (("x", part.x), ("y", part.y), ("sample_weight", part.sample_weight)):
        for label, array in given.items() if isinstance(given, dict) else [(name, given)]:
            bad: Any = () if array is None or array.dtype.kind != "f" else np.argwhere(~np.isfinite(array))
            if len(bad):
                message = f"{label} holds {array[tuple(bad[0])]} in sample {bad[0][0] + 1:,}"
                found.append(Diagnostic(DATA_MISMATCH, message, span=Span(str(table.path), 1, 1)))
    if found:
        raise SpecError(found)


def check_weights(model: Model, target: Path) -> None:
    """Refuse to write a model that computes nothing any more. Raises SpecError."""
    import numpy as np

    arrays = zip(model.weights, model.get_weights(), strict=True)
    broken = [weight.path for weight, array in arrays if not np.isfinite(array).all()]
    if broken:
        message = (
            f"training left NaN or infinity in {len(broken)} of {len(model.weights)} weights, first in '{broken[0]}'"
        )
        help = "lower the learning rate"
        raise SpecError(Diagnostic(BAD_TRAINING, f"{message}: '{target}' is not written", help=help))


def _fault(table: Table, message: str, model: Model) -> SpecError:
    inputs, outputs = ", ".join(model.input_names), ", ".join(model.output_names)
    kind = "columns" if table.path.suffix == ".csv" else "x_train and y_train, or x and y; or arrays"
    help = f"name them {kind} after the inputs ({inputs}) and the outputs ({outputs})"
    message = f"{message}: the file holds {table.described()}"
    return SpecError(Diagnostic(DATA_MISMATCH, message, span=Span(str(table.path), 1, 1), help=help))


def samples(n: int) -> str:
    """`1,438 samples`."""
    return f"{n:,} sample{'' if n == 1 else 's'}"


def numbers(logs: dict[str, float]) -> str:
    """`accuracy 0.9806, loss 0.0712`: the loss last, as it says least, and after it what validation found."""
    names = sorted(logs, key=lambda name: (name.startswith("val_"), name.removeprefix("val_") == "loss"))
    return ", ".join(f"{name} {_number(logs[name])}" for name in names)


def _number(value: Any) -> str:
    # A metric of several thresholds has several values.
    return "[" + " ".join(map(_number, value)) + "]" if isinstance(value, list) else f"{value:.4f}"


def load_trained(path: str) -> Model:
    """The model in the `.safetensors` file that `train` wrote; raises SpecError when it does not hold one."""
    if not path.endswith(".safetensors"):
        raise click.UsageError(
            f"'{path}' holds no weights: give a .safetensors file, as `spec-compiler train` writes it"
        )
    from spec_compiler.runtime.saving import load_model

    return load_model(path)
