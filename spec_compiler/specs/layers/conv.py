"""Convolutions. Kernels are Keras's: (*kernel_size, channels in per group, filters)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import model_validator

from spec_compiler.specs.activations import activated_shape
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.initializers.constant import Zeros
from spec_compiler.specs.initializers.fans import GlorotUniform
from spec_compiler.specs.shapes import NothingLeftError, Shape, ShapeError, convolved, require_dim, require_rank, show
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
    Triple,
)
from spec_compiler.specs.variable import Variable


class ChannelsLast(LayerSpec):
    """A layer over one to three spatial axes, with the channels behind them."""

    rank: ClassVar[int]
    """Number of spatial axes."""

    @property
    def channels_first(self) -> bool:
        """Whether the channels stand before the spatial axes."""
        return False

    @property
    def channel_axis(self) -> int:
        """The channels' axis in Keras's order."""
        return 1 if self.channels_first else -1

    def layout(self, rank: int) -> Layout:
        return "keras" if self.channels_first else "channels_first"

    def spatial_dims(self, x: Shape) -> Shape:
        """Lengths of the spatial axes of an input."""
        require_rank(x, self.rank + 2, type(self).__name__)
        return x[2:] if self.channels_first else x[1:-1]

    def channels(self, x: Shape) -> int:
        """Number of channels, which the weights depend on; ShapeError when it is not known, or there are none."""
        n = require_dim(x, self.channel_axis, type(self).__name__)
        if n == 0:
            raise NothingLeftError(f"{type(self).__name__} takes an input with channels, got {show(x)}")
        return n

    def with_dims(self, x: Shape, dims: Shape, channels: int | None) -> Shape:
        """A shape like `x` with other spatial lengths and channels."""
        return (x[0], channels, *dims) if self.channels_first else (x[0], *dims, channels)


class Spatial(ChannelsLast):
    """A layer over one to three spatial axes, with the channels behind or before them."""

    data_format: DataFormat = "channels_last"
    """Whether the channels are the last axis or stand behind the batch axis."""

    @model_validator(mode="before")
    @classmethod
    def _default_data_format(cls, config: Any) -> Any:
        # Keras writes null, or old Keras "default", for its configured default, which is channels_last.
        if isinstance(config, dict) and "data_format" in config and config["data_format"] in (None, "default"):
            config = {**config, "data_format": "channels_last"}
        return config

    @property
    def channels_first(self) -> bool:
        return self.data_format == "channels_first"


class Window(Spatial):
    """A layer that moves a window over its spatial axes. The classes of each rank state its size, steps and padding."""

    if TYPE_CHECKING:
        kernel_size: tuple[int, ...]
        strides: tuple[int, ...]
        padding: str
        dilation_rate: tuple[int, ...]

    def convolved_shape(self, x: Shape, channels: int | None) -> Shape:
        """Shape of the output, with so many channels, before the activation."""
        windows = zip(self.spatial_dims(x), self.kernel_size, self.strides, self.dilation_rate, strict=True)
        return self.with_dims(x, tuple(convolved(n, k, s, d, self.padding) for n, k, s, d in windows), channels)

    def padded_input(self, x: Shape) -> list[Shape]:
        """Shape of the input with its padding, where it has some."""
        if self.padding == "valid":
            return []
        dims = padded_dims(self.spatial_dims(x), self.kernel_size, self.dilation_rate, self.padding)
        return [self.with_dims(x, dims, x[self.channel_axis])]

    def forbid_strided_dilation(self) -> None:
        """Raise ValueError when the window is both strided and dilated."""
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"strides={self.strides} and dilation_rate={self.dilation_rate}: one of the two must be 1 throughout"
            )


def effective_dilation(dims: Shape, dilation: Sequence[int], padding: str) -> tuple[int, ...]:
    """The dilation, less where the input cannot tell: from so far apart on, one element of a window meets it at most."""
    if padding == "valid":
        return tuple(dilation)
    return tuple(d if n is None else min(d, 4 * n) for n, d in zip(dims, dilation, strict=True))


def padded_dims(dims: Shape, kernel: Sequence[int], dilation: Sequence[int], padding: str) -> Shape:
    """Lengths of the spatial axes with their padding, an unknown one counted as 1."""
    windows = zip(dims, kernel, effective_dilation(dims, dilation, padding), strict=True)
    return tuple((n or 1) + d * (k - 1) for n, k, d in windows)


class Windowed(Window):
    """What all convolutions share: a window, a bias and an activation."""

    activation: Activation = "linear"
    """Applied to the output; null or `linear`: none."""
    use_bias: Bool = True
    """Whether a bias is added to each channel."""
    bias_initializer: InitializerField = Zeros()
    """Start of the bias."""
    bias_regularizer: RegularizerField = None
    """Penalty on the bias, added to the loss."""
    activity_regularizer: RegularizerField = None
    """Penalty on the output, added to the loss, divided by the batch size."""
    bias_constraint: ConstraintField = None
    """What the bias is projected onto after each step."""

    def with_bias(self, kernels: list[Variable], *shape: int) -> list[Variable]:
        """`kernels`, and the bias of `shape` behind them where there is one."""
        bias = Variable("bias", shape, self.bias_initializer, self.bias_regularizer, self.bias_constraint)
        return [*kernels, bias] if self.use_bias else kernels


class Filtered(Windowed):
    """A convolution whose one kernel makes `filters` channels."""

    filters: PositiveInt
    """Number of output channels."""
    kernel_initializer: InitializerField = GlorotUniform()
    """Start of the kernel."""
    kernel_regularizer: RegularizerField = None
    """Penalty on the kernel, added to the loss."""
    kernel_constraint: ConstraintField = None
    """What the kernel is projected onto after each step."""

    def kernel_and_bias(self, shape: tuple[int, ...]) -> list[Variable]:
        """The weights, with a kernel of `shape`."""
        kernel = Variable("kernel", shape, self.kernel_initializer, self.kernel_regularizer, self.kernel_constraint)
        return self.with_bias([kernel], self.filters)


class BaseConv(Filtered):
    """A convolution over `rank` spatial axes."""

    positional = (
        "filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "groups", "activation",
        "use_bias", "kernel_initializer", "bias_initializer", "kernel_regularizer", "bias_regularizer",
        "activity_regularizer", "kernel_constraint", "bias_constraint",
    )  # fmt: skip

    groups: PositiveInt = 1
    """Number of groups the channels are split in, each convolved on its own."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        self.forbid_strided_dilation()
        if self.filters % self.groups:
            raise ValueError(f"groups={self.groups} must divide filters={self.filters}")
        return self

    def infer_shape(self, x: Shape) -> Shape:
        return activated_shape(self.activation, self.convolved_shape(x, self.filters))

    def intermediates(self, x: Shape, *_: Any, **__: Any) -> list[Shape]:
        return self.padded_input(x)

    def variables(self, x: Shape) -> list[Variable]:
        channels = self.channels(x)
        if channels % self.groups:
            raise ShapeError(f"groups={self.groups} must divide the input's {channels} channels")
        return self.kernel_and_bias((*self.kernel_size, channels // self.groups, self.filters))


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


class Conv3D(BaseConv):
    """Convolve over a volume: (batch, depth, height, width, channels) -> (batch, *new lengths, filters)."""

    rank = 3

    kernel_size: Triple
    """Depth, height and width of the window."""
    strides: Triple = (1, 1, 1)
    """Step of the window along depth, height and width."""
    padding: Padding = "valid"
    """`valid`: none; `same`: as much as keeps the size at stride 1, the odd voxel at the end."""
    dilation_rate: Triple = (1, 1, 1)
    """Distance between the window's elements."""


Convolution1D = Conv1D
Convolution2D = Conv2D
Convolution3D = Conv3D
