"""Weights of Keras 2's CuDNNLSTM and CuDNNGRU, which are read as the LSTM and GRU that compute the same.

NVIDIA's library wants each gate's kernel as (units, features), row by row, and that is how those layers keep it: in a
variable whose block of columns has the shape (features, units), but not the order. They have two biases throughout.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def is_cudnn(kernel: Array, recurrent_kernel: Array, bias: Array) -> bool:
    """Whether the weights come from such a layer: it has twice as many biases as its kernels have columns."""
    if kernel.ndim != 2 or recurrent_kernel.ndim != 2:
        return False
    units, width = recurrent_kernel.shape
    return width in (3 * units, 4 * units) and kernel.shape[1] == width and bias.shape == (2 * width,)


def from_cudnn(kernel: Array, recurrent_kernel: Array, bias: Array) -> list[Array]:
    """The weights as LSTM and GRU (with `reset_after`) have them, which Keras 2 itself turns them into."""
    units, width = recurrent_kernel.shape
    gates = width // units
    both = bias.reshape(2, width)
    # An LSTM has one bias: the two are only ever added. A GRU resets one of them with the state.
    todays = both.sum(axis=0) if gates == 4 else both
    return [_by_columns(kernel, units, gates), _by_columns(recurrent_kernel, units, gates), todays]


def _by_columns(kernel: Array, units: int, gates: int) -> Array:
    return np.concatenate([block.reshape(units, -1).T for block in np.split(kernel, gates, axis=1)], axis=1)
