"""The architectures of `keras.applications`, and how each is made without weights from the network."""

from __future__ import annotations

import inspect
import json
from typing import Any

import keras
from keras.src.applications import nasnet

NAMES = [name for name in dir(keras.applications) if name[0].isupper()]
QUICK = ["MobileNetV2", "EfficientNetB0", "DenseNet121", "InceptionResNetV2", "MobileNetV3Small"]
"""Those that every run of the tests looks at: in a row, with squeeze and excitation, concatenated, layers of its own, operations."""


def make(name: str, **options: Any) -> keras.Model:
    """Keras's model, its weights as its initializers draw them."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(0)
    if name != "NASNetMobile":
        return getattr(keras.applications, name)(weights=None, **options)
    # The function refuses Keras's torch backend; what it calls does not. Its own defaults, which it would pass on:
    mobile = {
        "input_shape": (224, 224, 3), "penultimate_filters": 1056, "num_blocks": 4, "stem_block_filters": 32,
        "skip_reduction": False, "filter_multiplier": 2, "default_size": 224, "name": "nasnet_mobile",
        "include_top": True, "input_tensor": None, "pooling": None, "classes": 1000, "classifier_activation": "softmax",
    }  # fmt: skip
    assert mobile.keys() | {"weights"} == inspect.signature(nasnet.NASNet).parameters.keys()
    return nasnet.NASNet(weights=None, **{**mobile, **options})


def document(model: keras.Model) -> dict[str, Any]:
    """What Keras writes of the model."""
    return json.loads(model.to_json())
