"""`spec-compiler summary`."""

from __future__ import annotations

import click


@click.command("summary")
@click.argument("file")
@click.option("--expand-nested", is_flag=True, help="List the layers of nested models too.")
@click.option("--show-trainable", is_flag=True, help="Tell which layers train.")
@click.option("--line-length", type=click.IntRange(min=20, max=10_000), metavar="N", help="Width of the table.")
def command(file: str, expand_nested: bool, show_trainable: bool, line_length: int | None) -> None:
    """Print a model's layers, shapes and parameter counts.

    FILE is a model file, or `-` for standard input. torch is not loaded.
    """
    from spec_compiler.cli.files import load
    from spec_compiler.summary import summary

    _, graph = load(file)
    summary(graph, click.echo, line_length, None, expand_nested, show_trainable)
