"""`spec-compiler emit`."""

from __future__ import annotations

import click


@click.command("emit")
@click.argument("file")
@click.option("-o", "--output", metavar="PATH", help="File to write; left out, the source is printed.")
def command(file: str, output: str | None) -> None:
    """Print a model as PyTorch source.

    FILE is a model file, or `-` for standard input. The source needs torch and nothing else, and loads the same
    `state_dict` as the model.
    """
    from spec_compiler.cli.files import load, write
    from spec_compiler.compiling import emit

    spec, _ = load(file)
    write(emit(spec), output)
