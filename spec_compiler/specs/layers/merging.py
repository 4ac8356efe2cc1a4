"""Layers that make one tensor of several: elementwise, along an axis, or by a product of matrices."""

from functools import reduce
from typing import ClassVar, Self

from pydantic import model_validator

from spec_compiler.specs.base import LayerSpec, MaskRule
from spec_compiler.specs.shapes import RankError, Shape, ShapeError, merged, normalize_axis, show
from spec_compiler.specs.types import AxisOrAxes, Bool, Int, Layout


def _shapes(inputs: list[Shape]) -> str:
    return ", ".join(show(shape) for shape in inputs)


class Merging(LayerSpec):
    """A layer over a list of inputs."""

    takes_list: ClassVar[bool] = True
    supports_masking: ClassVar[bool] = True


class Elementwise(Merging):
    """A function of elements at the same place; axes of length 1 are stretched, missing ones stand behind the batch."""

    def infer_shape(self, inputs: list[Shape]) -> Shape:
        name = type(self).__name__
        if not inputs:
            raise ShapeError(f"{name} takes a list of at least one input, got an empty one")
        try:
            batch = _batch(inputs)
            out = inputs[0][1:]
            for shape in inputs[1:]:
                out = _broadcast(out, shape[1:])
        except ShapeError as error:
            raise ShapeError(
                f"{name} takes inputs of one shape, got {_shapes(inputs)}: {error}",
                help="lengths must agree, or be 1; compared from the last axis",
            ) from None
        return (batch, *out) if any(inputs) else ()

    def layout(self, rank: int) -> Layout:
        return "any"

    def computed_mask(self, inputs: list[Shape], masks: list[Shape | None]) -> Shape:
        given = [mask for mask in masks if mask is not None]
        try:
            # Only masks of one rank meet: the batch axis of one would meet the steps of another.
            return tuple(reduce(_stretched, lengths) for lengths in zip(*given, strict=True))
        except ValueError:
            raise ShapeError(f"the masks of its inputs cannot be put together, of shapes {_shapes(given)}") from None

    def output_mask(self, masked: tuple[bool, ...]) -> MaskRule:
        if self.keras2_masks:
            return "computed" if sum(masked) > 1 else "first" if any(masked) else "none"
        if not all(masked):
            return "none"
        return "computed" if len(masked) > 1 else "first"


def _batch(inputs: list[Shape]) -> int | None:
    batch = None
    for shape in inputs:
        batch = merged(batch, shape[0] if shape else None)
    return batch


def _broadcast(a: Shape, b: Shape) -> Shape:
    if len(a) < len(b):
        a, b = b, a
    head = a[: len(a) - len(b)]
    return (*head, *(_stretched(m, n) for m, n in zip(a[len(head) :], b, strict=True)))


def _stretched(m: int | None, n: int | None) -> int | None:
    # Keras says nothing of a length where one of the two is unknown.
    if m is None or n is None:
        return None
    return max(m, n) if 1 in (m, n) else merged(m, n)


class Add(Elementwise):
    """Sum of the inputs."""


class Subtract(Elementwise):
    """The first input less the second."""

    def infer_shape(self, inputs: list[Shape]) -> Shape:
        if len(inputs) != 2:
            raise ShapeError(f"Subtract takes two inputs, got {len(inputs)}")
        return super().infer_shape(inputs)


class Masked(Elementwise):
    """One whose masked elements do not count; an input of fewer axes than another has no mask here, as in Keras."""

    def mask_axes(self, x: Shape, index: int, rank: int) -> Shape | None:
        return None if self.keras2_masks else x[:-1]


class Multiply(Masked):
    """Product of the inputs. A masked step counts as 1, and as 0 where every input masks it."""


class Average(Elementwise):
    """Mean of the inputs."""


class Maximum(Masked):
    """Largest of the inputs; those that mask a step do not count there."""


class Minimum(Masked):
    """Smallest of the inputs; those that mask a step do not count there."""


class Concatenate(Merging):
    """Put the inputs behind each other along an axis."""

    axis: Int = -1
    """The axis, batch axis 0."""

    def infer_shape(self, inputs: list[Shape]) -> Shape:
        if not inputs:
            raise ShapeError("Concatenate takes a list of at least one input, got an empty one")
        first = inputs[0]
        axis = normalize_axis(self.axis, len(first), "Concatenate")
        lengths: list[int | None] = []
        for shape in inputs:
            try:
                if len(shape) != len(first):
                    raise ShapeError(f"ranks {len(first)} and {len(shape)} differ")
                for i, (m, n) in enumerate(zip(first, shape, strict=True)):
                    if i != axis:
                        merged(m, n)
            except ShapeError as error:
                message = f"Concatenate takes inputs alike in all but axis {self.axis}, got {_shapes(inputs)}: {error}"
                raise ShapeError(message) from None
            lengths.append(shape[axis])
        whole = None if None in lengths else sum(n for n in lengths if n is not None)
        return (*first[:axis], whole, *first[axis + 1 :])

    def layout(self, rank: int) -> Layout:
        return "any"

    def mask_axes(self, x: Shape, index: int, rank: int) -> Shape | None:
        # A mask may have the axis of features too: what has some of them counts.
        return (*x[:-1], None) if rank == len(x) else x[:-1]

    def computed_mask(self, inputs: list[Shape], masks: list[Shape | None]) -> Shape:
        return self.infer_shape(inputs)[:-1]

    def output_mask(self, masked: tuple[bool, ...]) -> MaskRule:
        return "computed" if any(masked) else "none"


class Dot(Merging):
    """Sum of products along one axis of each of two inputs, sample by sample, as of matrices."""

    axes: AxisOrAxes
    """The axis of both inputs, or the two inputs' axes; batch axis 0."""
    normalize: Bool = False
    """Whether both are brought to length 1 along their axes first, which makes the output the cosine."""

    @model_validator(mode="after")
    def _two(self) -> Self:
        if isinstance(self.axes, tuple) and len(self.axes) != 2:
            raise ValueError(f"axes must be one axis, or two, got {list(self.axes)}")
        return self

    def axes_of(self, a: Shape, b: Shape) -> tuple[int, int]:
        """The axis of each input, counted from the front."""
        first, second = self.axes if isinstance(self.axes, tuple) else (self.axes, self.axes)
        return normalize_axis(first, len(a), "Dot"), normalize_axis(second, len(b), "Dot")

    def infer_shape(self, inputs: list[Shape]) -> Shape:
        if len(inputs) != 2:
            raise ShapeError(f"Dot takes two inputs, got {len(inputs)}")
        a, b = inputs
        if len(a) < 2 or len(b) < 2:
            raise RankError(f"Dot takes inputs of rank 2 or more (batch axis included), got {_shapes(inputs)}")
        i, j = self.axes_of(a, b)
        if 0 in (i, j):
            raise ShapeError("Dot cannot run over axis 0, the batch axis")
        try:
            merged(a[0], b[0])
            merged(a[i], b[j])
        except ShapeError as error:
            message = f"Dot over axes {i} and {j} takes inputs as long there, got {_shapes(inputs)}: {error}"
            raise ShapeError(message) from None
        out = (*a[:i], *a[i + 1 :], *b[1:j], *b[j + 1 :])
        return out if len(out) > 1 else (*out, 1)

    def output_mask(self, masked: tuple[bool, ...]) -> MaskRule:
        return "none"
