"""`spec-compiler schema`."""

from __future__ import annotations

import click


@click.command("schema")
@click.argument("form", type=click.Choice(["short", "keras"]), default="short")
def command(form: str) -> None:
    """Print the JSON Schema of model files.

    `short` is that of our own YAML, `keras` that of Keras's JSON. An editor completes and checks a YAML file whose
    first line is `# yaml-language-server: $schema=PATH`.
    """
    from spec_compiler.schema import keras_schema, model_schema
    from spec_compiler.schema.files import text

    click.echo(text(keras_schema() if form == "keras" else model_schema()), nl=False)
