"""`spec-compiler explain`."""

from __future__ import annotations

import click

from spec_compiler.diagnostics import CODES, Code, did_you_mean, find_code, show


@click.command("explain")
@click.argument("code", required=False)
def command(code: str | None) -> None:
    """Explain a diagnostic code.

    CODE is an id or a name, as in `SC101` or `unknown-layer`. Without one, all codes are listed.
    """
    if code is None:
        for one in CODES.values():
            click.echo(f"{one.id}  {one.slug:<22}  {one.summary}")
        return
    found = find_code(code)
    if found is None:
        names = [*CODES, *(one.slug for one in CODES.values())]
        hint = did_you_mean(code, names) or "`spec-compiler explain` lists all"
        raise click.UsageError(f"there is no code {show(code)}: {hint}")
    click.echo(_page(found))


def _page(code: Code) -> str:
    return f"{code.id} {code.slug}\n\n" + click.wrap_text(code.explanation, 80, preserve_paragraphs=True)
