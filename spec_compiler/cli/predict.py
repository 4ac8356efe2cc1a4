"""`spec-compiler predict`."""

from __future__ import annotations

import csv
import io
import zipfile
from typing import Any

import click


@click.command("predict")
@click.argument("model", metavar="MODEL")
@click.option("--data", required=True, metavar="PATH", help="A .npz or .csv file with the model's inputs.")
@click.option("-o", "--output", metavar="PATH", help="A .npz or .csv file to write; left out, CSV is printed.")
@click.option("--batch-size", type=click.IntRange(min=1), metavar="N", help="Samples a step; left out, 32.")
def command(model: str, data: str, output: str | None, batch_size: int | None) -> None:
    """Compute a trained model's outputs for data.

    MODEL is the .safetensors file that `train` wrote. Of a .npz, x is taken, else x_test, else x_train; or arrays named
    after the model's inputs. A .csv has a line of names, then a line a sample.

    What is written has an array for each output, or in CSV a column, or several: `digit.0`, `digit.1`.
    """
    if output is not None and not output.endswith((".npz", ".csv")):
        raise click.UsageError(f"'{output}' ends in neither .npz nor .csv")
    from pathlib import Path

    from spec_compiler.cli import data as data_files
    from spec_compiler.cli.files import check_writable
    from spec_compiler.runtime.data_tables import PREDICT, load_table
    from spec_compiler.writing import write_atomically

    if output is not None:
        check_writable(Path(output))
    trained = data_files.load_trained(model)
    part = data_files.find_or_fail(load_table(data), trained, PREDICT, targets=False)
    with data_files.faults_of(data):
        predicted = trained.predict(part.x, batch_size, verbose=0)
    outputs = _by_name(trained.output_names, predicted)
    if output is None:
        click.echo(_csv(outputs), nl=False)
        return
    write_atomically(output, _npz(outputs) if output.endswith(".npz") else _csv(outputs))
    click.echo(f"wrote {output}: {', '.join(f'{name} {array.shape}' for name, array in outputs.items())}", err=True)


def _by_name(names: list[str], predicted: Any) -> dict[str, Any]:
    """The outputs by name; one that is returned twice gets a number."""
    found: dict[str, Any] = {}
    for name, array in zip(names, _leaves(predicted), strict=True):
        key = name if name not in found else f"{name}_{sum(one.startswith(name) for one in found)}"
        found[key] = array
    return found


def _leaves(structure: Any) -> list[Any]:
    if isinstance(structure, dict):
        structure = list(structure.values())
    if isinstance(structure, (list, tuple)):
        return [leaf for item in structure for leaf in _leaves(item)]
    return [structure]


def _csv(outputs: dict[str, Any]) -> str:
    """A line of names, then a line a sample; arrays of several axes are laid out in C's order."""
    names: list[str] = []
    columns: list[Any] = []
    for name, array in outputs.items():
        flat = array.reshape(len(array), -1)
        columns += list(flat.T)
        names += [name] if flat.shape[1] == 1 else [f"{name}.{i}" for i in range(flat.shape[1])]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    # str() of a numpy number is the shortest text that reads as the same number.
    writer.writerows(map(str, row) for row in zip(*columns, strict=True))
    return text.getvalue()


def _npz(outputs: dict[str, Any]) -> bytes:
    """As `np.savez` writes them, to which some names would be arguments of its own."""
    from numpy.lib.format import write_array

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in outputs.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                write_array(file, array, allow_pickle=False)
    return buffer.getvalue()
