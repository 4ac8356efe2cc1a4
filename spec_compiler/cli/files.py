"""Model files as commands take and write them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from spec_compiler import loading
from spec_compiler.diagnostics import plain
from spec_compiler.source import LIMITS

if TYPE_CHECKING:
    from spec_compiler.diagnostics import Reporter
    from spec_compiler.ir import Graph
    from spec_compiler.specs.model import ModelSpec


def load(file: str) -> tuple[ModelSpec, Graph]:
    """The model in `file`, or on standard input for `-`, and its typed graph; raises SpecError with every fault.

    Warnings are told on standard error.
    """
    spec, reporter = load_reporting(file)
    graph = checked(spec, reporter)
    tell_warnings(reporter)
    return spec, graph


def load_reporting(file: str) -> tuple[ModelSpec, Reporter]:
    """The model in `file`, unchecked, with the reporter that knows the places in the file."""
    if file == "-":
        return loading.parse_reporting(read_stdin(), "<stdin>")
    return loading.load_reporting(file)


def read_stdin() -> bytes:
    """Standard input, as far as a model may be long; UsageError where there is none (`<&-`)."""
    if sys.stdin is None:
        raise click.UsageError("there is no standard input to read")
    return sys.stdin.buffer.read(LIMITS.max_bytes + 1)


def checked(spec: ModelSpec, reporter: Reporter) -> Graph:
    """The typed graph of `spec`; raises SpecError with every fault, its place found by the reporter."""
    from spec_compiler.passes import check

    graph = check(spec, reporter)
    reporter.raise_if_errors()
    assert graph is not None
    return graph


def tell_warnings(reporter: Reporter) -> None:
    """Print what the reporter warns of on standard error."""
    for warning in reporter.result().warnings:
        click.echo(warning.render(), err=True)


def write(text: str, path: str | None) -> None:
    """Write `text` to the file, whole or not at all; print it where `path` is None or `-`."""
    from spec_compiler.writing import write_atomically

    if path in (None, "-"):
        click.echo(text, nl=not text.endswith("\n"))
        return
    assert path is not None
    check_writable(Path(path))
    write_atomically(path, text if text.endswith("\n") else text + "\n")
    click.echo(f"wrote {plain(path)}", err=True)


def check_writable(path: Path) -> None:
    """Refuse a place that cannot be written to, before the work is done whose result goes there."""
    folder = path.parent
    if not folder.is_dir():
        raise click.UsageError(f"'{path}' cannot be written: there is no folder '{folder}'")
    if path.is_dir():
        raise click.UsageError(f"'{path}' is a folder")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise click.UsageError(f"'{path}' cannot be written: permission denied")
