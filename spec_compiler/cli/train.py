"""`spec-compiler train`."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from spec_compiler.cli.main import INTERRUPTED
from spec_compiler.diagnostics import BAD_TRAINING, Diagnostic, Span, SpecError

if TYPE_CHECKING:
    from spec_compiler.runtime.data_tables import Part
    from spec_compiler.runtime.model import Model
    from spec_compiler.specs.training import TrainingSpec

KEEP = "`callbacks: [ModelCheckpoint: {filepath: best.safetensors}]` in `training` keeps the model of each epoch"


@click.command("train")
@click.argument("file")
@click.option("--data", metavar="PATH", help="A .npz or .csv file; left out, the one that FILE names.")
@click.option("-o", "--output", metavar="PATH", help="File to write; left out, FILE's name with .safetensors, here.")
@click.option("--epochs", type=click.IntRange(min=1), metavar="N", help="Passes over the data; left out, as FILE says.")
@click.option("--batch-size", type=click.IntRange(min=1), metavar="N", help="Samples a step; left out, as FILE says.")
@click.option("--seed", type=click.IntRange(min=0), metavar="N", help="Seed of weights, order and dropout.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but what is wrong.")
def command(
    file: str,
    data: str | None,
    output: str | None,
    epochs: int | None,
    batch_size: int | None,
    seed: int | None,
    quiet: bool,
) -> None:
    """Train a model as its file says.

    FILE is a model file with a `training` section. The trained model, spec and weights together, is written as
    .safetensors, which `evaluate` and `predict` read.

    A .npz holds the arrays x_train and y_train, or x and y; the metrics are printed for x_test and y_test where it has
    them. A .csv has a line of names, then a line a sample; its last column is the target, or the column `y`, or those
    named after the model's outputs.
    """
    from spec_compiler.cli.files import check_writable, load

    if output is None and file == "-":
        raise click.UsageError("of a model on standard input, say with -o where it is written")
    target = Path(output) if output is not None else Path(Path(file).with_suffix(".safetensors").name)
    if target.suffix != ".safetensors":
        raise click.UsageError(f"'{target}' does not end in .safetensors")
    check_writable(target)
    spec, _ = load(file)
    training = _training(spec.training, file)
    path = _data_path(training, file, data)

    from spec_compiler.cli import data as data_files
    from spec_compiler.runtime.data_tables import TEST, TRAIN, load_table
    from spec_compiler.runtime.model import Model
    from spec_compiler.runtime.seeds import set_random_seed
    from spec_compiler.runtime.training import fit_arguments

    if (seed := seed if seed is not None else training.fit.seed) is not None:
        set_random_seed(seed)
    table = load_table(path)
    model = Model.from_spec(spec)
    model.compile_from_spec()
    train = data_files.find_or_fail(table, model, TRAIN, targets=True)
    test = data_files.find(table, model, TEST, targets=True)
    say = (lambda text: None) if quiet else click.echo
    if not model.built:
        (x,) = train.x.values() if isinstance(train.x, dict) else (train.x,)
        model.build((None, *(x.shape[1:] or (1,))))
    say(f"{model.name}: {model.count_params():,} parameters; training on {data_files.samples(train.samples)} of {path}")
    data_files.check_finite(table, train)
    given = {"epochs": epochs, "batch_size": batch_size}
    options = fit_arguments(training) | {name: value for name, value in given.items() if value is not None}
    try:
        with data_files.faults_of(path):
            logs = _fit(model, train, options, quiet)
    except KeyboardInterrupt:
        click.echo(f"interrupted: '{target}' is not written\n  help: {KEEP}", err=True)
        raise SystemExit(INTERRUPTED) from None
    data_files.check_weights(model, target)
    say(f"trained for {_epochs(model.history.epoch)}: {data_files.numbers(logs)}")
    if test is not None:
        with data_files.faults_of(path):
            found = model.evaluate(test.x, test.y, sample_weight=test.sample_weight, verbose=0, return_dict=True)
        say(f"on {data_files.samples(test.samples)} held out for testing: {data_files.numbers(found)}")
    model.save(target)
    say(f"wrote {target}")


def _epochs(done: list[int]) -> str:
    return f"{len(done)} epoch{'' if len(done) == 1 else 's'}"


def _training(training: TrainingSpec | None, file: str) -> TrainingSpec:
    if training is None or training.loss is None:
        missing = "there is no `training` section" if training is None else "the `training` section has no `loss`"
        help = "say how to train, at least `training: {loss: mse}`"
        raise SpecError(Diagnostic(BAD_TRAINING, missing, span=Span(file, 1, 1), help=help))
    return training


def _data_path(training: TrainingSpec, file: str, data: str | None) -> Path:
    if data is not None:
        return Path(data)
    if training.data is None:
        help = "give --data, or name the file in `training: {data: ...}`"
        raise SpecError(
            Diagnostic(BAD_TRAINING, "nothing says what data to train on", span=Span(file, 1, 1), help=help)
        )
    from spec_compiler.cli.data import stated_path

    return stated_path(file, training.data)


def _fit(model: Model, train: Part, options: dict[str, Any], quiet: bool) -> dict[str, float]:
    """Train, with a bar on a terminal and nothing elsewhere; the last epoch's numbers. Warnings print as a line."""
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        verbose = 0 if quiet else "auto"
        history = model.fit(train.x, train.y, sample_weight=train.sample_weight, verbose=verbose, **options).history
    return {name: values[-1] for name, values in history.items()}


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    click.echo(f"warning: {message}", err=True)
