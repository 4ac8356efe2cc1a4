"""`spec-compiler evaluate`."""

from __future__ import annotations

import click


@click.command("evaluate")
@click.argument("model", metavar="MODEL")
@click.option("--data", required=True, metavar="PATH", help="A .npz or .csv file, as `train` takes it.")
@click.option("--batch-size", type=click.IntRange(min=1), metavar="N", help="Samples a step; left out, 32.")
def command(model: str, data: str, batch_size: int | None) -> None:
    """Measure a trained model on data.

    MODEL is the .safetensors file that `train` wrote. Of a .npz, x_test and y_test are taken, else x and y, else
    x_train and y_train.
    """
    from spec_compiler.cli import data as data_files
    from spec_compiler.runtime.data_tables import EVALUATE, load_table

    trained = data_files.load_trained(model)
    part = data_files.find_or_fail(load_table(data), trained, EVALUATE, targets=True)
    weights = part.sample_weight
    with data_files.faults_of(data):
        found = trained.evaluate(part.x, part.y, batch_size, verbose=0, sample_weight=weights, return_dict=True)
    click.echo(f"{part.name} of {data}, {data_files.samples(part.samples)}: {data_files.numbers(found)}")
