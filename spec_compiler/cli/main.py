"""`spec-compiler`: the commands by name, each imported when it is called, and what the shell is told at the end."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import click

CLEAN, FINDINGS, USAGE, BUG, INTERRUPTED = 0, 1, 2, 3, 130

OPTIONAL = ("torch", "numpy", "safetensors", "rich", "h5py")
"""What only commands that compute need: the others run where it is not installed."""

COMMANDS = {
    "validate": "Check model files.",
    "summary": "Print a model's layers, shapes and parameter counts.",
    "emit": "Print a model as PyTorch source.",
    "convert": "Write a model in another dialect.",
    "train": "Train a model as its file says.",
    "evaluate": "Measure a trained model on data.",
    "predict": "Compute a trained model's outputs for data.",
    "explain": "Explain a diagnostic code.",
    "schema": "Print the JSON Schema of model files.",
}
"""Each command's first line of help; the command itself is `command` in the module of its name."""


class Commands(click.Group):
    """A group whose commands are imported when they are called, and not to list them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"spec_compiler.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in COMMANDS:
            from spec_compiler.diagnostics import did_you_mean, show

            hint = did_you_mean(args[0], COMMANDS)
            ctx.fail(f"there is no command {show(args[0])}" + (f": {hint}" if hint else ""))
        return super().resolve_command(ctx, args)


def _version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        from spec_compiler import __version__

        click.echo(f"spec-compiler {__version__}")
        ctx.exit()


@click.group("spec-compiler", cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Print the version."
)
@click.option(
    "--plugin", "plugins", multiple=True, metavar="MODULE", help="Python code with layers of your own to load."
)
def group(plugins: tuple[str, ...]) -> None:
    """A compiler for neural-network specs: model files in, PyTorch out.

    Model files are Keras JSON or YAML of any age, .keras archives, or short YAML. Commands end with 0 when all is well,
    1 when something is wrong with a file, 2 when the command line or a plugin is, and 3 when spec-compiler itself
    failed.

    A plugin is a module, or a .py file, that registers layers with `register_layer` and `lowers`; its code is run.
    --plugin may be given several times, before the command.
    """
    if plugins:
        from spec_compiler.cli import plugins as plugin_files

        for plugin in plugins:
            plugin_files.load(plugin)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line, and end the process with its exit code."""
    # Nearly all that a command makes stays: at Python's own 700, looking for garbage is 6 % of a small `validate`.
    gc.set_threshold(50_000)
    code = run(arguments)
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        # What is still unwritten has no reader (`| head`); Python must not try again when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = FINDINGS
    sys.exit(code)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code."""
    # Looking for plugins, pydantic reads the metadata of every installed distribution: a tenth of a small `validate`.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        code = group.main(arguments, prog_name="spec-compiler", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except Exception as error:
        return _failed(error)
    return code if isinstance(code, int) else CLEAN


def _failed(error: Exception) -> int:
    """Say what stopped the command: faults of files as they print, anything else as our bug."""
    from spec_compiler.diagnostics import INTERNAL_ERROR, SpecError, plain

    if isinstance(error, SpecError):
        click.echo(str(error), err=True)
        return FINDINGS
    # torch says so with a RuntimeError on the CPU, with a class of this name on a GPU.
    out_of_memory = type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error)
    if isinstance(error, MemoryError) or out_of_memory:
        click.echo(f"spec-compiler: there is not enough memory: {plain(str(error)):.300}", err=True)
        return FINDINGS
    if isinstance(error, OSError):
        name = f"'{plain(str(error.filename))}': " if error.filename else ""
        click.echo(f"spec-compiler: {name}{plain(error.strerror or str(error))}", err=True)
        return FINDINGS
    if isinstance(error, ModuleNotFoundError) and error.name in OPTIONAL:
        click.echo(f"spec-compiler: {error.name} is not installed\n  help: pip install {error.name}", err=True)
        return USAGE
    if os.environ.get("SPEC_COMPILER_DEBUG"):
        import traceback

        traceback.print_exception(error)
    plugin_modules = sys.modules.get("spec_compiler.cli.plugins")
    if plugin_modules and (told := plugin_modules.failed(error)):
        click.echo(f"spec-compiler: {told}", err=True)
        return USAGE
    what = plain(f"{type(error).__name__}: {error}")
    click.echo(f"spec-compiler: internal error: {what:.500} [{INTERNAL_ERROR.id}]", err=True)
    names = ", ".join(f"'{name}'" for name in plugin_modules.names()) if plugin_modules else ""
    where = f"in a layer of {names}, or in spec-compiler" if names else "in spec-compiler"
    click.echo(
        f"  help: this is a bug {where}; please report it with the command and the file "
        "(SPEC_COMPILER_DEBUG=1 prints where it happened)",
        err=True,
    )
    return BUG
