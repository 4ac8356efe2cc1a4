"""Layers that move elements about: reshape, permute, repeat. None computes anything, none passes a mask on."""

from typing import Annotated, Any, Self

from pydantic import WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.shapes import Shape, ShapeError, product, require_min_rank, require_rank, show
from spec_compiler.specs.types import MAX_SIZE, Before, Int, PositiveInt, kept_dtype


def _target_shape(value: Any) -> Any:
    dims = [value] if isinstance(value, int) else value
    if not isinstance(dims, (list, tuple)):
        raise PydanticCustomError("shape_type", "expected a list of lengths")
    if sum(d in (-1, None) for d in dims) > 1:
        raise PydanticCustomError("shape_value", "at most one length may be -1, which stands for what is left")
    if any(isinstance(d, int) and (d == 0 or d < -1) for d in dims):
        raise PydanticCustomError("shape_value", "every length must be positive, or -1 for what is left")
    return tuple(dims)


TargetShape = Annotated[
    tuple[Int | None, ...],
    Before(_target_shape),
    WithJsonSchema({"type": "array", "items": {"type": ["integer", "null"], "minimum": -1}}),
]


class Reshape(LayerSpec):
    """Give each sample another shape of as many elements, in the same order."""

    target_shape: TargetShape
    """Lengths of the axes behind the batch axis; -1 for what is left."""

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.size > MAX_SIZE:
            raise ValueError(f"target_shape {list(self.target_shape)} has more than {MAX_SIZE} elements")
        return self

    @property
    def size(self) -> int:
        """Elements of the lengths that are stated."""
        n = 1
        for d in self.target_shape:
            n *= d if d and d > 0 else 1
        return n

    def infer_shape(self, x: Shape) -> Shape:
        require_min_rank(x, 1, "Reshape")
        stated = tuple(None if d == -1 else d for d in self.target_shape)
        n = product(x[1:])
        if n is None:
            return (x[0], *stated)
        whole = None not in stated
        if n % self.size or (whole and n != self.size):
            raise ShapeError(
                f"Reshape to {show(self.target_shape)} needs {'' if whole else 'a multiple of '}{self.size} elements a "
                f"sample, but its input {show(x)} has {n}",
                help="the batch axis is not part of target_shape; one length may be -1 for what is left",
            )
        return (x[0], *(n // self.size if d is None else d for d in stated))

    def output_dtype(self, *dtypes: str) -> str:
        return kept_dtype(self.compute_dtype, dtypes[0])


class Permute(LayerSpec):
    """Reorder the axes behind the batch axis."""

    dims: tuple[PositiveInt, ...]
    """The input's axes in the output's order, counted from 1: [2, 1] swaps two axes."""

    @model_validator(mode="after")
    def _permutation(self) -> Self:
        n = len(self.dims)
        if sorted(self.dims) != list(range(1, n + 1)):
            raise ValueError(
                f"dims {list(self.dims)} must hold each of 1 to {n} once: the axes behind the batch, counted from 1"
            )
        return self

    def infer_shape(self, x: Shape) -> Shape:
        require_rank(x, len(self.dims) + 1, "Permute")
        return (x[0], *(x[d] for d in self.dims))

    def output_dtype(self, *dtypes: str) -> str:
        return kept_dtype(self.compute_dtype, dtypes[0])


class RepeatVector(LayerSpec):
    """Repeat each sample `n` times along a new axis: (batch, features) -> (batch, n, features)."""

    n: PositiveInt
    """How often."""

    def infer_shape(self, x: Shape) -> Shape:
        require_rank(x, 2, "RepeatVector")
        return (x[0], self.n, x[1])
