"""From a file's class name to a class: the closed table, and what is said of a name that is not in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from spec_compiler.diagnostics import (
    CUSTOM_LAYER,
    UNKNOWN_LAYER,
    UNSAFE_LAYER,
    UNSUPPORTED,
    Code,
    Path,
    Reporter,
    did_you_mean,
    show,
)
from spec_compiler.dialects import known
from spec_compiler.specs import registry

if TYPE_CHECKING:
    from spec_compiler.specs.base import LayerSpec

REGISTER = (
    "register a spec class and a lowering of your own (`register_layer`, `lowers`; `spec-compiler --plugin mylayers.py` "
    "loads them), or replace the layer"
)
"""What helps with a layer that is none of Keras's."""


class Named(NamedTuple):
    """How a file names a class. `module` and `registered_name` are compared, never imported."""

    class_name: str
    module: str | None = None
    registered_name: str | None = None

    @classmethod
    def of(cls, data: dict[str, Any], class_name: str) -> Named:
        """The names in a layer's mapping; those that are no strings count as left out."""
        module, registered_name = data.get("module"), data.get("registered_name")
        return cls(
            class_name,
            module if isinstance(module, str) else None,
            registered_name if isinstance(registered_name, str) else None,
        )

    @property
    def own_name(self) -> str:
        """The name without the package it was registered in: `Layer` of `package>Layer`."""
        return self.class_name.rpartition(">")[2]

    @property
    def package(self) -> str | None:
        """The package it was registered in; None for Keras's own classes."""
        for name in (self.class_name, self.registered_name or ""):
            package, separator, _ = name.rpartition(">")
            if separator:
                return package
        return None

    @property
    def is_custom(self) -> bool:
        """Whether the file itself says that the class is none of Keras's."""
        return self.package is not None or (self.module is not None and not known.is_keras(self.module))


def registered(named: Named) -> type[LayerSpec] | None:
    """The user's own class of that name, which goes before Keras's and stands in for unsafe layers too."""
    return registry.registered_layers().get(named.own_name)


def find(class_name: str) -> type[LayerSpec] | None:
    """The class of one of Keras's layers, by the name Keras 3 gives it."""
    return registry.find("layer", class_name)  # type: ignore[return-value]


def report_mismatch(named: Named, path: Path, reporter: Reporter) -> bool:
    """Report a class name that disagrees with its module or registered name; True when it did."""
    registered_as = (named.registered_name or named.class_name).rpartition(">")[2]
    module = named.module or "keras.layers"
    if registered_as != named.own_name:
        message = f"class {show(named.class_name)} is registered as {show(named.registered_name)}: the two disagree"
    elif known.is_standard_library(module) or (known.is_keras(module) and not known.holds_layers(module)):
        message = f"{show(named.class_name)} of module {show(module)} is no layer"
    elif named.module is not None and known.is_keras(module) and named.package not in (None, "keras", "Keras"):
        message = f"class {show(named.class_name)} of Keras's module {show(module)} is registered as custom"
    else:
        return False
    reporter.report(UNSAFE_LAYER, message, path, help="layers are looked up in a closed table; nothing is imported")
    return True


def report_unknown(named: Named, today: str, path: Path, reporter: Reporter, what: str = "layer") -> None:
    """Say of a class that cannot be built what it is: unsafe, custom, one of Keras's, or misspelt.

    `today` is Keras 3's name of the class. `what` is "layer" or "model".
    """
    name = named.own_name
    if today in known.UNSAFE and not named.is_custom:
        message = f"{today} {known.UNSAFE[today]}, which is neither run nor opened"
        reporter.report(UNSAFE_LAYER, message, path, help=REGISTER)
    elif named.is_custom:
        _report_custom(named, path, reporter, what)
    elif today in known.KERAS_LAYERS:
        reporter.report(UNSUPPORTED, f"Keras's layer {today} cannot be built yet", path)
    elif name in known.GONE:
        reporter.report(UNSUPPORTED, f"Keras's old layer {name} cannot be built: {known.GONE[name]}", path)
    else:
        _report_unheard_of(named, path, reporter, what)


def _report_unheard_of(named: Named, path: Path, reporter: Reporter, what: str) -> None:
    name = named.own_name
    # `QConv2D`, `QuantDense`: somebody's variant of a layer, not a slip of the pen.
    is_variant = name in known.OF_APPLICATIONS or any(name.endswith(layer) for layer in known.KERAS_LAYERS)
    close = None if is_variant else did_you_mean(name, [*registry.names("layer"), *sorted(known.KERAS_LAYERS)])
    code: Code = UNKNOWN_LAYER if close or named.module else CUSTOM_LAYER
    hint = f"{close} A layer of your own: {REGISTER}" if close else f"it is none of Keras's: {REGISTER}"
    reporter.report(code, f"unknown {what} {show(named.class_name)}", path, help=hint)


def _report_custom(named: Named, path: Path, reporter: Reporter, what: str) -> None:
    message = f"custom {what} {show(named.own_name)}"
    if named.module is not None:
        message += f" of module {show(named.module)}"
    name = named.registered_name or (named.class_name if ">" in named.class_name else None)
    if name is not None:
        message += f", registered as {show(name)}"
    reporter.report(CUSTOM_LAYER, message, path, help=f"what it computes is not in the file: {REGISTER}")
