"""A spec object as Keras 3 writes it: `{module, class_name, config, registered_name}`, nested objects likewise."""

from __future__ import annotations

from typing import Any

from spec_compiler.specs.base import LayerSpec, SpecObject

MODULES = {
    "layer": "keras.layers",
    "initializer": "keras.initializers",
    "regularizer": "keras.regularizers",
    "constraint": "keras.constraints",
    "loss": "keras.losses",
    "metric": "keras.metrics",
    "optimizer": "keras.optimizers",
    "schedule": "keras.optimizers.schedules",
    "callback": "keras.callbacks",
}


def serialize(spec: SpecObject) -> dict[str, Any]:
    """Keras 3's serialized form of `spec`."""
    own = not type(spec).__module__.startswith("spec_compiler.")
    module: str | None = type(spec).__module__ if own else MODULES[spec.kind]
    registered_name = spec.class_name if own else None
    if isinstance(spec, LayerSpec):
        if spec.keras_module is not None:
            module, registered_name = spec.keras_module, spec.class_name
        if spec._registered_as is not None:
            module, registered_name = spec._registered_as
    return {
        "module": module,
        "class_name": spec.class_name,
        "config": spec.get_config(),
        "registered_name": registered_name,
    }


def config_of(spec: SpecObject) -> dict[str, Any]:
    """Keras 3's `get_config()`: every argument, plain data."""
    config = {name: plain(getattr(spec, name)) for name in type(spec).model_fields}
    if isinstance(spec, LayerSpec):
        config["dtype"] = policy(spec.dtype)
        for name in spec.unstated:
            if getattr(spec, name) == type(spec).model_fields[name].default:
                del config[name]
    return config


def policy(dtype: str) -> dict[str, Any]:
    """Keras 3's serialized dtype policy."""
    return {"module": "keras", "class_name": "DTypePolicy", "config": {"name": dtype}, "registered_name": None}


def plain(value: Any) -> Any:
    """`value` as JSON holds it: tuples as lists, spec objects serialized."""
    if isinstance(value, SpecObject):
        return serialize(value)
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value
