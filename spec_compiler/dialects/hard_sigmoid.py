"""Keras 2's hard sigmoid, `clip(0.2 x + 0.5, 0, 1)`, in Keras 3's words, which has another function of that name."""

from __future__ import annotations

from typing import Any

from spec_compiler.specs.serialization import policy

NAME = "hard_sigmoid_keras2"
"""What it is called here."""

_STEPS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("Rescaling", {"scale": 0.2, "offset": 0.5}),
    ("ReLU", {"max_value": 1.0, "negative_slope": 0.0, "threshold": 0.0}),
)


def written(dtype: str) -> dict[str, Any]:
    """The activation as layers in a row, which Keras 3 takes in the place of an activation's name."""
    layers = []
    for class_name, arguments in _STEPS:
        config = {"name": f"{NAME}_{class_name.lower()}", "trainable": True, "dtype": policy(dtype), **arguments}
        layers.append({"module": "keras.layers", "class_name": class_name, "config": config, "registered_name": None})
    config = {"layers": layers, "name": NAME}
    return {"module": "keras.layers", "class_name": "Pipeline", "config": config, "registered_name": None}


def is_meant(value: Any) -> bool:
    """Whether an activation is stated so."""
    config = _config_of(value, "Pipeline")
    layers = None if config is None else config.get("layers")
    if not isinstance(layers, list) or len(layers) != len(_STEPS):
        return False
    return all(_is_step(layer, *step) for layer, step in zip(layers, _STEPS, strict=True))


def _is_step(layer: Any, class_name: str, arguments: dict[str, Any]) -> bool:
    config = _config_of(layer, class_name)
    return config is not None and all(config.get(name) == value for name, value in arguments.items())


def _config_of(value: Any, class_name: str) -> dict[str, Any] | None:
    """The config of a serialized `class_name`, or None where `value` is none."""
    if not isinstance(value, dict) or value.get("class_name") != class_name:
        return None
    config = value.get("config")
    return config if isinstance(config, dict) else None
