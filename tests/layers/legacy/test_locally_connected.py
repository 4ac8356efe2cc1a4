"""Locally connected layers against the sums that Keras 2's documentation and sources (2.15) define, place by place."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from spec_compiler.dialects.write import to_json
from spec_compiler.loading import parse_spec
from spec_compiler.specs.layers.core import InputLayer
from spec_compiler.specs.layers.locally_connected import LocallyConnected1D, LocallyConnected2D
from spec_compiler.specs.model import SequentialSpec
from tests.layers.legacy.formula import check_formula

CLASSES = {1: LocallyConnected1D, 2: LocallyConnected2D}
SHAPES = {1: [7, 3], 2: [5, 6, 2]}
SIZES: dict[int, list[Any]] = {1: [1, 3, 4], 2: [2, (3, 2), (1, 4)]}
STRIDES: dict[int, list[Any]] = {1: [1, 2, 3], 2: [1, (2, 3)]}


def covered(place: tuple[int, ...], layer: Any, lengths: list[int]) -> list[tuple[int, ...]]:
    """The elements in the window at a place, as Keras 2's `conv_connected_inputs` describes them."""
    ranges = []
    for o, k, s, n in zip(place, layer.kernel_size, layer.strides, lengths, strict=True):
        left = int(k / 2)
        center = o * s + (left if layer.padding == "valid" else 0)
        ranges.append(range(max(0, center - left), min(n, center + k - left)))
    return list(itertools.product(*ranges))


def places_of(layer: Any, lengths: list[int]) -> list[range]:
    found = []
    for n, k, s in zip(lengths, layer.kernel_size, layer.strides, strict=True):
        found.append(range(-(-n // s) if layer.padding == "same" else (n - k) // s + 1))
    return found


def formula(layer: Any, x: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
    """The output, summed element by element, in the layer's own order of axes."""
    first = layer.data_format == "channels_first"
    lengths = list(x.shape[2:] if first else x.shape[1:-1])
    channels = x.shape[1 if first else -1]
    axes = places_of(layer, lengths)
    listed = iter_indices(layer, lengths, channels, axes)
    rows = []
    for number, place in enumerate(itertools.product(*axes)):
        elements = covered(place, layer, lengths)
        total = []
        for f in range(layer.filters):
            terms = []
            for position, element in enumerate(elements):
                for c in range(channels):
                    if layer.implementation == 1:
                        # A patch is cut out and flattened in the order its axes have.
                        feature = c * len(elements) + position if first else position * channels + c
                        weight = kernel[number, feature, f]
                    elif layer.implementation == 2:
                        index = (c, *element, f, *place) if first else (*element, c, *place, f)
                        weight = kernel[index]
                    else:
                        weight = kernel[listed[(place, f, element, c)]]
                    terms.append(x[:, c, *element] * weight if first else x[:, *element, c] * weight)
            total.append(torch.stack(terms).sum(0))
        rows.append(torch.stack(total, dim=-1))
    sizes = [len(axis) for axis in axes]
    y = torch.stack(rows, dim=1).unflatten(1, sizes)
    if first:
        y = y.movedim(-1, 1)
    if bias is None:
        return y
    # K.bias_add reshapes, and does not permute, a bias of (*places, filters) where the channels come first.
    return y + (bias.reshape(layer.filters, *sizes) if first else bias)


def iter_indices(layer: Any, lengths: list[int], channels: int, axes: list[range]) -> dict[Any, int]:
    """For implementation 3, where each weight stands: sorted by flat output index, then flat input index."""
    first, pairs = layer.data_format == "channels_first", []
    sizes = [len(axis) for axis in axes]
    for place in itertools.product(*axes):
        for f in range(layer.filters):
            out = flat((f, *place), (layer.filters, *sizes)) if first else flat((*place, f), (*sizes, layer.filters))
            for element in covered(place, layer, lengths):
                for c in range(channels):
                    at = (
                        flat((c, *element), (channels, *lengths))
                        if first
                        else flat((*element, c), (*lengths, channels))
                    )
                    pairs.append((out, at, (place, f, element, c)))
    return {key: number for number, (_, _, key) in enumerate(sorted(pairs))}


def flat(index: tuple[int, ...], shape: tuple[int, ...]) -> int:
    number = 0
    for i, n in zip(index, shape, strict=True):
        number = number * n + i
    return number


@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize(
    ("implementation", "padding"), [(1, "valid"), (2, "valid"), (2, "same"), (3, "valid"), (3, "same")]
)
def test_layer_matches_keras2(rank: int, data_format: str, implementation: int, padding: str) -> None:
    grid = itertools.product(SIZES[rank], STRIDES[rank])
    *lengths, channels = SHAPES[rank]
    shape = [channels, *lengths] if data_format == "channels_first" else [*lengths, channels]
    for number, (kernel_size, strides) in enumerate(grid):
        layer = CLASSES[rank](
            2,
            kernel_size,
            strides=strides,
            padding=padding,
            data_format=data_format,
            implementation=implementation,
            use_bias=number % 3 > 0,
        )
        check_formula(layer, shape, lambda *args, layer=layer: formula(layer, *args))


def test_activation_follows_the_bias() -> None:
    layer = LocallyConnected1D(3, 2, activation="softmax")
    check_formula(layer, [4, 2], lambda *args: formula(layer, *args).softmax(-1))


def test_keras2_document_round_trips() -> None:
    layers = [
        InputLayer(name="in", batch_shape=(None, 8, 3)),
        LocallyConnected1D(2, 3, name="by_place", kernel_regularizer="l2", bias_constraint="non_neg"),
        LocallyConnected1D(4, 2, strides=2, padding="same", implementation=3, name="listed", activation="relu"),
    ]
    text = to_json(SequentialSpec(name="model", layers=layers), "keras2")
    assert parse_spec(text).layers == layers
    assert '"implementation": 3' in text
