"""`--plugin`: the user's own layers, from a module or file that the command line names. No model file can name one."""

from __future__ import annotations

import sys
import traceback
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import click

from spec_compiler.diagnostics import plain

_loaded: dict[str, str] = {}
"""The plugins' modules, and how the command line calls each."""


def load(plugin: str) -> None:
    """Import a plugin: a .py file, or a module on Python's path or in the current folder. UsageError when it fails."""
    try:
        module = _from_file(Path(plugin)) if plugin.endswith(".py") else _from_path(plugin)
    except click.UsageError:
        raise
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit, and what else a plugin may think of
        raise click.UsageError(f"plugin '{plain(plugin)}' failed: {_told(error)}") from None
    _loaded[module.__name__] = plugin


def _from_path(name: str) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        raise click.UsageError(f"--plugin takes a module's name or a .py file, got '{plain(name)}'")
    _add_folder(Path.cwd())
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # something that the plugin itself imports
        raise click.UsageError(f"there is no plugin '{name}': no such module, here or on Python's path") from None


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise click.UsageError(f"there is no plugin '{plain(str(path))}': no such file")
    path = path.resolve()
    held = sys.modules.get(path.stem)
    if held is not None and getattr(held, "__file__", None) == str(path):
        return held
    if held is not None or path.stem in sys.stdlib_module_names:
        raise click.UsageError(f"plugin '{plain(path.name)}' bears the name of another module: rename it")
    _add_folder(path.parent)
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = sys.modules[path.stem] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _add_folder(folder: Path) -> None:
    # Last: what lies in a folder must not stand in for Python's own modules or for torch.
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def failed(error: BaseException) -> str | None:
    """`plugin 'mylayers' failed: …` for an error that came through a plugin's code; None for others'."""
    modules = [getattr(error, "module", "")]
    modules += [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    for module in modules:
        plugin = _loaded.get(module)
        if plugin is not None:
            return f"plugin '{plain(plugin)}' failed: {_told(error)}"
    return None


def names() -> list[str]:
    """The plugins, as the command line calls them."""
    return [plain(plugin) for plugin in _loaded.values()]


def _told(error: BaseException) -> str:
    """The error in one line, and the line of code it came from."""
    if isinstance(error, SyntaxError):
        return f"{plain(error.msg)} ({plain(Path(error.filename or '').name)}:{error.lineno})"
    ours = ("spec_compiler", "importlib", "site-packages")
    steps = [
        step for step in traceback.extract_tb(error.__traceback__) if not any(part in step.filename for part in ours)
    ]
    place = f" ({plain(Path(steps[-1].filename).name)}:{steps[-1].lineno})" if steps else ""
    kind = "" if hasattr(error, "module") else f"{type(error).__name__}: "  # a ContractError names the layer's class
    what = f"{kind}{error}".partition("\n")[0]
    return f"{plain(what):.500}{place}"
