"""Axes split, permuted and joined by a pattern, as einops writes it: https://keras.io/api/ops/core/."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from spec_compiler.diagnostics import show as shown
from spec_compiler.specs.layers.ops_table import Module, takes_complex
from spec_compiler.specs.shapes import Shape, ShapeError, TensorType, product, show
from spec_compiler.specs.types import MAX_SIZE

op = Module("keras.src.ops.einops")

takes_complex("Rearrange")

Axes = list[tuple[str, ...]]
"""The names in the place of each axis: several between parentheses."""


@dataclass(frozen=True)
class Arrangement:
    """A pattern, read for a tensor: `b (h w) -> b w h`."""

    given: Axes
    wanted: Axes
    lengths: dict[str, int | None]
    """Of each name."""

    @property
    def order(self) -> list[int]:
        """Where each of the wanted names is among the given ones."""
        places = {name: i for i, name in enumerate(name for names in self.given for name in names)}
        return [places[name] for names in self.wanted for name in names]


@op
def Rearrange(tensor: TensorType, pattern: Any, /, **axes_lengths: Any) -> TensorType:
    """`rearrange(x, "b (h w) c -> b h w c", h=4)`: (batch, 12, channels) -> (batch, 4, 3, channels)."""
    found = arrangement(tensor.shape, pattern, axes_lengths)
    return TensorType(tuple(product(found.lengths[name] for name in names) for names in found.wanted), tensor.dtype)


def arrangement(shape: Shape, pattern: Any, stated: dict[str, Any]) -> Arrangement:
    """The pattern for a tensor of that shape, with the lengths stated of some names; ShapeError where it does not suit."""
    if not isinstance(pattern, str) or pattern.count("->") != 1:
        raise ShapeError(f"the pattern names the axes before and after, as 'a b -> b a', got {shown(pattern)}")
    given, wanted = map(_axes, pattern.split("->"))
    names, named = ([name for axis in axes for name in axis] for axes in (given, wanted))
    if len(set(names)) < len(names) or sorted(names) != sorted(named):
        raise ShapeError(f"each name stands once before the arrow of {shown(pattern)}, and once behind it")
    if len(given) != len(shape):
        raise ShapeError(f"{shown(pattern)} names {len(given)} axes, the tensor is of shape {show(shape)}")
    for name, length in stated.items():
        if name not in names:
            raise ShapeError(f"there is no axis '{name}' in {shown(pattern)}")
        if type(length) is not int or not 1 <= length <= MAX_SIZE:
            raise ShapeError(f"the length of '{name}' is a whole number from 1 on, got {shown(length)}")
    lengths: dict[str, int | None] = {}
    for axis, n in zip(given, shape, strict=True):
        lengths |= _split(axis, n, stated)
    return Arrangement(given, wanted, lengths)


def _axes(side: str) -> Axes:
    found = re.findall(r"\w+|\([\w\s]*\)|\S", side)
    axes = [tuple(axis.strip("()").split()) for axis in found]
    if not all(name.isidentifier() for axis in axes for name in axis) or not all(axes):
        raise ShapeError(f"a pattern holds names, and names between parentheses, got {shown(side.strip())}")
    return axes


def _split(axis: tuple[str, ...], n: int | None, stated: dict[str, int]) -> dict[str, int | None]:
    """The length of each name of an axis of length `n`."""
    unknown = [name for name in axis if name not in stated]
    if len(unknown) > 1:
        raise ShapeError(f"all but one of the lengths of {' '.join(axis)} must be stated, {' '.join(unknown)} are not")
    whole = product(stated[name] for name in axis if name in stated) or 1
    if n is not None and (n % whole or (not unknown and n != whole)):
        raise ShapeError(f"an axis of length {n} cannot be split by {whole}")
    return {name: stated.get(name, None if n is None else n // whole) for name in axis}
