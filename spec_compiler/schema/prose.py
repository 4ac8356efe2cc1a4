"""The docstrings of a class and its fields, read from its source: Python keeps no docstring of a field."""

from __future__ import annotations

import ast
import inspect
import textwrap
from functools import cache
from itertools import pairwise


def of_class(cls: type) -> str | None:
    """The class's own docstring."""
    text = cls.__dict__.get("__doc__")
    return inspect.cleandoc(text) if text else None


def of_field(cls: type, field: str) -> str | None:
    """The string that stands after the field in `cls`, or in the nearest base that has one."""
    for base in cls.__mro__:
        if field in inspect.get_annotations(base) and field in _fields(base):
            return _fields(base)[field]
    return None


@cache
def _fields(cls: type) -> dict[str, str]:
    try:
        source = textwrap.dedent(inspect.getsource(cls))
    except (OSError, TypeError):  # typed at a prompt
        return {}
    (definition,) = ast.parse(source).body
    assert isinstance(definition, ast.ClassDef)
    found = {}
    for statement, after in pairwise(definition.body):
        match statement, after:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = " ".join(text.split())
    return found
