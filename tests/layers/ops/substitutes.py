"""What operations are held to where Keras cannot run them on torch: Keras's functions, called so that they can."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import torch
from torch import Tensor

from tests.layers.keras_oracle import average_pool


def find(op: str) -> Callable[..., Any]:
    """The substitute of an operation: its own, or Keras's function on floats in the place of integers."""
    return _OWN.get(op) or partial(_on_floats, getattr(keras.ops, op))


def _on_floats(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return function(*(x if not isinstance(x, Tensor) or x.is_floating_point() else x.float() for x in args), **kwargs)


def _normalization(function: Callable[..., Any], x: Tensor, *scales: Tensor, axis: Any = -1, **kwargs: Any) -> Tensor:
    """The axes last, where torch's kernels want them."""
    axes = sorted(a % x.dim() for a in (axis if isinstance(axis, (list, tuple)) else [axis]))
    last = list(range(-len(axes), 0))
    return function(x.movedim(axes, last), *scales, axis=last, **kwargs).movedim(last, axes)


def _attention(query: Tensor, key: Tensor, value: Tensor, bias: Tensor, is_causal: bool) -> Tensor:
    """The keys that come later, in the bias."""
    later = torch.ones(query.size(1), key.size(1), dtype=torch.bool).triu(1)
    return keras.ops.dot_product_attention(query, key, value, bias=bias.masked_fill(later, -torch.inf))  # type: ignore[no-any-return]


def _slice(x: Tensor, starts: Any, shape: Any) -> Tensor:
    """Lengths of -1, what is left, worked out."""
    return keras.ops.slice(x, starts, [n - s if k == -1 else k for n, s, k in zip(x.shape, starts, shape, strict=True)])  # type: ignore[no-any-return]


def _affine_transform(x: Tensor, transform: Any) -> Tensor:
    """The perspective that moves the places which the corners are read at to the corners."""
    corners = torch.tensor([[0.0, 0.0], [5.0, 0.0], [0.0, 4.0], [5.0, 4.0]])
    matrix = torch.cat([torch.as_tensor(transform), torch.ones(1)]).view(3, 3)
    places = torch.cat([corners, torch.ones(4, 1)], 1) @ matrix.T
    starts, ends = (points.expand(x.size(0), 4, 2) for points in (places[:, :2] / places[:, 2:], corners))
    return keras.ops.image.perspective_transform(x, starts, ends)  # type: ignore[no-any-return]


def _average_pool(
    x: Tensor, pool_size: Any, strides: Any = None, padding: str = "valid", data_format: str | None = None
) -> Any:
    rank = x.dim() - 2
    size, steps = ((n,) * rank if isinstance(n, int) else n for n in (pool_size, strides or pool_size))
    return average_pool(x, size, steps, padding, data_format or "channels_last")


_OWN: dict[str, Callable[..., Any]] = {
    "layer_normalization": partial(_normalization, keras.ops.layer_normalization),
    "rms_normalization": partial(_normalization, keras.ops.rms_normalization),
    "slice": _slice,
    "dot_product_attention": _attention,
    "affine_transform": _affine_transform,
    "average_pool": _average_pool,
}
