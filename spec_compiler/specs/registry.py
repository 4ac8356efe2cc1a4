"""The closed tables that turn a name in a file into a class: Keras's modules, and what the user registered.

A kind is one module, and its names are that module's `__all__`. Nothing is imported by a
name that a file holds: a name is looked up, and found or not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from spec_compiler.diagnostics import show

if TYPE_CHECKING:
    from spec_compiler.specs.base import LayerSpec, SpecObject

KINDS = {
    "layer": "specs.layers",
    "initializer": "specs.initializers",
    "regularizer": "specs.regularizers",
    "constraint": "specs.constraints",
    "loss": "specs.losses",
    "metric": "specs.metrics",
    "optimizer": "specs.optimizers",
    "schedule": "specs.schedules",
    "callback": "runtime.callbacks",
}

_MODELS = ("Functional", "Model", "Sequential")
_registered_layers: dict[str, type[LayerSpec]] = {}

L = TypeVar("L", bound="type[LayerSpec]")


def register_layer(cls: L) -> L:
    """Make a layer of your own known by its class name, in every format and in the JSON Schema.

    Raises TypeError for what is no LayerSpec, and ValueError for a name that is taken.
    """
    from spec_compiler.specs.base import LayerSpec

    if not (isinstance(cls, type) and issubclass(cls, LayerSpec)):
        raise TypeError(f"register_layer takes a subclass of LayerSpec, got {show(cls)}")
    name = cls.__name__
    if name in _MODELS or name in _module("layer").__all__:
        raise ValueError(f"Keras has a layer '{name}': give yours another name")
    held = _registered_layers.get(name)
    # The same class once more is a notebook's cell run again.
    if held is not None and (held.__module__, held.__qualname__) != (cls.__module__, cls.__qualname__):
        raise ValueError(f"a layer '{name}' is registered already, by {held.__module__}: give yours another name")
    cls.model_rebuild()  # what is wrong with the fields' types is said here, not in the first file that is read
    _registered_layers[name] = cls
    return cls


def registered_layers() -> dict[str, type[LayerSpec]]:
    """The user's own layers, by class name."""
    return dict(_registered_layers)


@contextmanager
def also_known(custom_objects: Mapping[str, Any] | None) -> Iterator[None]:
    """Keras's `custom_objects`: layers by the names that a document has for them, known while it is read.

    Raises TypeError for what is no layer of this package: a layer of Keras's own computes nothing here.
    """
    from spec_compiler.specs.base import LayerSpec

    for name, cls in (custom_objects or {}).items():
        if not (isinstance(cls, type) and issubclass(cls, LayerSpec)):
            message = (
                f"custom_objects: '{name}' is {show(cls)}, and not a subclass of spec_compiler.specs.base.LayerSpec"
            )
            raise TypeError(f"{message}: state the layer as one, with a lowering (@lowers)")
    held = dict(_registered_layers)
    _registered_layers.update(custom_objects or {})
    try:
        yield
    finally:
        _registered_layers.clear()
        _registered_layers.update(held)


def find(kind: str, name: str) -> type[SpecObject] | None:
    """The class that `name` stands for among the classes of `kind`, or None.

    Keras takes a class's name (`GlorotUniform`), its snake_case (`glorot_uniform`) and a few short names (`mse`);
    layers go by their class names alone.
    """
    if kind == "layer" and name in _registered_layers:
        return _registered_layers[name]
    module = _module(kind)
    name = name if name in module.__all__ else _short_names(kind).get(name, "")
    return getattr(module, name) if name else None


def names(kind: str) -> list[str]:
    """Every name a file may use for a class of `kind`."""
    own = list(_registered_layers) if kind == "layer" else []
    return [*own, *_module(kind).__all__, *_short_names(kind)]


def snake_case(name: str) -> str:
    """Keras's snake_case of a class name: `GlorotUniform` -> `glorot_uniform`, `LSTM` -> `lstm`, `Conv2D` -> `conv2d`."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


@cache
def _module(kind: str) -> Any:
    return import_module(f"spec_compiler.{KINDS[kind]}")


@cache
def _short_names(kind: str) -> dict[str, str]:
    """Class names by their `snake_case`, and by the module's own `SHORT_NAMES`."""
    if kind == "layer":
        return {}
    module = _module(kind)
    return {snake_case(name): name for name in module.__all__} | getattr(module, "SHORT_NAMES", {})
