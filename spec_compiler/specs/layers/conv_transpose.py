"""Transposed convolutions: what a convolution does to a gradient. Kernels are (*kernel_size, filters, channels in)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, Self

from pydantic import model_validator

from spec_compiler.specs.activations import activated_shape
from spec_compiler.specs.layers.conv import Filtered
from spec_compiler.specs.shapes import NothingLeftError, Shape
from spec_compiler.specs.types import Padding, Pair, PairFromZero, Single, SingleFromZero, Triple, TripleFromZero
from spec_compiler.specs.variable import Variable


class Window(NamedTuple):
    """The window along one axis."""

    size: int
    """The elements it spans, those that dilation leaves out included."""
    stride: int
    output_padding: int | None


class BaseConvTranspose(Filtered):
    """A transposed convolution over `rank` spatial axes, Zeiler et al. 2010."""

    positional = (
        "filters", "kernel_size", "strides", "padding", "output_padding", "data_format", "dilation_rate", "activation",
        "use_bias", "kernel_initializer", "bias_initializer", "kernel_regularizer", "bias_regularizer",
        "activity_regularizer", "kernel_constraint", "bias_constraint",
    )  # fmt: skip

    if TYPE_CHECKING:
        output_padding: tuple[int, ...] | None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        self.forbid_strided_dilation()
        for window in self.windows():
            if window.output_padding is not None and window.output_padding >= window.stride:
                raise ValueError(f"output_padding={self.output_padding} must be less than strides={self.strides}")
        return self

    def windows(self) -> Iterator[Window]:
        """The window along each axis."""
        extra = self.output_padding or (None,) * self.rank
        for k, s, d, o in zip(self.kernel_size, self.strides, self.dilation_rate, extra, strict=True):
            yield Window(d * (k - 1) + 1, s, o)

    def infer_shape(self, x: Shape) -> Shape:
        dims = tuple(self._length(n, w) for n, w in zip(self.spatial_dims(x), self.windows(), strict=True))
        return activated_shape(self.activation, self.with_dims(x, dims, self.filters))

    def _length(self, n: int | None, window: Window) -> int | None:
        if n is None:
            return None
        size, stride, extra = window
        if self.padding == "valid":
            return (n - 1) * stride + (max(size, stride) if extra is None else size + extra)
        length = n * stride if extra is None else (n - 1) * stride + size % 2 + extra
        if not length:
            raise NothingLeftError(
                f"nothing is left of an axis of length {n} under padding 'same' and output_padding {extra}",
                help="use a larger output_padding, or leave it out",
            )
        return length

    def crops(self) -> list[tuple[int, int]]:
        """What is cut off the whole output, `(n - 1) * stride + size` long, before and behind; added, where below 0."""
        return [self._crop(window) for window in self.windows()]

    def _crop(self, window: Window) -> tuple[int, int]:
        size, stride, extra = window
        if self.padding == "valid":
            return 0, -(max(stride - size, 0) if extra is None else extra)
        total = size - stride if extra is None else size - size % 2 - extra
        before = max(total // 2, 0)
        return before, total - before

    def variables(self, x: Shape) -> list[Variable]:
        channels = self.channels(x)
        return self.kernel_and_bias((*self.kernel_size, self.filters, channels))


class Conv1DTranspose(BaseConvTranspose):
    """Spread each step over a window of the output: (batch, steps, channels) -> (batch, longer, filters)."""

    rank = 1

    kernel_size: Single
    """Length of the window."""
    strides: Single = (1,)
    """Distance of the windows in the output."""
    padding: Padding = "valid"
    """`valid`: the whole output; `same`: cut to the input's length times the stride."""
    output_padding: SingleFromZero | None = None
    """Steps added at the output's end, less than the stride; null: as many as make it what `padding` says."""
    dilation_rate: Single = (1,)
    """Distance between the window's elements."""


class Conv2DTranspose(BaseConvTranspose):
    """Spread each pixel over a window of the output: (batch, height, width, channels) -> (batch, *larger, filters)."""

    rank = 2

    kernel_size: Pair
    """Height and width of the window."""
    strides: Pair = (1, 1)
    """Distance of the windows in the output, along height and width."""
    padding: Padding = "valid"
    """`valid`: the whole output; `same`: cut to the input's size times the stride."""
    output_padding: PairFromZero | None = None
    """Pixels added at the output's end, less than the stride; null: as many as make it what `padding` says."""
    dilation_rate: Pair = (1, 1)
    """Distance between the window's elements."""


class Conv3DTranspose(BaseConvTranspose):
    """Spread each voxel over a window of the output: (batch, *lengths, channels) -> (batch, *larger, filters)."""

    rank = 3

    positional = (
        "filters", "kernel_size", "strides", "padding", "data_format", "output_padding",
        *BaseConvTranspose.positional[6:],
    )  # fmt: skip

    kernel_size: Triple
    """Depth, height and width of the window."""
    strides: Triple = (1, 1, 1)
    """Distance of the windows in the output, along depth, height and width."""
    padding: Padding = "valid"
    """`valid`: the whole output; `same`: cut to the input's size times the stride."""
    output_padding: TripleFromZero | None = None
    """Voxels added at the output's end, less than the stride; null: as many as make it what `padding` says."""
    dilation_rate: Triple = (1, 1, 1)
    """Distance between the window's elements."""


Convolution1DTranspose = Conv1DTranspose
Convolution2DTranspose = Conv2DTranspose
Convolution3DTranspose = Conv3DTranspose
