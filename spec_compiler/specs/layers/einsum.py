"""A dense projection whose axes an einsum equation names."""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import WithJsonSchema, model_validator

from spec_compiler.specs.activations import activated_shape
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.initializers.constant import Zeros
from spec_compiler.specs.initializers.fans import GlorotUniform
from spec_compiler.specs.shapes import Shape, ShapeError, UnknownDimensionError, merged, show
from spec_compiler.specs.types import (
    Activation,
    Before,
    ConstraintField,
    InitializerField,
    NoAdapter,
    NoAdapterScale,
    PositiveInt,
    RegularizerField,
)
from spec_compiler.specs.variable import Variable

_EQUATION = re.compile(r"(\.\.\.)?([a-zA-Z]+)(\.\.\.)?,([a-zA-Z]+)->(\.\.\.)?([a-zA-Z]+)(\.\.\.)?")

PartialShape = Annotated[
    tuple[PositiveInt | None, ...],
    Before(lambda v: (v,) if isinstance(v, int) else tuple(v) if isinstance(v, list) else v),
    WithJsonSchema({"type": ["integer", "array"], "items": {"type": ["integer", "null"], "minimum": 1}}),
]


@dataclass(frozen=True, slots=True)
class Equation:
    """The letters of an equation, and where its ellipsis stands: "" for none, `left` or `right`."""

    taken: str
    kernel: str
    given: str
    elided: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """The equation that `text` states; ValueError when it is none."""
        match = _EQUATION.fullmatch(text)
        form = "'ab,bc->ac', with '...' before or behind the letters of both input and output at most"
        if match is None:
            raise ValueError(f"equation '{text}' is not of the form {form}")
        left, taken, right, kernel, out_left, given, out_right = match.groups()
        if (left, right) != (out_left, out_right) or (left and right):
            raise ValueError(f"equation '{text}' is not of the form {form}")
        for letters in (taken, kernel, given):
            if len(set(letters)) < len(letters):
                raise ValueError(f"equation '{text}' names an axis twice in '{letters}'")
        for letter in kernel:
            if letter not in taken + given:
                raise ValueError(f"equation '{text}': the kernel's axis '{letter}' is not the input's or the output's")
        for letter in given:
            if letter not in taken + kernel:
                raise ValueError(f"equation '{text}': the output's axis '{letter}' is not the input's or the kernel's")
        if not left and taken[0] != given[0]:
            raise ValueError(f"equation '{text}': the first axis, the batch axis, must be the output's first, too")
        return cls(taken, kernel, given, "left" if left else "right" if right else "")


class EinsumDense(LayerSpec):
    """Compute `activation(einsum(equation, x, kernel) + bias)`: a projection of any axes onto any others."""

    positional = (
        "equation", "output_shape", "activation", "bias_axes", "kernel_initializer", "bias_initializer",
        "kernel_regularizer", "bias_regularizer", "kernel_constraint", "bias_constraint", "lora_rank", "lora_alpha",
        "gptq_unpacked_column_size", "quantization_config",
    )  # fmt: skip
    unstated = ("lora_rank", "lora_alpha", "gptq_unpacked_column_size")

    equation: str
    """Axes of input, kernel and output, a letter each: `abc,cd->abd`; `...` for axes that stay as they are."""
    output_shape: PartialShape
    """Lengths of the output's axes behind the batch axis and those of `...`; null as the input."""
    activation: Activation = "linear"
    """Applied to the output; null or `linear`: none."""
    bias_axes: str | None = None
    """The output's axes that the bias has; null: there is no bias."""
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
    lora_rank: NoAdapter = None
    """Keras's field for low-rank adapters; only null, or 0, can be built."""
    lora_alpha: NoAdapterScale = None
    """Keras's field for low-rank adapters, of which there are none: any number, and nothing comes of it."""
    gptq_unpacked_column_size: None = None
    """Keras's field for quantized layers; only null can be built."""
    quantization_config: None = None
    """Keras's field for quantized layers; only null can be built."""

    @model_validator(mode="after")
    def _axes(self) -> Self:
        letters = self.parsed
        unknown = [letter for letter in self.bias_axes or "" if letter not in letters.given]
        if unknown or self.bias_axes == "":
            raise ValueError(f"bias_axes '{self.bias_axes}' must be axes of the output, '{letters.given}'")
        return self

    @property
    def parsed(self) -> Equation:
        """The equation, taken apart."""
        return Equation.parse(self.equation)

    def _elided(self, x: Shape) -> int:
        """Number of axes that `...` stands for."""
        letters = self.parsed
        n = len(x) - len(letters.taken)
        if n < 0 or (n and not letters.elided):
            raise ShapeError(f"equation '{self.equation}' takes an input of {len(letters.taken)} axes, got {show(x)}")
        return n

    def _whole_output(self, x: Shape) -> Shape:
        """The output's shape before the activation."""
        n, letters = self._elided(x), self.parsed
        kept = x[1:n] if letters.elided == "left" else ()
        tail = x[len(x) - n :] if letters.elided == "right" else ()
        out = (x[0], *kept, *self.output_shape, *tail)
        if len(out) != len(letters.given) + n:
            stated = len(letters.given) - (0 if letters.elided == "left" and n else 1)
            raise ShapeError(
                f"equation '{self.equation}' takes an output_shape of {stated} axes, got {show(self.output_shape)}",
                help="the batch axis and the axes of '...' are no part of output_shape",
            )
        return out

    def _lengths(self, x: Shape) -> dict[str, int | None]:
        """Length of each letter's axis."""
        n, letters = self._elided(x), self.parsed
        start = n if letters.elided == "left" else 0
        found = dict(zip(letters.taken, x[start:], strict=False))
        for letter, length in zip(letters.given, self._whole_output(x)[start:], strict=False):
            try:
                found[letter] = merged(found.get(letter), length)
            except ShapeError as error:
                raise ShapeError(f"axis '{letter}' of equation '{self.equation}', input {show(x)}: {error}") from None
        return found

    def _known(self, letters: str, lengths: dict[str, int | None], x: Shape) -> tuple[int, ...]:
        found = []
        for letter in letters:
            length = lengths[letter]
            if length is None:
                raise UnknownDimensionError(
                    f"EinsumDense needs the length of axis '{letter}' of '{self.equation}', got {show(x)}"
                )
            found.append(length)
        return tuple(found)

    def infer_shape(self, x: Shape) -> Shape:
        self._lengths(x)
        return activated_shape(self.activation, self._whole_output(x))

    def kernel_shape(self, x: Shape) -> tuple[int, ...]:
        """Shape of the kernel."""
        return self._known(self.parsed.kernel, self._lengths(x), x)

    def bias_shape(self, x: Shape) -> tuple[int, ...] | None:
        """Shape of the bias, which broadcasts to the output: 1 along axes it does not have; None without one."""
        letters = self.parsed
        if self.bias_axes is None:
            return None
        lengths = self._lengths(x)
        last = letters.given[min(letters.given.find(letter) for letter in self.bias_axes) :]
        shape = tuple(self._known(letter, lengths, x)[0] if letter in self.bias_axes else 1 for letter in last)
        return (*shape, *[1] * self._elided(x)) if letters.elided == "right" else shape

    def variables(self, x: Shape) -> list[Variable]:
        kernel = (self._placed_initializer(), self.kernel_regularizer, self.kernel_constraint)
        found = [Variable("kernel", self.kernel_shape(x), *kernel)]
        bias = self.bias_shape(x)
        if bias is not None:
            found.append(Variable("bias", bias, self.bias_initializer, self.bias_regularizer, self.bias_constraint))
        return found

    def _placed_initializer(self) -> Any:
        """The kernel's initializer, told which of its axes are the output's, the fan out; the others are the fan in."""
        initializer, letters = self.kernel_initializer, self.parsed
        if not hasattr(initializer, "input_axes") or None not in (initializer.input_axes, initializer.output_axes):
            return initializer
        output = tuple(i for i, letter in enumerate(letters.kernel) if letter in letters.given)
        others = tuple(i for i in range(len(letters.kernel)) if i not in output)
        return initializer.model_copy(update={"input_axes": others, "output_axes": output})
