"""Keras's side of a layer case: the model around the layer, its random weights, and what goes in."""

from __future__ import annotations

import json
import zlib
from contextlib import AbstractContextManager
from typing import Any
from unittest import mock

import keras
import numpy as np
import torch
from keras.src.applications import convnext, inception_resnet_v2
from torch.nn.attention import SDPBackend, sdpa_kernel

from spec_compiler.specs import registry
from spec_compiler.specs.base import LayerSpec
from tests.layers.cases import Case

_MODULES = (keras.layers, keras.initializers, keras.regularizers, keras.constraints, convnext, inception_resnet_v2)


def keras_object(value: Any) -> Any:
    """`{ClassName: arguments}`, at any depth, as Keras's object."""
    if isinstance(value, list):
        return [keras_object(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((name, arguments),) = value.items()
        for module in _MODULES:
            if name[:1].isupper() and hasattr(module, name):
                return getattr(module, name)(**{key: keras_object(arg) for key, arg in (arguments or {}).items()})
    return {key: keras_object(item) for key, item in value.items()}


def generator_of(case: Case) -> np.random.Generator:
    """Random numbers that are the case's own, the same in every run."""
    return np.random.default_rng(zlib.crc32(case.id.encode()))


class Drawn:
    """The model's inputs as they are made: symbolic, and the array that each gets."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.rng = generator_of(case)
        self.symbols: list[Any] = []
        self.arrays: list[np.ndarray[Any, Any]] = []

    def input(self, shape: list[int], dtype: str, low: int = 0, high: int = 10, stated: Any = None) -> Any:
        """A symbolic input of (batch, *shape), and random numbers for it."""
        case = self.case
        whole = (None, *(None if i + 1 in case.unknown else n for i, n in enumerate(shape)))
        symbol = keras.Input(batch_shape=tuple(stated or whole), dtype=dtype)
        size = (case.batch, *shape)
        if dtype == "bool":
            array = self.rng.random(size) < 0.6
            array[..., -1] |= ~array.any(-1)  # something is left of every row
        elif "int" in dtype:
            array = self.rng.integers(low, high, size).astype(dtype)
        else:
            array = self.rng.standard_normal(size).astype(dtype)
        self.symbols.append(symbol)
        self.arrays.append(array)
        return symbol

    def tensor(self, stated: Any) -> Any:
        """A tensor among the keyword arguments, or a list of them."""
        if isinstance(stated, dict):
            low, high = stated.get("low", 0), stated.get("high", 10)
            return self.input(stated["shape"], stated.get("dtype", "float32"), low, high)
        if stated and isinstance(stated[0], (list, dict)):
            return [self.tensor(item) for item in stated]
        return self.input(stated, "float32")


def build(case: Case) -> tuple[keras.Model, keras.Layer, list[np.ndarray[Any, Any]]]:
    """A functional model of the case's layer, the layer, and the arrays to call the model on."""
    drawn = Drawn(case)
    args = [drawn.input(shape, case.input_dtype, case.low, case.high, case.batch_shape) for shape in case.shapes]
    fronts = case.front if isinstance(case.front, list) else [case.front] * len(args)
    for i, front in enumerate(fronts):
        if front is not None:
            args[i] = keras_object(front)(args[i])
            if "Masking" in front:
                empty = drawn.rng.random(drawn.arrays[i].shape[:2]) < 0.4
                empty[:, -1] &= ~empty.all(-1)
                drawn.arrays[i][empty] = front["Masking"].get("mask_value", 0.0)
    kwargs = {**case.call, **{key: drawn.tensor(stated) for key, stated in case.tensors.items()}}
    if case.mask:
        kwargs["mask"] = drawn.input(case.shapes[0][:1] if case.mask is True else case.mask, "bool")
    layer = keras_object(case.layer)
    spec = registry.find("layer", case.class_name)
    listed = spec is not None and issubclass(spec, LayerSpec) and spec.takes_list
    out = layer(args, **kwargs) if listed else layer(*args, **kwargs)
    return keras.Model(drawn.symbols, out), layer, drawn.arrays


def randomize(model: keras.Model, rng: np.random.Generator) -> list[np.ndarray[Any, Any]]:
    """Give the model random weights, biases not zero and variances positive, and return them."""
    values = []
    for variable in model.weights:
        value = keras.ops.convert_to_numpy(variable)
        if "float" in variable.dtype:
            value = (rng.standard_normal(variable.shape) * 0.5).astype(value.dtype)
            value = (np.abs(value) + 0.5).astype(value.dtype) if "variance" in variable.name else value
        values.append(value)
    model.set_weights(values)
    for layer in model._flatten_layers():
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()
    return values


def tensor(value: np.ndarray[Any, Any]) -> torch.Tensor:
    """An array as a tensor, numpy's extension type bfloat16 too."""
    if value.dtype.name == "bfloat16":
        return torch.from_numpy(value.astype("float32")).bfloat16()
    return torch.from_numpy(np.array(value))


def average_pool(inputs: Any, pool_size: Any, strides: Any, padding: str, data_format: str) -> Any:
    """Average pooling that leaves padding out of the mean, as Keras's documentation, TensorFlow and JAX have it.

    Keras's torch backend repeats the edge instead and counts it, where the padding is not the same on both sides.
    """
    if padding != "same":
        return _torch_average_pool(inputs, pool_size, strides, padding, data_format)
    pads = [(0, 0)] * inputs.ndim
    first = 1 if data_format == "channels_last" else 2
    for axis, (size, step) in enumerate(zip(pool_size, strides, strict=True), first):
        n = inputs.shape[axis]
        total = max((-(-n // step) - 1) * step + size - n, 0)
        pads[axis] = (total // 2, total - total // 2)
    padded, inside = (keras.ops.pad(x, pads) for x in (inputs, torch.ones_like(inputs)))
    sums, counts = (_torch_average_pool(x, pool_size, strides, "valid", data_format) for x in (padded, inside))
    return sums / counts


_torch_average_pool = keras.src.backend.nn.average_pool


def dot_product_attention(*args: Any, **kwargs: Any) -> Any:
    """Keras's, step by step, with the gradients that it has in TensorFlow and JAX.

    Those of torch's fused kernels are too large in a row that is masked whole, as many times as there are values.
    """
    with sdpa_kernel(SDPBackend.MATH):
        return _torch_attention(*args, **kwargs)


_torch_attention = keras.src.backend.nn.dot_product_attention


def exact_attention() -> AbstractContextManager[Any]:
    """Have Keras compute attention so."""
    return mock.patch.object(keras.src.backend.nn, "dot_product_attention", dot_product_attention)


def run(model: keras.Model, inputs: list[torch.Tensor], training: bool) -> Any:
    """The model's outputs."""
    with mock.patch.object(keras.src.backend.nn, "average_pool", average_pool), exact_attention():
        return model(inputs, training=training)


def config_of(layer: keras.Layer) -> dict[str, Any]:
    """The layer's config as its file holds it, without what Keras notes of how inner layers were built."""
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)["config"]))
    return _plain(config)  # type: ignore[no-any-return]


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        serialized = "class_name" in value and "config" in value
        dropped = ("build_config", "shared_object_id") if serialized else ()
        return {key: _plain(item) for key, item in value.items() if key not in dropped}
    return value


def mask_of(tensor: torch.Tensor) -> torch.Tensor | None:
    """The mask Keras put on an output."""
    return getattr(tensor, "_keras_mask", None)
