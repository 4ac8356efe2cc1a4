"""Copy the definitions of our own modules and functions into emitted source, with what they need and no more."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any


@dataclass(frozen=True)
class _Parsed:
    """A module's source: its top-level definitions and imports, by the names they bind."""

    definitions: dict[str, str]
    needs: dict[str, frozenset[str]]
    imports: dict[str, str]


def copied(objects: Iterable[Any]) -> tuple[list[str], list[str]]:
    """The import lines and the definitions that `objects`, classes and functions of ours, need; each once, in order."""
    imports: dict[str, None] = {}
    definitions: dict[tuple[str, str], str] = {}
    by_module: dict[str, set[str]] = {}
    for obj in objects:
        by_module.setdefault(obj.__module__, set()).add(obj.__name__)
    for module_name, wanted in by_module.items():
        parsed = _parse(sys.modules[module_name])
        needed = _closure(parsed, wanted)
        imports |= dict.fromkeys(parsed.imports[name] for name in sorted(needed) if name in parsed.imports)
        for name, text in parsed.definitions.items():
            if name in needed:
                definitions[module_name, name] = text
    return list(imports), list(definitions.values())


def _closure(parsed: _Parsed, wanted: set[str]) -> set[str]:
    found: set[str] = set()
    open_names = list(wanted)
    while open_names:
        name = open_names.pop()
        if name not in found:
            found.add(name)
            open_names += parsed.needs.get(name, ())
    return found


@cache
def _parse(module: ModuleType) -> _Parsed:
    source = inspect.getsource(module)
    definitions, needs, imports = {}, {}, {}
    for statement in ast.parse(source).body:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            for alias in statement.names:
                imports[alias.asname or alias.name] = _import_line(statement, alias)
            continue
        for name in _bound(statement):
            definitions[name] = _clean(_segment(source, statement))
            needs[name] = frozenset(n.id for n in ast.walk(statement) if isinstance(n, ast.Name))
    return _Parsed(definitions, needs, imports)


def _import_line(statement: ast.Import | ast.ImportFrom, alias: ast.alias) -> str:
    renamed = f" as {alias.asname}" if alias.asname else ""
    origin = f"from {statement.module} " if isinstance(statement, ast.ImportFrom) else ""
    return f"{origin}import {alias.name}{renamed}"


def _bound(statement: ast.stmt) -> list[str]:
    if isinstance(statement, (ast.ClassDef, ast.FunctionDef)):
        return [statement.name]
    if isinstance(statement, ast.Assign):
        return [target.id for target in statement.targets if isinstance(target, ast.Name)]
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        return [statement.target.id]
    return []


def _segment(source: str, statement: ast.stmt) -> str:
    decorators = getattr(statement, "decorator_list", [])
    first = min([statement.lineno, *(d.lineno for d in decorators)])
    return "\n".join(source.splitlines()[first - 1 : statement.end_lineno])


def _clean(text: str) -> str:
    # What our own tools are told in comments means nothing to whoever reads the emitted file.
    return re.sub(r" *# (type: ignore|noqa|fmt:)[^\n]*", "", text)
