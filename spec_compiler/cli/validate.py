"""`spec-compiler validate`."""

from __future__ import annotations

import click

from spec_compiler.cli.reports import FORMATS
from spec_compiler.diagnostics import Report

STDIN = "<stdin>"


@click.command("validate")
@click.argument("files", nargs=-1, required=True)
@click.option("--format", "form", type=click.Choice(list(FORMATS)), default="text", help="How findings are printed.")
@click.option("--strict", is_flag=True, help="Let warnings count as findings.")
@click.option("--max-params", type=click.IntRange(min=0), metavar="N", help="Number of weights that is too many.")
@click.option(
    "--max-activations",
    type=click.IntRange(min=0),
    metavar="N",
    help="Number of values for one sample that is too many.",
)
@click.pass_context
def command(
    ctx: click.Context,
    files: tuple[str, ...],
    form: str,
    strict: bool,
    max_params: int | None,
    max_activations: int | None,
) -> None:
    """Check model files.

    Prints everything that is wrong with each of FILES as `file:line:column: message [code]`; `explain` tells more of a
    code. `-` is standard input. Nothing is run or written, and torch is not loaded.

    Ends with 0 when nothing was found, and with 1 otherwise.
    """
    limits = {"params": max_params, "activations": max_activations}
    reports = {
        name: _report(name, {key: limit for key, limit in limits.items() if limit is not None})
        for name in dict.fromkeys(files)
    }
    text = FORMATS[form]({STDIN if name == "-" else name: report for name, report in reports.items()})
    if text:
        click.echo(text)
    errors = sum(len(report.errors) + report.omitted for report in reports.values())
    warnings = sum(len(report.warnings) for report in reports.values())
    click.echo(_summary(len(reports), errors, warnings), err=True)
    ctx.exit(1 if errors or (strict and warnings) else 0)


def _report(name: str, limits: dict[str, int]) -> Report:
    from spec_compiler.loading import validate, validate_text

    budget = None
    if limits:
        from spec_compiler.passes.check_budget import Budget

        budget = Budget(**limits)
    if name == "-":
        from spec_compiler.cli.files import read_stdin

        return validate_text(read_stdin(), STDIN, budget=budget)
    return validate(name, budget=budget)


def _summary(files: int, errors: int, warnings: int) -> str:
    found = [_count(errors, "error"), _count(warnings, "warning")]
    counted = " and ".join(text for text in found if text) or "nothing is wrong"
    return f"{_count(files, 'file')}: {counted}"


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}" if n else ""
