"""Recurrent layers whose matrix products are convolutions. Kernels are Keras's: (*kernel_size, channels, 4 * filters)."""

from typing import Any, ClassVar, Self

from pydantic import model_validator

from spec_compiler.specs.initializers.base import Initializer
from spec_compiler.specs.layers.conv import Window
from spec_compiler.specs.layers.recurrent import ForgetBias, RecurrentWeights, Sequence
from spec_compiler.specs.shapes import Shape, require_rank
from spec_compiler.specs.types import (
    Activation,
    Bool,
    Layout,
    Padding,
    Pair,
    PositiveInt,
    RegularizerField,
    Single,
    Triple,
)
from spec_compiler.specs.variable import Variable


class ConvLSTM(Sequence, RecurrentWeights, Window):
    """Long short-term memory whose states are images, Shi et al. 2015 (arXiv:1506.04214)."""

    gates: ClassVar[int] = 4
    has_parts = True
    positional = (
        "filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "activation",
        "recurrent_activation", "use_bias", "kernel_initializer", "recurrent_initializer", "bias_initializer",
        "unit_forget_bias", "kernel_regularizer", "recurrent_regularizer", "bias_regularizer", "activity_regularizer",
        "kernel_constraint", "recurrent_constraint", "bias_constraint", "dropout", "recurrent_dropout", "seed",
        "return_sequences", "return_state", "go_backwards", "stateful",
    )  # fmt: skip

    filters: PositiveInt
    """Number of channels of the output and of each state."""
    recurrent_activation: Activation = "sigmoid"
    """Applied to the gates."""
    unit_forget_bias: Bool = True
    """Whether the forget gate's bias starts at one, Jozefowicz et al. 2015."""
    activity_regularizer: RegularizerField = None
    """Penalty on the output, added to the loss, divided by the batch size."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        self.forbid_strided_dilation()
        return self

    def starting_bias(self) -> Initializer:
        start = super().starting_bias()
        return ForgetBias(units=self.filters, initializer=start) if self.unit_forget_bias else start

    def layout(self, rank: int) -> Layout:
        # The channels stand behind two axes that are none of theirs, which no layout of the others has.
        return "keras"

    def of_step(self, sequences: Shape) -> Shape:
        """Shape of one step's input."""
        require_rank(sequences, self.rank + 3, type(self).__name__)
        return (sequences[0], *sequences[2:])

    def step_shape(self, sequences: Shape) -> Shape:
        return self.convolved_shape(self.of_step(sequences), self.filters)

    def kept_shapes(self, sequences: Shape) -> list[Shape]:
        return [self.step_shape(sequences)] * 2

    def intermediates(self, sequences: Shape, *_: Any, **__: Any) -> list[Shape]:
        """The input with its padding, and its part of every step's gates."""
        step = self.of_step(sequences)
        found = [*self.padded_input(step), self.convolved_shape(step, self.gates * self.filters)]
        return [(shape[0], sequences[1], *shape[1:]) for shape in found]

    def variables(self, sequences: Shape, *_: object, **__: object) -> list[Variable]:
        channels = self.channels(self.of_step(sequences))
        width = self.gates * self.filters
        return self.weights_of(*self.kernel_size, channels, width, units=self.filters, bias_shape=(width,))


class ConvLSTM1D(ConvLSTM):
    """Convolutional LSTM over rows: (batch, steps, length, channels) -> (batch, new length, filters)."""

    rank = 1

    kernel_size: Single
    """Length of the window."""
    strides: Single = (1,)
    """Step of the window."""
    padding: Padding = "valid"
    """Of the input: `valid`: none; `same`: as much as keeps the length at stride 1. The states' is always `same`."""
    dilation_rate: Single = (1,)
    """Distance between the elements of the input's window."""


class ConvLSTM2D(ConvLSTM):
    """Convolutional LSTM over images: (batch, steps, height, width, channels) -> (batch, height, width, filters)."""

    rank = 2

    kernel_size: Pair
    """Height and width of the window."""
    strides: Pair = (1, 1)
    """Step of the window along height and width."""
    padding: Padding = "valid"
    """Of the input: `valid`: none; `same`: as much as keeps the size at stride 1. The states' is always `same`."""
    dilation_rate: Pair = (1, 1)
    """Distance between the elements of the input's window."""


class ConvLSTM3D(ConvLSTM):
    """Convolutional LSTM over volumes: (batch, steps, *lengths, channels) -> (batch, *new lengths, filters)."""

    rank = 3

    kernel_size: Triple
    """Depth, height and width of the window."""
    strides: Triple = (1, 1, 1)
    """Step of the window along depth, height and width."""
    padding: Padding = "valid"
    """Of the input: `valid`: none; `same`: as much as keeps the size at stride 1. The states' is always `same`."""
    dilation_rate: Triple = (1, 1, 1)
    """Distance between the elements of the input's window."""
