"""What Keras's modules hold beside classes: `get`, `serialize`, `deserialize`, and snake_case names of the classes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from pydantic_core import PydanticCustomError

from spec_compiler.diagnostics import BAD_TRAINING, UNKNOWN_OBJECT, Diagnostic, SpecError
from spec_compiler.specs import registry
from spec_compiler.specs.objects import resolve
from spec_compiler.specs.serialization import serialize


def get(kind: str, identifier: Any, argument: str | None = None) -> Any:
    """The object that a name or a serialized dict stands for; raises SpecError, naming `argument`, when none does."""
    try:
        return resolve(kind, identifier)
    except PydanticCustomError as error:
        context = error.context or {}
        code = UNKNOWN_OBJECT if error.type == "unknown_object" else BAD_TRAINING
        help = context.get("help")
        help = help() if callable(help) else help
        message = error.message() if argument is None else f"{argument}: {error.message()}"
        raise SpecError(Diagnostic(code, message, help=help or None)) from None


def names_of(kind: str, module: str) -> Callable[[str], Any]:
    """The `__getattr__` of a public module: `initializers.get`, and `initializers.he_normal` for `HeNormal`."""
    functions = {"get": partial(get, kind), "deserialize": partial(get, kind), "serialize": serialize}

    def getattribute(name: str) -> Any:
        found = functions.get(name) or (None if name.startswith("_") else registry.find(kind, name))
        if found is None:
            raise AttributeError(f"module '{module}' has no attribute '{name}'")
        return found

    return getattribute
