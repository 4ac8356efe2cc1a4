"""Model files as commands take and write them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from spec_compiler import loading
from spec_compiler.diagnostics import Reporter, plain
from spec_compiler.source import LIMITS

if TYPE_CHECKING:
    from spec_compiler.ir import Graph
    from spec_compiler.specs.model import ModelSpec


def load(file: str) -> ModelSpec:
    """The model in `file`, or on standard input for `-`; raises SpecError with every fault."""
    if file == "-":
        return loading.parse_spec(read_stdin(), "<stdin>")
    return loading.load_spec(file)


def load_reporting(file: str) -> tuple[ModelSpec, Reporter]:
    """The same as `load`, with the reporter that knows the places in the file."""
    if file == "-":
        return loading.parse_reporting(read_stdin(), "<stdin>")
    return loading.load_reporting(file)


def read_stdin() -> bytes:
    """Standard input, as far as a model may be long; UsageError where there is none (`<&-`)."""
    if sys.stdin is None:
        raise click.UsageError("there is no standard input to read")
    return sys.stdin.buffer.read(LIMITS.max_bytes + 1)


def checked(spec: ModelSpec, reporter: Reporter | None = None) -> Graph:
    """The typed graph of `spec`; raises SpecError with every fault. A `reporter` that knows the file gives them places."""
    from spec_compiler.passes import check

    reporter = reporter or Reporter()
    graph = check(spec, reporter)
    reporter.raise_if_errors()
    assert graph is not None
    return graph


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
