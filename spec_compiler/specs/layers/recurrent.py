"""Recurrent layers: (batch, steps, features) in; the last step's output, or every step's, out.

A cell computes one step; `LSTM` is `LSTMCell` run over the steps of a sequence, `RNN` runs whichever cells it is given.
"""

from collections.abc import Sequence as SequenceOf
from typing import Any, ClassVar, Literal

from pydantic import field_validator

from spec_compiler.specs.base import LayerSpec, MaskRule
from spec_compiler.specs.initializers.base import Initializer
from spec_compiler.specs.initializers.constant import Zeros
from spec_compiler.specs.initializers.fans import GlorotUniform
from spec_compiler.specs.initializers.matrices import Orthogonal
from spec_compiler.specs.shapes import Shape, ShapeError, Shapes, UnknownDimensionError, require_dim, require_rank, show
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
from spec_compiler.specs.variable import Variable


class Units(LayerSpec):
    """A layer of so many units."""

    units: PositiveInt
    """Length of the output and of each state."""


class RecurrentWeights(LayerSpec):
    """What recurrent layers share, dense and convolutional ones: two kernels, a bias, dropouts."""

    gates: ClassVar[int]
    """Number of blocks that the last axis of each kernel is made of."""

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

    @field_validator("activation", "recurrent_activation", check_fields=False)
    @classmethod
    def _as_long(cls, activation: Any) -> Any:
        if activation == "glu":
            raise ValueError("glu halves its input, so it cannot make a state of the length that went in")
        axes = getattr(activation, "axes", (-1,))
        if axes is None or len(axes) != 1:
            raise ValueError("a softmax inside a recurrent layer runs along one axis")
        return activation

    def weights_of(self, *kernel_shape: int, units: int, bias_shape: tuple[int, ...]) -> list[Variable]:
        """The two kernels, the recurrent one of `units` in the place of the features, and the bias if there is one."""
        *window, _, width = kernel_shape
        recurrent = (self.recurrent_initializer, self.recurrent_regularizer, self.recurrent_constraint)
        found = [
            Variable("kernel", kernel_shape, self.kernel_initializer, self.kernel_regularizer, self.kernel_constraint),
            Variable("recurrent_kernel", (*window, units, width), *recurrent),
        ]
        if self.use_bias:
            bias = (self.starting_bias(), self.bias_regularizer, self.bias_constraint)
            found.append(Variable("bias", bias_shape, *bias))
        return found

    def starting_bias(self) -> Initializer:
        """What the bias starts from."""
        return self.bias_initializer or GlorotUniform()


class BaseCell(RecurrentWeights, Units):
    """One step of a recurrent layer: `gates` blocks of columns in each kernel, `states` tensors carried on."""

    states: ClassVar[int] = 1

    def infer_shape(self, x: Shape, states: Any) -> Shapes:
        require_rank(x, 2, type(self).__name__)
        check_states(flat_shapes(states), self.state_shapes(x[0]), type(self).__name__)
        return [(x[0], self.units), *self.state_shapes(x[0])]

    def state_shapes(self, batch: int | None) -> list[Shape]:
        """Shapes of the states, in Keras's order."""
        return [(batch, self.units)] * self.states

    def variables(self, x: Shape, *_: Any, **__: Any) -> list[Variable]:
        n = require_dim(x, -1, type(self).__name__)
        return self.weights_of(n, self.gates * self.units, units=self.units, bias_shape=self.bias_shape)

    @property
    def bias_shape(self) -> tuple[int, ...]:
        """Shape of the bias in Keras."""
        return (self.gates * self.units,)


class SimpleRNNCell(BaseCell):
    """One step of the plain recurrent layer: `activation(x @ kernel + h @ recurrent_kernel + bias)`."""

    gates = 1


class ForgetBias(Initializer):
    """An LSTM's bias: ones in the forget gate's block, `initializer` in the other three."""

    units: PositiveInt
    """Length of one gate's block."""
    initializer: InitializerField = Zeros()
    """Start of the other gates' biases."""

    def check_shape(self, shape: tuple[int, ...]) -> None:
        self.initializer.check_shape(shape)


class LSTMCell(BaseCell):
    """One step of long short-term memory, Hochreiter & Schmidhuber 1997: gates input, forget, cell, output."""

    gates = 4
    states = 2

    recurrent_activation: Activation = "sigmoid"
    """Applied to the gates."""
    unit_forget_bias: Bool = True
    """Whether the forget gate's bias starts at one, Jozefowicz et al. 2015."""

    positional: ClassVar[tuple[str, ...]] = (
        "units", "activation", "recurrent_activation", "use_bias", "kernel_initializer", "recurrent_initializer",
        "bias_initializer", "unit_forget_bias", "kernel_regularizer", "recurrent_regularizer", "bias_regularizer",
        "kernel_constraint", "recurrent_constraint", "bias_constraint", "dropout", "recurrent_dropout", "seed",
    )  # fmt: skip

    def starting_bias(self) -> Initializer:
        start = super().starting_bias()
        return ForgetBias(units=self.units, initializer=start) if self.unit_forget_bias else start


class GRUCell(BaseCell):
    """One step of the gated recurrent unit, Cho et al. 2014 (arXiv:1406.1078): gates update, reset, new."""

    gates = 3

    recurrent_activation: Activation = "sigmoid"
    """Applied to the gates."""
    reset_after: Bool = True
    """Whether the reset gate is applied after the matrix product, which then has a bias of its own."""

    positional: ClassVar[tuple[str, ...]] = (
        "units", "activation", "recurrent_activation", "use_bias", "kernel_initializer", "recurrent_initializer",
        "bias_initializer", "kernel_regularizer", "recurrent_regularizer", "bias_regularizer", "kernel_constraint",
        "recurrent_constraint", "bias_constraint", "dropout", "recurrent_dropout", "reset_after", "seed",
    )  # fmt: skip

    @property
    def bias_shape(self) -> tuple[int, ...]:
        return (2, 3 * self.units) if self.reset_after else (3 * self.units,)


class Sequence(LayerSpec):
    """Cells run over the steps of a sequence."""

    supports_masking: ClassVar[bool] = True

    return_sequences: Bool = False
    """Whether every step's output is returned, not the last one's alone."""
    return_state: Bool = False
    """Whether the final states are returned beside the output."""
    go_backwards: Bool = False
    """Whether the steps are taken from the last to the first; the output then starts with the last."""
    stateful: Bool = False
    """Whether a batch starts from the states the batch before it ended with."""
    unroll: Bool = False
    """Whether older Keras writes the loop out; changes nothing here."""
    zero_output_for_mask: Bool = False
    """Whether a masked step's output is zero, not the output before it."""

    def infer_shape(self, sequences: Shape, initial_state: Any = None, *states: Shape) -> Shapes:
        name, out = type(self).__name__, self.step_shape(sequences)
        if self.stateful and self.batch_of(sequences) is None:
            help = "state the batch size in the input's shape: batch_shape instead of shape"
            raise UnknownDimensionError(
                f"a stateful {name} needs to know the batch size, unknown in {show(sequences)}", help
            )
        kept = self.kept_shapes(sequences)
        if initial_state is not None:
            check_states([*flat_shapes(initial_state), *states], kept, name)
        outputs = (*sequences[:2], *out[1:]) if self.return_sequences else out
        return [outputs, *kept] if self.return_state else outputs

    def reset_states(self) -> None:
        """Start the next batch from states of zeros, where the layer is stateful."""
        self._reset_states()

    def reset_state(self) -> None:
        """The same, by Keras's other name."""
        self._reset_states()

    def batch_of(self, sequences: Shape) -> int | None:
        """Number of sequences."""
        return sequences[0]

    def step_shape(self, sequences: Shape) -> Shape:
        """Shape of one step's output, batch first."""
        raise NotImplementedError

    def kept_shapes(self, sequences: Shape) -> list[Shape]:
        """Shapes of the states, cell by cell."""
        raise NotImplementedError

    def mask_axes(self, x: Shape, index: int, rank: int) -> Shape | None:
        return x[:2] if index == 0 else None

    def output_mask(self, masked: tuple[bool, ...]) -> MaskRule:
        return "first" if self.return_sequences and masked[:1] == (True,) else "none"


class VectorSequence(Sequence):
    """Cells run over the steps of a sequence of vectors."""

    time_major: Bool = False
    """Whether steps come before the batch, (steps, batch, features), in the output too: an argument of Keras 2 alone."""

    unstated: ClassVar[tuple[str, ...]] = ("time_major",)

    @property
    def cells(self) -> list[BaseCell]:
        """The cells, each run on the outputs of the one before."""
        raise NotImplementedError

    def intermediates(self, sequences: Shape, *_: Any, **__: Any) -> list[Shape]:
        """The gates of every step."""
        return [(*sequences[:2], cell.gates * cell.units) for cell in self.cells]

    def batch_of(self, sequences: Shape) -> int | None:
        return sequences[1 if self.time_major else 0]

    def step_shape(self, sequences: Shape) -> Shape:
        require_rank(sequences, 3, type(self).__name__)
        return (self.batch_of(sequences), self.cells[-1].units)

    def kept_shapes(self, sequences: Shape) -> list[Shape]:
        return [shape for cell in self.cells for shape in cell.state_shapes(self.batch_of(sequences))]


_LAST_ARGUMENTS = ("return_sequences", "return_state", "go_backwards", "stateful", "unroll")


def _positional(cell: tuple[str, ...], *more: str) -> tuple[str, ...]:
    """A layer's arguments by position: its cell's, the activity regularizer among the penalties, the sequence's."""
    place = cell.index("bias_regularizer") + 1
    return (*cell[:place], "activity_regularizer", *cell[place:], *_LAST_ARGUMENTS, *more)


class LSTM(VectorSequence, LSTMCell):
    """Long short-term memory, Hochreiter & Schmidhuber 1997, gates in the order input, forget, cell, output."""

    activity_regularizer: RegularizerField = None
    """Penalty on the output, added to the loss, divided by the batch size."""
    use_cudnn: Bool | Literal["auto"] = "auto"
    """Which kernel Keras is to use; changes nothing here."""

    unstated = ("use_cudnn", "time_major")
    positional = _positional(LSTMCell.positional, "use_cudnn")

    @property
    def cells(self) -> list[BaseCell]:
        return [self]


class GRU(VectorSequence, GRUCell):
    """Gated recurrent unit, Cho et al. 2014 (arXiv:1406.1078), gates in the order update, reset, new."""

    activity_regularizer: RegularizerField = None
    """Penalty on the output, added to the loss, divided by the batch size."""
    use_cudnn: Bool | Literal["auto"] = "auto"
    """Which kernel Keras is to use; changes nothing here."""

    unstated = ("use_cudnn", "time_major")
    positional = _positional(tuple(n for n in GRUCell.positional if n != "reset_after"), "reset_after", "use_cudnn")

    @property
    def cells(self) -> list[BaseCell]:
        return [self]


class SimpleRNN(VectorSequence, SimpleRNNCell):
    """The plain recurrent layer: `h = activation(x @ kernel + h @ recurrent_kernel + bias)` at each step."""

    activity_regularizer: RegularizerField = None
    """Penalty on the output, added to the loss, divided by the batch size. (Keras 3.15 takes it and forgets it.)"""

    unstated = ("seed", "time_major")
    positional = _positional(
        (
            "units", "activation", "use_bias", "kernel_initializer", "recurrent_initializer", "bias_initializer",
            "kernel_regularizer", "recurrent_regularizer", "bias_regularizer", "kernel_constraint",
            "recurrent_constraint", "bias_constraint", "dropout", "recurrent_dropout",
        ),
        "seed",
    )  # fmt: skip

    @property
    def cells(self) -> list[BaseCell]:
        return [self]


def flat_shapes(states: Any) -> list[Shape]:
    """The shapes in `states`: one shape, or lists of them as cells nest them."""
    if not isinstance(states, (list, tuple)):
        raise ShapeError(f"a state is a tensor, got {states!r:.60}")
    if any(isinstance(item, (list, tuple)) for item in states):
        return [shape for item in states for shape in flat_shapes(item)]
    return [tuple(states)]


def check_states(given: SequenceOf[Shape], kept: SequenceOf[Shape], layer: str) -> None:
    """Raise ShapeError unless states of the shapes `given` can stand where the layer keeps states of shapes `kept`."""
    if len(given) != len(kept):
        raise ShapeError(f"{layer} has {len(kept)} states, is called with {len(given)}")
    for shape, own in zip(given, kept, strict=True):
        fits = len(shape) == len(own) and all(a is None or b is None or a == b for a, b in zip(shape, own, strict=True))
        if not fits:
            raise ShapeError(f"a state of {layer} has shape {show(own)}, is called with one of {show(shape)}")
