"""Documents of Keras 2, as its versions write them."""

from __future__ import annotations

import json
from typing import Any


def layer(class_name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": class_name, "config": config}


def sequential(shape: list[int | None], *layers: dict[str, Any]) -> str:
    first = layer("InputLayer", name="x", batch_input_shape=shape)
    return json.dumps(layer("Sequential", name="m", layers=[first, *layers]))


def placed(class_name: str, name: str, nodes: list[Any], **config: Any) -> dict[str, Any]:
    return {**layer(class_name, name=name, **config), "name": name, "inbound_nodes": nodes}


def functional(version: str, *layers: dict[str, Any], inputs: str, output: str) -> str:
    ends = {"input_layers": [[name, 0, 0] for name in inputs.split()], "output_layers": [[output, 0, 0]]}
    model = layer("Model", name="m", layers=list(layers), **ends)
    return json.dumps({**model, "keras_version": version, "backend": "tensorflow"})
