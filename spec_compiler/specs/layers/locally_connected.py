"""Convolutions with weights of their own at every place, which Keras 2 had; arguments and weights are Keras 2's."""

from math import prod
from typing import ClassVar, Literal, Self

from pydantic import model_validator

from spec_compiler.specs.activations import activated_shape
from spec_compiler.specs.layers.conv import Filtered
from spec_compiler.specs.shapes import Shape, UnknownDimensionError, convolved, show
from spec_compiler.specs.types import Layout, Padding, Pair, Single
from spec_compiler.specs.variable import Variable


class LocallyConnected(Filtered):
    """A window moved over `rank` spatial axes, with a kernel and a bias of its own at every place."""

    positional: ClassVar[tuple[str, ...]] = (
        "filters", "kernel_size", "strides", "padding", "data_format", "activation", "use_bias", "kernel_initializer",
        "bias_initializer", "kernel_regularizer", "bias_regularizer", "activity_regularizer", "kernel_constraint",
        "bias_constraint", "implementation",
    )  # fmt: skip

    implementation: Literal[1, 2, 3] = 1
    """How Keras lays out the kernel: 1: a matrix a place; 2: from every element to every other; 3: a list of numbers."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.implementation == 1 and self.padding != "valid":
            raise ValueError(f"padding='{self.padding}' needs implementation 2 or 3; with 1 it is 'valid'")
        return self

    def lengths(self, x: Shape) -> tuple[int, ...]:
        """Lengths of the input's spatial axes, which the weights depend on."""
        dims = self.spatial_dims(x)
        name = type(self).__name__
        if None in dims:
            raise UnknownDimensionError(f"{name} needs the lengths of its input's spatial axes, unknown in {show(x)}")
        return tuple(n for n in dims if n is not None)

    def places(self, x: Shape) -> tuple[int, ...]:
        """How many places the window has along each spatial axis."""
        windows = zip(self.lengths(x), self.kernel_size, self.strides, strict=True)
        return tuple(convolved(n, k, s, 1, self.padding) or 0 for n, k, s in windows)

    def infer_shape(self, x: Shape) -> Shape:
        return activated_shape(self.activation, self.with_dims(x, self.places(x), self.filters))

    def variables(self, x: Shape) -> list[Variable]:
        shape = self.kernel_shape(x, self.channels(x))
        kernel = Variable("kernel", shape, self.kernel_initializer, self.kernel_regularizer, self.kernel_constraint)
        return self.with_bias([kernel], *self.places(x), self.filters)

    def kernel_shape(self, x: Shape, channels: int) -> tuple[int, ...]:
        """Shape of the kernel for an input of so many channels."""
        places = self.places(x)
        if self.implementation == 1:
            return (prod(places), prod(self.kernel_size) * channels, self.filters)
        if self.implementation == 2:
            if self.channels_first:
                return (channels, *self.lengths(x), self.filters, *places)
            return (*self.lengths(x), channels, *places, self.filters)
        axes = zip(self.lengths(x), places, self.kernel_size, self.strides, strict=True)
        return (channels * self.filters * prod(self._connections(*axis) for axis in axes),)

    def _connections(self, length: int, places: int, size: int, stride: int) -> int:
        """How many pairs of an element and a place whose window covers it there are along an axis."""
        shift = size // 2 if self.padding == "same" else 0
        starts = (place * stride - shift for place in range(places))
        return sum(min(start + size, length) - max(start, 0) for start in starts)

    def layout(self, rank: int) -> Layout:
        # The other implementations take the elements in Keras's order, as one row.
        return super().layout(rank) if self.implementation == 1 else "keras"


class LocallyConnected1D(LocallyConnected):
    """Convolve along time with weights of its own at every step: (batch, steps, channels) -> (batch, new, filters)."""

    rank = 1

    kernel_size: Single
    """Length of the window."""
    strides: Single = (1,)
    """Step of the window."""
    padding: Padding = "valid"
    """`valid`: none; `same`, with implementation 2 or 3: as much as keeps the length at stride 1."""


class LocallyConnected2D(LocallyConnected):
    """Convolve over an image with weights of its own at every pixel: (batch, height, width, channels)."""

    rank = 2

    kernel_size: Pair
    """Height and width of the window."""
    strides: Pair = (1, 1)
    """Step of the window along height and width."""
    padding: Padding = "valid"
    """`valid`: none; `same`, with implementation 2 or 3: as much as keeps the size at stride 1."""
