"""Weights of Keras 0 and 1: recurrent layers kept an array for each gate, kernels of Theano's order lay otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]

_GATES = {4: (0, 2, 1, 3), 3: (0, 1, 2)}
"""By their number: where each of today's gates stood. An LSTM's were input, new, forget, output; a GRU's as today's."""


def joined(shapes: Sequence[Shape], arrays: Sequence[Array]) -> list[Array] | None:
    """`arrays` with those of a recurrent layer's gates, which come first, joined to today's three, of `shapes`.

    Each gate has a kernel, a recurrent kernel and a bias. None where the first are no such arrays.
    """
    for gates, order in _GATES.items():
        parts = [(*shape[:-1], shape[-1] // gates) for shape in shapes]
        found = arrays[: 3 * gates]
        if [array.shape for array in found] == parts * gates:
            whole = [np.concatenate([found[3 * gate + i] for gate in order], axis=-1) for i in range(3)]
            return [*whole, *arrays[3 * gates :]]
    return None


def carry_last(names: Sequence[str], arrays: Sequence[Array]) -> list[Array] | None:
    """A Highway's weights, which until Keras 1.1 were those of the projection and then those of the gate."""
    if list(names) != ["W", "W_carry", "b", "b_carry"] or [array.ndim for array in arrays] != [2, 1, 2, 1]:
        return None
    return [arrays[i] for i in (0, 2, 1, 3)]


def advice(name: str, shape: Shape, given: Shape) -> str | None:
    """What to do about an array of shape `given` for the kernel `name` of `shape`, if it is one of Theano's order."""
    rank = len(shape) - 2
    if rank < 1 or not name.endswith("kernel"):
        return None
    if rank == 1:
        return _sequence_advice(shape, given)
    spatial, (channels, filters) = shape[:-2], shape[-2:]
    if given not in ((filters, channels, *spatial), (channels, filters, *spatial)):
        return None
    last = (1, 0) if given[:2] == (filters, channels) else (0, 1)
    turned = ", ".join([":", ":"] + ["::-1"] * rank)
    return (
        f"Keras 1 kept kernels so where dim_ordering was 'th': give array.transpose{(*range(2, rank + 2), *last)}, and "
        f"array[{turned}] in the place of array where Theano trained it, whose convolution turns kernels round"
    )


def _sequence_advice(shape: Shape, given: Shape) -> str | None:
    length, channels, filters = shape
    layouts = {(length, 1, channels, filters): "[:, 0]", (filters, channels, length, 1): "[..., 0].transpose(2, 1, 0)"}
    if given not in layouts:
        return None
    turned = "array[::-1]" if given == (length, 1, channels, filters) else "array[:, :, ::-1]"
    return (
        f"Keras 1 kept a Convolution1D's kernel so: give array{layouts[given]}, and {turned} in the place of array where "
        "Theano trained it, whose convolution turns kernels round"
    )
