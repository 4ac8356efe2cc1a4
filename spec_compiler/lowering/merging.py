"""Lowerings of `specs.layers.merging`."""

from __future__ import annotations

import operator
from functools import reduce
from string import ascii_lowercase
from typing import Any

import torch
from torch.nn import functional as F

from spec_compiler.lowering.call import Call
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.lowering.table import lowers, lowers_mask
from spec_compiler.specs.layers.merging import (
    Add,
    Average,
    Concatenate,
    Dot,
    Elementwise,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
)

FUNCTIONS = {Add: operator.add, Subtract: operator.sub, Average: operator.add}
EXTREMES = {Maximum: torch.maximum, Minimum: torch.minimum}


def aligned(call: Call, inputs: list[Proxy]) -> list[Proxy]:
    """The inputs with one rank: missing axes come in behind the batch axis."""
    rank = max(len(shape) for shape in call.shapes)
    out = []
    for x, shape in zip(inputs, call.shapes, strict=True):
        for _ in range(rank - len(shape)):
            x = x.unsqueeze(1)
        out.append(x)
    return out


def step_masks(call: Call) -> list[Any]:
    """Each input's mask with an axis for the features, or None; inputs that had axes put in have none, as in Keras."""
    rank = max(len(shape) for shape in call.shapes)
    masks: list[Any] = []
    for mask, shape in zip(call.masks, call.shapes, strict=True):
        masks.append(None if mask is None or len(shape) < rank else mask.unsqueeze(call.axis(-1)))
    return masks


@lowers(Add, Subtract, Average)
def arithmetic(layer: Elementwise, call: Call, inputs: list[Proxy]) -> Any:
    total = reduce(FUNCTIONS[type(layer)], aligned(call, inputs))
    return total / len(inputs) if isinstance(layer, Average) and len(inputs) > 1 else total


@lowers(Multiply)
def multiply(layer: Multiply, call: Call, inputs: list[Proxy]) -> Any:
    if layer.keras2_masks:
        return reduce(operator.mul, aligned(call, inputs))
    masks = step_masks(call)
    factors = [
        x if mask is None else torch.where(mask, x, 1.0) for x, mask in zip(aligned(call, inputs), masks, strict=True)
    ]
    product = reduce(operator.mul, factors)
    everywhere = all(mask is not None for mask in masks)
    return torch.where(any_of(masks), product, 0.0) if everywhere else product


@lowers(Maximum, Minimum)
def extreme(layer: Maximum | Minimum, call: Call, inputs: list[Proxy]) -> Any:
    if layer.keras2_masks:
        return reduce(EXTREMES[type(layer)], aligned(call, inputs))
    y, y_mask = None, None
    for x, mask in zip(aligned(call, inputs), step_masks(call), strict=True):
        if y is None:
            y, y_mask = x, mask
            continue
        # A masked element gives way to the other side's.
        if mask is not None:
            x = torch.where(mask, x, y)
        if y_mask is not None:
            y = torch.where(y_mask, y, x)
        y_mask = None if mask is None or y_mask is None else y_mask | mask
        y = EXTREMES[type(layer)](y, x)
    return y


@lowers_mask(Elementwise)
def elementwise_mask(layer: Elementwise, call: Call, inputs: list[Proxy]) -> Any:
    return all_of(call.masks) if layer.keras2_masks else any_of(call.masks)


def all_of(masks: list[Any]) -> Any:
    """Whether each mask that there is has the step, as Keras 2 had it."""
    return reduce(operator.and_, {id(mask): mask for mask in masks if mask is not None}.values())


def any_of(masks: list[Any]) -> Any:
    """Whether any mask has the step; one mask that several inputs share is taken once."""
    return reduce(operator.or_, {id(mask): mask for mask in masks}.values())


@lowers(Concatenate)
def concatenate(layer: Concatenate, call: Call, inputs: list[Proxy]) -> Any:
    return torch.cat(inputs, dim=call.axis(layer.axis))


@lowers_mask(Concatenate)
def concatenate_mask(layer: Concatenate, call: Call, inputs: list[Proxy]) -> Any:
    rank = len(call.shapes[0])
    masks = [
        mask.any(-1) if mask is not None and own == rank else mask
        for mask, own in zip(call.masks, call.mask_ranks, strict=True)
    ]
    along_features = layer.axis % rank == rank - 1
    if along_features and layer.keras2_masks:
        return all_of(masks)
    if along_features and all(mask is not None for mask in masks):
        return any_of(masks)
    # An input without a mask has every step.
    whole = [
        torch.ones_like(x.select(-1, 0), dtype=torch.bool) if mask is None else mask
        for x, mask in zip(inputs, masks, strict=True)
    ]
    return any_of(whole) if along_features else torch.cat(whole, dim=layer.axis % rank)


@lowers(Dot)
def dot(layer: Dot, call: Call, inputs: list[Proxy]) -> Any:
    x, y = inputs
    a, b = call.shapes
    i, j = layer.axes_of(a, b)
    if layer.normalize:
        # Keras's `epsilon()` is what no length is taken to be below.
        x, y = F.normalize(x, dim=i, eps=1e-7), F.normalize(y, dim=j, eps=1e-7)
    if len(a) == len(b) == 2:
        return (x * y).sum(-1, keepdim=True)
    letters = iter(ascii_lowercase[2:])
    left = ["a", *(next(letters) for _ in a[1:])]
    right = ["a", *(next(letters) for _ in b[1:])]
    left[i] = right[j] = "b"
    out = [letter for letter in (*left, *right[1:]) if letter != "b"]
    return torch.einsum(f"{''.join(left)},{''.join(right)}->{''.join(out)}", x, y)
