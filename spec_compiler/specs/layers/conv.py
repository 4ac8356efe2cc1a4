"""Convolutions. Kernels are Keras's: (*kernel_size, channels in per group, filters)."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import model_validator

from spec_compiler.specs.activations import activated_shape
from spec_compiler.specs.base import LayerSpec, Variable
from spec_compiler.specs.initializers import GlorotUniform, Zeros
from spec_compiler.specs.shapes import Shape, ShapeError, convolved, require_dim, require_rank
from spec_compiler.specs.types import (
    Activation,
    Bool,
    CausalPadding,
    ConstraintField,
    DataFormat,
    InitializerField,
    Layout,
    Padding,
    Pair,
    PositiveInt,
    RegularizerField,
    Single,
)


class Spatial(LayerSpec):
    """What layers over one to three spatial axes share: where the channels are, and which layout torch wants."""

    rank: ClassVar[int]
    """Number of spatial axes."""

    data_format: DataFormat = "channels_last"
    """Whether the channels are the last axis or stand behind the batch axis."""

    @model_validator(mode="before")
    @classmethod
    def _default_data_format(cls, config: Any) -> Any:
        # Keras writes null, or old Keras "default", for its configured default, which is channels_last.
        if isinstance(config, dict) and "data_format" in config and config["data_format"] in (None, "default"):
            config = {**config, "data_format": "channels_last"}
        return config

    def layout(self, rank: int) -> Layout:
        return "keras" if self.data_format == "channels_first" else "channels_first"

    @property
    def channel_axis(self) -> int:
        """The channels' axis in Keras's order."""
        return 1 if self.data_format == "channels_first" else -1

    def spatial_dims(self, x: Shape) -> Shape:
        """Lengths of the spatial axes of an input."""
        require_rank(x, self.rank + 2, type(self).__name__)
        return x[2:] if self.data_format == "channels_first" else x[1:-1]

    def with_dims(self, x: Shape, dims: Shape, channels: int | None) -> Shape:
        """A shape like `x` with other spatial lengths and channels."""
        return (x[0], channels, *dims) if self.data_format == "channels_first" else (x[0], *dims, channels)


class BaseConv(Spatial):
    """A convolution over `rank` spatial axes."""

    positional = ("filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "groups", "activation")

    filters: PositiveInt
    """Number of output channels."""
    use_bias: Bool = True
    """Whether a bias is added to each channel."""
    groups: PositiveInt = 1
    """Number of groups the channels are split in, each convolved on its own."""
    activation: Activation = "linear"
    """Applied to the output; null or `linear`: none."""
    kernel_initializer: InitializerField = GlorotUniform()
    """Start of the kernel."""
    bias_initializer: InitializerField = Zeros()
    """Start of the bias."""
    kernel_regularizer: RegularizerField = None
    """Penalty on the kernel, added to the loss."""
    bias_regularizer: RegularizerField = None
    """Penalty on the bias, added to the loss."""
    activity_regularizer: RegularizerField = None
    """Penalty on the output, added to the loss, divided by the batch size."""
    kernel_constraint: ConstraintField = None
    """What the kernel is projected onto after each step."""
    bias_constraint: ConstraintField = None
    """What the bias is projected onto after each step."""

    def infer_shape(self, x: Shape) -> Shape:
        dims = self.spatial_dims(x)
        windows = zip(dims, self.kernel_size, self.strides, self.dilation_rate, strict=True)
        out = tuple(convolved(n, k, s, d, self.padding) for n, k, s, d in windows)
        return activated_shape(self.activation, self.with_dims(x, out, self.filters), self.channel_axis)

    def variables(self, x: Shape) -> list[Variable]:
        channels = require_dim(x, self.channel_axis, type(self).__name__)
        if channels % self.groups or self.filters % self.groups:
            raise ShapeError(f"groups={self.groups} must divide the {channels} channels and the {self.filters} filters")
        shape = (*self.kernel_size, channels // self.groups, self.filters)
        kernel = Variable("kernel", shape, self.kernel_initializer, self.kernel_regularizer, self.kernel_constraint)
        bias = Variable("bias", (self.filters,), self.bias_initializer, self.bias_regularizer, self.bias_constraint)
        return [kernel, bias] if self.use_bias else [kernel]


class Conv1D(BaseConv):
    """Convolve along time: (batch, steps, channels) -> (batch, new steps, filters)."""

    rank = 1

    kernel_size: Single
    """Length of the window."""
    strides: Single = (1,)
    """Step of the window."""
    padding: CausalPadding = "valid"
    """`valid`: none; `same`: as much as keeps the length at stride 1; `causal`: before the start alone."""
    dilation_rate: Single = (1,)
    """Distance between the window's elements."""


class Conv2D(BaseConv):
    """Convolve over an image: (batch, height, width, channels) -> (batch, new height, new width, filters)."""

    rank = 2

    kernel_size: Pair
    """Height and width of the window."""
    strides: Pair = (1, 1)
    """Step of the window along height and width."""
    padding: Padding = "valid"
    """`valid`: none; `same`: as much as keeps the size at stride 1, the odd pixel at the end."""
    dilation_rate: Pair = (1, 1)
    """Distance between the window's elements."""
