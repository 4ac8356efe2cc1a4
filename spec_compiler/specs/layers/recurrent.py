"""Recurrent layers: (batch, steps, features) in; the last step's output, or every step's, out."""

from __future__ import annotations

from typing import Any, ClassVar

from spec_compiler.specs.base import LayerSpec, MaskRule, Variable
from spec_compiler.specs.initializers import GlorotUniform, Initializer, Orthogonal, Zeros
from spec_compiler.specs.shapes import Shape, Shapes, require_dim, require_rank
from spec_compiler.specs.types import (
    Activation,
    Bool,
    ConstraintField,
    InitializerField,
    PositiveInt,
    Rate,
    RegularizerField,
    Seed,
)


class BaseRNN(LayerSpec):
    """A recurrent layer of `gates` gates over a hidden state of `units`."""

    gates: ClassVar[int] = 1
    states: ClassVar[int] = 1
    supports_masking: ClassVar[bool] = True

    units: PositiveInt
    """Length of the hidden state."""
    activation: Activation = "tanh"
    """Applied to the new state."""
    use_bias: Bool = True
    """Whether a bias is added."""
    kernel_initializer: InitializerField = GlorotUniform()
    """Start of the input kernel, (features, gates * units)."""
    recurrent_initializer: InitializerField = Orthogonal()
    """Start of the recurrent kernel, (units, gates * units)."""
    bias_initializer: InitializerField = Zeros()
    """Start of the bias."""
    kernel_regularizer: RegularizerField = None
    """Penalty on the input kernel, added to the loss."""
    recurrent_regularizer: RegularizerField = None
    """Penalty on the recurrent kernel, added to the loss."""
    bias_regularizer: RegularizerField = None
    """Penalty on the bias, added to the loss."""
    activity_regularizer: RegularizerField = None
    """Penalty on the output, added to the loss, divided by the batch size."""
    kernel_constraint: ConstraintField = None
    """What the input kernel is projected onto after each step."""
    recurrent_constraint: ConstraintField = None
    """What the recurrent kernel is projected onto after each step."""
    bias_constraint: ConstraintField = None
    """What the bias is projected onto after each step."""
    dropout: Rate = 0.0
    """Fraction of the input's features dropped in training, the same at every step."""
    recurrent_dropout: Rate = 0.0
    """Fraction of the hidden state dropped in training, the same at every step."""
    seed: Seed = None
    """Seed of the dropouts."""
    return_sequences: Bool = False
    """Whether every step's output is returned, not the last one's alone."""
    return_state: Bool = False
    """Whether the final states are returned beside the output."""
    go_backwards: Bool = False
    """Whether the steps are taken from the last to the first; the output then starts with the last."""
    stateful: Bool = False
    """Whether a batch starts from the states the batch before it ended with."""
    unroll: Bool = False
    """A hint to Keras's older backends; changes nothing here."""
    zero_output_for_mask: Bool = False
    """Whether a masked step's output is zero, not the output before it."""

    def infer_shape(self, x: Shape, initial_state: Any = None, **kwargs: Any) -> Shapes:
        require_rank(x, 3, type(self).__name__)
        out = (x[0], x[1], self.units) if self.return_sequences else (x[0], self.units)
        return [out, *[(x[0], self.units)] * self.states] if self.return_state else out

    def variables(self, x: Shape, *_: Shape) -> list[Variable]:
        n, width = require_dim(x, -1, type(self).__name__), self.gates * self.units
        recurrent = (self.recurrent_initializer, self.recurrent_regularizer, self.recurrent_constraint)
        found = [
            Variable("kernel", (n, width), self.kernel_initializer, self.kernel_regularizer, self.kernel_constraint),
            Variable("recurrent_kernel", (self.units, width), *recurrent),
        ]
        if self.use_bias:
            bias = (self.bias_initializer, self.bias_regularizer, self.bias_constraint)
            found.append(Variable("bias", self.bias_shape, *bias))
        return found

    @property
    def bias_shape(self) -> tuple[int, ...]:
        """Shape of the bias in Keras."""
        return (self.gates * self.units,)

    def output_mask(self, masked: tuple[bool, ...]) -> MaskRule:
        return "first" if self.return_sequences and masked[:1] == (True,) else "none"


class ForgetBias(Initializer):
    """An LSTM's bias: ones in the forget gate's block, `initializer` in the other three."""

    units: PositiveInt
    """Length of one gate's block."""
    initializer: InitializerField = Zeros()
    """Start of the other gates' biases."""


class LSTM(BaseRNN):
    """Long short-term memory, Hochreiter & Schmidhuber 1997, gates in the order input, forget, cell, output."""

    gates = 4
    states = 2

    positional = ("units", "activation", "recurrent_activation", "use_bias")

    recurrent_activation: Activation = "sigmoid"
    """Applied to the gates."""
    unit_forget_bias: Bool = True
    """Whether the forget gate's bias starts at one, Jozefowicz et al. 2015."""

    def variables(self, x: Shape, *_: Shape) -> list[Variable]:
        found = super().variables(x)
        if self.use_bias and self.unit_forget_bias:
            bias = found[-1]
            forget = ForgetBias(units=self.units, initializer=bias.initializer)
            found[-1] = Variable("bias", bias.shape, forget, bias.regularizer, bias.constraint)
        return found
