"""One layer of a Keras file, of any generation, to its spec."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError

from spec_compiler.diagnostics import (
    INVALID_VALUE,
    MISSING_SECTION,
    TRIMMED_NAME,
    UNKNOWN_OBJECT,
    UNSAFE_LAYER,
    UNSUPPORTED,
    Code,
    Path,
    Reporter,
    show,
)
from spec_compiler.dialects import classes, hard_sigmoid, known
from spec_compiler.dialects.arguments import Arguments, Rules
from spec_compiler.dialects.classes import Named
from spec_compiler.dialects.items import Item
from spec_compiler.dialects.keras1 import inline_object
from spec_compiler.dialects.masks import follow
from spec_compiler.dialects.operations import is_operation, read_operation
from spec_compiler.specs import registry
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.faults import report_faults
from spec_compiler.specs.registry import snake_case

L = TypeVar("L", bound=LayerSpec)

WRAPPED = ("layer", "backward_layer", "cell", "cells")
"""Arguments of wrappers, under which layers are looked for even where the wrapper itself is not known."""


@dataclass(slots=True)
class LayerReader:
    """Reads layers by one dialect's rules and reports every fault it meets."""

    rules: tuple[Rules, ...]
    """Oldest first."""
    reporter: Reporter
    inline: bool = False
    """Whether the class stands in `name` and the arguments beside it, as in Keras 0."""
    masks: str | None = None
    """Whose rule for masks the file's Keras followed; None: Keras 3's."""
    early: bool = False
    """Whether it was Keras 0.1 or 0.2."""
    taken: set[str] = field(default_factory=set)
    """Names made up so far, for layers that the file gives none."""
    _counts: dict[str, int] = field(default_factory=dict)
    """The number to try next, by what names begin with."""
    _warned_of_spaces: bool = False

    def item(self, data: Any, path: Path) -> Item | None:
        """A layer's names and arguments; None where they are not to be found, which is reported."""
        if not isinstance(data, dict):
            message = f"expected a layer, a mapping with `class_name`, got {show(data)}"
            self.reporter.report(INVALID_VALUE, message, path)
            return None
        key = "name" if self.inline else "class_name"
        name = data.get(key)
        if not isinstance(name, str) or not name.strip():
            if key in data:
                self.reporter.report(INVALID_VALUE, f"expected a layer's class name, got {show(name)}", (*path, key))
            else:
                self.reporter.report(MISSING_SECTION, f"a layer without `{key}`", path)
            return None
        named = Named.of(data, name.strip())
        if self.inline:
            return Item(named, self._inline_config(data), path, path, data)
        config = data.get("config", {})
        if not isinstance(config, (dict, list)):
            message = f"expected the layer's arguments, a mapping, got {show(config)}"
            self.reporter.report(INVALID_VALUE, message, (*path, "config"))
            return None
        if name != named.class_name:
            config = _stripped(config)
            if not self._warned_of_spaces:
                self._warned_of_spaces = True
                message = f"spaces around {show(name)} are ignored, here and in the rest of the file"
                self.reporter.warn(TRIMMED_NAME, message, (*path, key))
        return Item(named, config, path, (*path, "config"), data)

    def _inline_config(self, data: dict[str, Any]) -> dict[str, Any]:
        """A layer's arguments without its class; its name where one was given, which stands in `custom_name`."""
        config = {key: value for key, value in data.items() if key != "name"}
        given = data.get("custom_name")
        # All that were given none share that of their class, and nothing kept two from being given the same.
        if isinstance(given, str) and given.strip() not in ("", data["name"].strip().lower(), *self.taken):
            config["name"] = given
            self.taken.add(given.strip())
        return config

    def read(self, item: Item, name: str | None = None) -> LayerSpec | None:
        """The spec of a layer that is no model; None when a fault was reported. `name` overrides that of its config."""
        if not isinstance(item.config, dict):
            message = f"expected the arguments of {item.named.class_name}, a mapping, got {show(item.config)}"
            self.reporter.report(INVALID_VALUE, message, item.config_path)
            return None
        if is_operation(item.named):
            return read_operation(item, name, self.reporter)
        args = Arguments(item.named.own_name, dict(item.config))
        cls = self._class(item, args)
        if cls is None:
            for field in WRAPPED:
                self._layers_in(args.values.get(field), (*item.config_path, field))
            return None
        for key, message in args.refusals:
            self.reporter.report(UNSUPPORTED, message, (*item.config_path, key), on_key=True)
        for code, key, message in args.warnings:
            self.reporter.warn(code, message, (*item.config_path, key))
        broken = self._objects(cls, args, item)
        if name is not None:
            args.values["name"] = name
        layer = self.validated(cls, args, item, broken)
        if layer is not None and item.named.registered_name is not None and classes.registered(item.named) is cls:
            layer._registered_as = item.named.module, item.named.registered_name
        return None if broken or args.refusals else layer

    def class_of(self, item: Item) -> type[LayerSpec] | None:
        """The class that the item names, if it names one; nothing is reported."""
        args = Arguments(item.named.own_name, dict(item.config) if isinstance(item.config, dict) else {})
        return classes.registered(item.named) or self._translated(args)

    def _class(self, item: Item, args: Arguments) -> type[LayerSpec] | None:
        """The class, with its arguments in `args` put into Keras 3's words; None for an unknown one, reported."""
        named, path = item.named, item.path
        own = classes.registered(named)
        if own is not None:
            for rules in self.rules:
                rules.apply_to_own(args, own.model_fields)
            if named.own_name in known.UNSAFE:
                # The user's class stands in for the layer: what the file holds of it is not asked for.
                args.values = {key: value for key, value in args.values.items() if key in own.model_fields}
            return own
        if classes.report_mismatch(named, path, self.reporter):
            return None
        cls = self._translated(args)
        if cls is None or named.is_custom or args.class_name in known.UNSAFE or _is_namesake(named, args, cls):
            classes.report_unknown(named, args.class_name, path, self.reporter)
            return None
        return cls

    def _translated(self, args: Arguments) -> type[LayerSpec] | None:
        for rules in self.rules:
            rules.apply(args, _fields)
        return classes.find(args.class_name)

    def _objects(self, cls: type[LayerSpec], args: Arguments, item: Item) -> set[str]:
        """Put layers and other objects in the place of their mappings; gives the arguments that had faults in them."""
        broken = set()
        for name, value in list(args.values.items()):
            path = (*item.config_path, args.key(name))
            if name.endswith("initializer") and self._is_foreign_start(value, cls.__name__, path):
                del args.values[name]
                continue
            if not isinstance(value, (dict, list, tuple)):
                continue
            if name.endswith("activation") and hard_sigmoid.is_meant(value):
                args.values[name] = hard_sigmoid.NAME
                continue
            before = self.reporter.error_count
            holds_layers = name in cls.layer_fields or (name.endswith("activation") and _names_layer(value))
            args.values[name] = (self._layers_in if holds_layers else self._object)(value, path)
            if self.reporter.error_count > before:
                broken.add(name)
        for name in broken:
            del args.values[name]
        return broken

    def _layers_in(self, value: Any, path: Path) -> Any:
        if isinstance(value, (list, tuple)):
            return [self._inner(one, (*path, i)) if isinstance(one, dict) else one for i, one in enumerate(value)]
        return self._inner(value, path) if isinstance(value, dict) else value

    def _inner(self, data: dict[str, Any], path: Path) -> LayerSpec | None:
        item = self.item(data, path)
        if item is None:
            return None
        from spec_compiler.dialects.models import read_any

        layer = read_any(self, item)
        if layer is not None and layer.name is None:
            layer.name = self.new_name(type(layer).__name__)
        return layer

    def _object(self, value: Any, path: Path) -> Any:
        """Initializers, regularizers and their like in Keras 3's words."""
        if isinstance(value, (list, tuple)):
            return [self._object(one, (*path, i)) for i, one in enumerate(value)]
        if not isinstance(value, dict):
            return value
        value = inline_object(value) or value
        name, config = value.get("class_name"), value.get("config")
        if not isinstance(name, str):
            return {key: self._object(one, (*path, key)) for key, one in value.items()}
        name = name.strip()
        if not self._is_safe_object(value, name, path):
            return None
        if not isinstance(config, dict):
            return value
        if name == "SeedGenerator":
            return config.get("seed")  # a new one's first numbers are the seed's
        config = {key: self._object(one, (*path, "config", key)) for key, one in config.items()}
        for rules in self.rules:
            config = rules.rename_object(config, name)
        return {"class_name": name, "config": config}

    def _is_foreign_start(self, value: Any, class_name: str, path: Path) -> bool:
        """Whether an initializer is none of Keras's: a warning, for a model that has its weights does not need it."""
        name = value
        if isinstance(value, dict):
            name = value.get("config") if value.get("class_name") == "function" else value.get("class_name")
        if not isinstance(name, str):
            return False
        custom = isinstance(value, dict) and Named.of(value, name).is_custom and value.get("module") != "builtins"
        if not custom and registry.find("initializer", name.strip()) is not None:
            return False
        message = f"initializer {show(name)} is none of Keras's: {class_name}'s default takes its place"
        hint = "it matters only if the model is trained from its start, without a file of weights"
        self.reporter.warn(UNKNOWN_OBJECT, message, path, help=hint)
        return True

    def _is_safe_object(self, value: dict[str, Any], name: str, path: Path) -> bool:
        """Whether an argument's object is one of Keras's by its own words; reported when not."""
        if name in ("__lambda__", "Lambda") and classes.registered(Named(name)) is None:
            self.reporter.report(UNSAFE_LAYER, "a lambda holds Python code, which is not run", path)
            return False
        named = Named.of(value, name)
        if not named.is_custom or named.module == "builtins":
            return True
        of = f" of module {show(named.module)}" if named.module is not None else ""
        stated = value["config"] if name == "function" else name
        self.reporter.report(UNKNOWN_OBJECT, f"{show(stated)}{of} is none of Keras's", path)
        return False

    def validated(self, cls: type[L], args: Arguments, item: Item, broken: Container[str] = ()) -> L | None:
        """A layer of class `cls`; None when its arguments, but for the broken ones, have faults, which are reported."""
        try:
            layer = cls.model_validate(args.values)
        except ValidationError as error:
            reporter: Any = _AtFileKeys(self.reporter, item.config_path, args.keys) if args.keys else self.reporter
            report_faults(error, cls, item.config_path, reporter, skip=broken)
            return None
        layer._path = item.path
        follow(layer, self.masks)
        return layer

    def trimmed(self, name: Any, path: Path) -> Any:
        """A layer's name without the spaces around it."""
        if not isinstance(name, str) or name == name.strip():
            return name
        if not self._warned_of_spaces:
            self.reporter.warn(TRIMMED_NAME, f"the name {show(name)} is read as {show(name.strip())}", path)
        return name.strip()

    def new_name(self, class_name: str) -> str:
        """A name for a layer that has none: `dense`, `dense_1`, …"""
        stem = snake_case(class_name)
        n = self._counts.get(stem, 0)
        while (name := f"{stem}_{n}" if n else stem) in self.taken:
            n += 1
        self._counts[stem] = n + 1  # names are never given back
        self.taken.add(name)
        return name


def _fields(class_name: str) -> Mapping[str, Any]:
    cls = classes.find(class_name)
    return {} if cls is None else cls.model_fields


def _is_namesake(named: Named, args: Arguments, cls: type[LayerSpec]) -> bool:
    """Whether the file means a layer of somebody's own by the name that one of Keras's architectures has given too."""
    foreign = named.module is None and args.class_name in known.OF_APPLICATIONS
    return foreign and not args.values.keys() <= cls.model_fields.keys()


def _names_layer(value: Any) -> bool:
    # A bare function is {"class_name": "function", "config": "relu"}.
    return isinstance(value, dict) and isinstance(value.get("config"), dict)


def _stripped(value: Any) -> Any:
    """Arguments as they were before some program put spaces around every string; lists of words stay."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, dict):
        return {key: _stripped(one) for key, one in value.items()}
    return value


class _AtFileKeys(NamedTuple):
    """Reports an argument's fault at the key that the file has for it."""

    reporter: Reporter
    path: Path
    keys: dict[str, str]

    def report(self, code: Code, message: str, path: Path = (), **rest: Any) -> None:
        at = len(self.path)
        if len(path) > at and path[at] in self.keys:
            path = (*path[:at], self.keys[path[at]], *path[at + 1 :])  # type: ignore[index]
        self.reporter.report(code, message, path, **rest)
