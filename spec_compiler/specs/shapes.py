"""Shapes, and the arithmetic of one axis: None is a length not known before the data comes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from spec_compiler.diagnostics import (
    BAD_RANK,
    BUDGET_EXCEEDED,
    NEGATIVE_SIZE,
    SHAPE_MISMATCH,
    UNKNOWN_DIMENSION,
    WRONG_DTYPE,
    Code,
)

Shape = tuple[int | None, ...]
"""Batch axis first; None where the length is not known."""
Shapes = Shape | list[Shape]
"""A tuple is one shape; a list of them, several outputs."""


@dataclass(frozen=True, slots=True)
class TensorType:
    """What is known of a tensor before there is data."""

    shape: Shape
    dtype: str


class ShapeError(ValueError):
    """A layer cannot take an input of this shape. `help` says what would do."""

    code: ClassVar[Code] = SHAPE_MISMATCH

    def __init__(self, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.help = help


class RankError(ShapeError):
    """The input has too many or too few axes."""

    code = BAD_RANK


class UnknownDimensionError(ShapeError):
    """A length is not known that must be."""

    code = UNKNOWN_DIMENSION


class NothingLeftError(ShapeError):
    """Nothing would be left of an axis."""

    code = NEGATIVE_SIZE


class DTypeError(ShapeError):
    """The input, or a weight, is of a dtype that the layer does not take."""

    code = WRONG_DTYPE


class TooLargeError(ShapeError):
    """A tensor would have more elements than torch can count."""

    code = BUDGET_EXCEEDED


def show(shape: Sequence[int | None]) -> str:
    """`(None, 28, 28, 1)`, as Keras prints it."""
    return str(tuple(shape))


def product(dims: Iterable[int | None]) -> int | None:
    """Product of axis lengths; None when one is unknown."""
    n = 1
    for d in dims:
        if d is None:
            return None
        n *= d
    return n


def require_rank(shape: Shape, rank: int, layer: str) -> None:
    """Raise ShapeError unless `shape` has `rank` axes, batch axis included."""
    if len(shape) != rank:
        raise RankError(f"{layer} takes an input of rank {rank} (batch axis included), got {show(shape)}")


def require_min_rank(shape: Shape, rank: int, layer: str) -> None:
    """Raise ShapeError when `shape` has fewer than `rank` axes, batch axis included."""
    if len(shape) < rank:
        raise RankError(f"{layer} takes an input of rank {rank} or more (batch axis included), got {show(shape)}")


def require_dim(shape: Shape, axis: int, layer: str) -> int:
    """Length of `axis`, which the layer's weights depend on; ShapeError when it is not known."""
    if not -len(shape) <= axis < len(shape):
        raise ShapeError(f"{layer} needs the length of axis {axis} of its input, and {show(shape)} has no such axis")
    n = shape[axis]
    if n is None:
        raise UnknownDimensionError(
            f"{layer} needs the length of axis {axis} of its input, which is unknown in {show(shape)}"
        )
    return n


def convolved(n: int | None, kernel: int, stride: int, dilation: int, padding: str) -> int | None:
    """Length of an axis after a convolution: `ceil(n / stride)` if `same` or `causal`, else what the kernel fits in."""
    if n is None:
        return None
    if padding in ("same", "causal"):
        return -(-n // stride)
    window = dilation * (kernel - 1) + 1
    if n < window:
        raise NothingLeftError(
            f"a window of {window} does not fit an axis of length {n}", help="use padding 'same', or a smaller kernel"
        )
    return (n - window) // stride + 1


def merged(a: int | None, b: int | None) -> int | None:
    """The one length two axes must agree on; the known one where one is unknown. ShapeError when they differ."""
    if a is None or b is None:
        return b if a is None else a
    if a != b:
        raise ShapeError(f"lengths {a} and {b} differ")
    return a


def agree(a: Shape, b: Shape) -> bool:
    """Whether two shapes may be the same: as many axes, and no length that is known of both and differs."""
    return len(a) == len(b) and all(m is None or n is None or m == n for m, n in zip(a, b, strict=True))


def normalize_axis(axis: int, rank: int, layer: str) -> int:
    """`axis` counted from the front; ShapeError when an input of `rank` axes has none such."""
    if not -rank <= axis < rank:
        raise ShapeError(f"{layer} has axis {axis}, but its input has rank {rank}")
    return axis % rank
