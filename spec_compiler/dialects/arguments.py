"""A layer's arguments on their way from one dialect's words to Keras 3's.

A dialect's rules say how its words differ from the next newer dialect's: Keras 0's lead to Keras 1's, these to
Keras 2's, and these to Keras 3's.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from spec_compiler.diagnostics import Code, show

ANY = object()
"""Among the values under which an argument says nothing: all of them."""


@dataclass(slots=True)
class Arguments:
    """A class name and its arguments, and where in the file each came from."""

    class_name: str
    values: dict[str, Any]
    keys: dict[str, str] = field(default_factory=dict)
    """The key in the file of each argument that the file calls otherwise."""
    refusals: list[tuple[str, str]] = field(default_factory=list)
    """Keys in the file, and why what stands there cannot be built."""
    warnings: list[tuple[Code, str, str]] = field(default_factory=list)
    """Codes, keys in the file, and what is to be known of what stands there."""

    def key(self, name: str) -> str:
        """The argument's key in the file."""
        return self.keys.get(name, name)

    def rename(self, old: str, new: str) -> None:
        """Call the argument `old` by its new name; one given under both names keeps the new one's value."""
        if old in self.values:
            value = self.values.pop(old)
            if new not in self.values:
                self.values[new] = value
                self.keys[new] = self.key(old)

    def put(self, name: str, value: Any, source: str) -> None:
        """Set an argument that follows from what `source` was."""
        self.values[name] = value
        self.keys[name] = self.key(source)

    def drop(self, name: str, harmless: Sequence[Any] = (ANY,)) -> None:
        """Take out an argument that says nothing, as long as its value is one of the harmless ones."""
        if name not in self.values:
            return
        value = self.values.pop(name)
        if ANY not in harmless and not any(type(value) is type(one) and value == one for one in harmless):
            self.refuse(name, f"{name}={show(value)} of {self.class_name} cannot be built")

    def refuse(self, name: str, message: str) -> None:
        """Note that what the file has under the argument's key cannot be built."""
        self.refusals.append((self.key(name), message))

    def warn(self, code: Code, name: str, message: str) -> None:
        """Note what is to be known of what the file has under the argument's key."""
        self.warnings.append((code, self.key(name), message))


Step = Callable[[Arguments], None]
Table = Mapping[str, Mapping[str, Any]]
"""By class name; `*` is every layer."""


class Rules(NamedTuple):
    """How one dialect's layers differ from the next newer one's. Class names in the tables are the newer dialect's."""

    classes: Mapping[str, str] = {}
    """Old class names and newer."""
    renamed: Table = {}
    """Old argument names and newer."""
    silent: Table = {}
    """Arguments that are gone, and the values (a tuple) under which nothing is lost."""
    absent: Table = {}
    """What leaving an argument out meant, where that differs from the newer default."""
    values: Table = {}
    """By argument: old values and newer."""
    steps: Mapping[str, Step] = {}
    """What no table can say; by the class name of the file, or that of the newer dialect, or `*`."""
    objects: Table = {}
    """Old argument names of initializers, regularizers and their like, and newer; None for those that are gone."""
    object_steps: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]] = {}
    """What no table can say of their arguments; by class name."""

    def apply(self, args: Arguments, known: Callable[[str], Container[str]]) -> None:
        """Put the arguments into the newer dialect's words; `known` gives the arguments that a class does have."""
        old = args.class_name
        for scope in ("*", old):
            if scope in self.steps:
                self.steps[scope](args)
        args.class_name = self.classes.get(args.class_name, args.class_name)
        fields = known(args.class_name)
        for scope in (args.class_name, "*"):
            for name, newer in self.renamed.get(scope, {}).items():
                args.rename(name, newer)
            for name, harmless in self.silent.get(scope, {}).items():
                if name not in fields:
                    args.drop(name, harmless)
        for name, value in self.absent.get(args.class_name, {}).items():
            args.values.setdefault(name, value)
        for name, newer_values in self.values.items():
            value = args.values.get(name)
            if isinstance(value, str) and value in newer_values:
                args.values[name] = newer_values[value]
        if args.class_name != old and args.class_name in self.steps:
            self.steps[args.class_name](args)

    def apply_to_own(self, args: Arguments, fields: Container[str]) -> None:
        """Put into newer words what a user's own class shares with every layer; what it calls by an old name stays."""
        if "*" in self.steps:
            self.steps["*"](args)
        for name, newer in self.renamed.get("*", {}).items():
            if name not in fields and newer in fields:
                args.rename(name, newer)
        for name, harmless in self.silent.get("*", {}).items():
            if name not in fields:
                args.drop(name, harmless)

    def rename_object(self, config: dict[str, Any], class_name: str) -> dict[str, Any]:
        """The arguments of an initializer, regularizer or the like in the newer dialect's words."""
        if class_name in self.object_steps:
            config = self.object_steps[class_name](config)
        table = {**self.objects.get("*", {}), **self.objects.get(class_name, {})}
        if not table.keys() & config.keys():
            return config
        renamed = {table.get(key, key): value for key, value in config.items()}
        renamed.pop(None, None)
        return renamed
