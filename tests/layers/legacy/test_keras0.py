"""Documents of Keras 0.x: read, given weights, and held to their old definitions."""

from __future__ import annotations

import json
from typing import Any

from spec_compiler import load_spec


def inline(name: str, **arguments: Any) -> dict[str, Any]:
    return {"name": name, "cache_enabled": True, "trainable": True, **arguments}


def test_names_that_were_given_are_kept() -> None:
    layers = [
        inline("Dense", custom_name="first", output_dim=4, input_shape=[3]),
        inline("Dense", custom_name="dense", output_dim=4),
        inline("Dense", custom_name="dense", output_dim=4),
        inline("Dense", custom_name="first", output_dim=4),
        inline("MaxoutDense", custom_name="maxoutdense", output_dim=4),
        inline("Activation", custom_name="", activation="relu"),
        inline("Activation", activation="tanh"),
    ]
    spec = load_spec({"name": "Sequential", "layers": layers})
    names = ["first_input", "first", "dense", "dense_1", "dense_2", "maxout_dense", "activation", "activation_1"]
    assert [layer.name for layer in spec.layers] == names
    text = json.dumps({"name": "Sequential", "layers": layers})
    assert [layer.name for layer in load_spec(json.loads(text)).layers] == names
