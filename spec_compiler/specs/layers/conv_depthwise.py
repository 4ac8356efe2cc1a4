"""Convolutions of each channel on its own: depthwise, and with a mixing of the channels after it, separable."""

from typing import Any

from spec_compiler.specs.activations import activated_shape
from spec_compiler.specs.initializers.fans import GlorotUniform
from spec_compiler.specs.layers.conv import Windowed
from spec_compiler.specs.shapes import Shape
from spec_compiler.specs.types import (
    CausalPadding,
    ConstraintField,
    InitializerField,
    Padding,
    Pair,
    PositiveInt,
    RegularizerField,
    Single,
)
from spec_compiler.specs.variable import Variable


class BaseDepthwise(Windowed):
    """What convolutions of single channels share: a kernel of (*kernel_size, channels, depth_multiplier)."""

    depth_multiplier: PositiveInt = 1
    """Number of channels made of each of the input's."""
    depthwise_initializer: InitializerField = GlorotUniform()
    """Start of the kernel of the single channels."""
    depthwise_regularizer: RegularizerField = None
    """Penalty on the kernel of the single channels, added to the loss."""
    depthwise_constraint: ConstraintField = None
    """What the kernel of the single channels is projected onto after each step."""

    def intermediates(self, x: Shape, *_: Any, **__: Any) -> list[Shape]:
        return self.padded_input(x)

    def depthwise_channels(self, x: Shape) -> int:
        """Number of channels the kernel of the single channels makes."""
        return self.depth_multiplier * self.channels(x)

    def depthwise_kernel(self, name: str, x: Shape) -> Variable:
        """The kernel of the single channels."""
        channels = self.depthwise_channels(x) // self.depth_multiplier
        shape = (*self.kernel_size, channels, self.depth_multiplier)
        return Variable(name, shape, self.depthwise_initializer, self.depthwise_regularizer, self.depthwise_constraint)


class DepthwiseConv(BaseDepthwise):
    """Each channel convolved on its own."""

    positional = (
        "kernel_size", "strides", "padding", "depth_multiplier", "data_format", "dilation_rate", "activation",
        "use_bias", "depthwise_initializer", "bias_initializer", "depthwise_regularizer", "bias_regularizer",
        "activity_regularizer", "depthwise_constraint", "bias_constraint",
    )  # fmt: skip

    def infer_shape(self, x: Shape) -> Shape:
        self.spatial_dims(x)  # a wrong rank is to be named before a missing channel
        return activated_shape(self.activation, self.convolved_shape(x, self.depthwise_channels(x)))

    def variables(self, x: Shape) -> list[Variable]:
        return self.with_bias([self.depthwise_kernel("kernel", x)], self.depthwise_channels(x))


class DepthwiseConv1D(DepthwiseConv):
    """Convolve each channel along time: (batch, steps, channels) -> (batch, new steps, channels * depth_multiplier)."""

    rank = 1

    kernel_size: Single
    """Length of the window."""
    strides: Single = (1,)
    """Step of the window."""
    padding: Padding = "valid"
    """`valid`: none; `same`: as much as keeps the length at stride 1, the odd step at the end."""
    dilation_rate: Single = (1,)
    """Distance between the window's elements."""


class DepthwiseConv2D(DepthwiseConv):
    """Convolve each channel of an image: (batch, height, width, channels) -> (…, channels * depth_multiplier)."""

    rank = 2

    kernel_size: Pair
    """Height and width of the window."""
    strides: Pair = (1, 1)
    """Step of the window along height and width."""
    padding: Padding = "valid"
    """`valid`: none; `same`: as much as keeps the size at stride 1, the odd pixel at the end."""
    dilation_rate: Pair = (1, 1)
    """Distance between the window's elements."""


class SeparableConv(BaseDepthwise):
    """Each channel convolved on its own, then the channels mixed at each place, Chollet 2017."""

    positional = (
        "filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "depth_multiplier",
        "activation", "use_bias", "depthwise_initializer", "pointwise_initializer", "bias_initializer",
        "depthwise_regularizer", "pointwise_regularizer", "bias_regularizer", "activity_regularizer",
        "depthwise_constraint", "pointwise_constraint", "bias_constraint",
    )  # fmt: skip

    filters: PositiveInt
    """Number of output channels."""
    pointwise_initializer: InitializerField = GlorotUniform()
    """Start of the kernel that mixes the channels."""
    pointwise_regularizer: RegularizerField = None
    """Penalty on the kernel that mixes the channels, added to the loss."""
    pointwise_constraint: ConstraintField = None
    """What the kernel that mixes the channels is projected onto after each step."""

    def infer_shape(self, x: Shape) -> Shape:
        return activated_shape(self.activation, self.convolved_shape(x, self.filters))

    def intermediates(self, x: Shape, *_: Any, **__: Any) -> list[Shape]:
        """The input with its padding, and the single channels convolved."""
        return [*super().intermediates(x), self.convolved_shape(x, self.depthwise_channels(x))]

    def variables(self, x: Shape) -> list[Variable]:
        shape = (*(1,) * self.rank, self.depthwise_channels(x), self.filters)
        pointwise = (self.pointwise_initializer, self.pointwise_regularizer, self.pointwise_constraint)
        kernels = [self.depthwise_kernel("depthwise_kernel", x), Variable("pointwise_kernel", shape, *pointwise)]
        return self.with_bias(kernels, self.filters)


class SeparableConv1D(SeparableConv):
    """Convolve each channel along time, then mix them: (batch, steps, channels) -> (batch, new steps, filters)."""

    rank = 1

    kernel_size: Single
    """Length of the window."""
    strides: Single = (1,)
    """Step of the window."""
    padding: CausalPadding = "valid"
    """`valid`: none; `same`: as much as keeps the length at stride 1; `causal`: before the start alone, in Keras 2."""
    dilation_rate: Single = (1,)
    """Distance between the window's elements."""


class SeparableConv2D(SeparableConv):
    """Convolve each channel of an image, then mix them: (batch, height, width, channels) -> (…, filters)."""

    rank = 2

    kernel_size: Pair
    """Height and width of the window."""
    strides: Pair = (1, 1)
    """Step of the window along height and width."""
    padding: Padding = "valid"
    """`valid`: none; `same`: as much as keeps the size at stride 1, the odd pixel at the end."""
    dilation_rate: Pair = (1, 1)
    """Distance between the window's elements."""


SeparableConvolution1D = SeparableConv1D
SeparableConvolution2D = SeparableConv2D
