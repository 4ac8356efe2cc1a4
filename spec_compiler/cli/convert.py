"""`spec-compiler convert`."""

from __future__ import annotations

from pathlib import Path

import click

DIALECTS = ("keras3", "keras2", "short")


@click.command("convert")
@click.argument("source", metavar="IN")
@click.argument("target", metavar="OUT")
@click.option("--to", "dialect", type=click.Choice(DIALECTS), default="keras3", help="What OUT is written in.")
@click.option("--json", "form", flag_value="json", help="Write JSON, whatever OUT is called.")
@click.option("--yaml", "form", flag_value="yaml", help="Write YAML, whatever OUT is called.")
def command(source: str, target: str, dialect: str, form: str | None) -> None:
    """Write a model in another dialect.

    IN is a model file, or `-` for standard input; OUT is a file, or `-` for standard output. keras3 is what today's
    Keras loads, keras2 what Keras 2 and tf_keras load. Without --json and --yaml the ending of OUT decides. A file there
    is replaced, once all is well. Names that Keras 3 makes us change, layers that it does not have, and what reading warns
    of are said on standard error. Weights are not converted.
    """
    from spec_compiler.cli.files import check_writable, checked, load_reporting, tell_warnings, write
    from spec_compiler.dialects.write import as_json, as_yaml, document

    form = form or _form(target, dialect)
    if target != "-":
        check_writable(Path(target))
        if source != "-" and Path(target).exists() and Path(source).exists() and Path(target).samefile(source):
            raise click.UsageError(
                f"'{target}' is the file that is read: name another, since what is converted loses comments"
            )
    spec, reporter = load_reporting(source)
    checked(spec, reporter)
    written = document(spec, dialect, reporter)
    write(as_yaml(written, dialect) if form == "yaml" else as_json(written, indent=2), target)
    tell_warnings(reporter)


def _form(target: str, dialect: str) -> str:
    ending = Path(target).suffix.lower()
    if ending in (".yaml", ".yml") or (target == "-" and dialect == "short"):
        return "yaml"
    if ending == ".json" or target == "-":
        return "json"
    raise click.UsageError(f"'{target}' ends in neither .json nor .yaml: say --json or --yaml")
