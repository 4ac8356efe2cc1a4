"""Activations that are layers: elementwise functions with arguments, or weights, of their own."""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

from spec_compiler.specs.activations import activated_shape
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.initializers.constant import Zeros
from spec_compiler.specs.shapes import Shape, ShapeError, merged, normalize_axis, require_dim, show
from spec_compiler.specs.types import (
    Activation as ActivationField,
)
from spec_compiler.specs.types import (
    AxisOrAxes,
    Before,
    ConstraintField,
    Float,
    InitializerField,
    Int,
    Layout,
    NonNegativeFloat,
    RegularizerField,
)
from spec_compiler.specs.variable import Variable


def as_list(value: Any) -> Any:
    """One axis as a list of it."""
    return [value] if isinstance(value, int) and not isinstance(value, bool) else value


def shared_shape(x: Shape, shared_axes: Sequence[int] | None, layer: str) -> tuple[int, ...]:
    """Shape of weights an element of `x` has, without the batch axis, 1 along the axes that share theirs."""
    shared, rank = set(), len(x) - 1
    for axis in shared_axes or ():
        if not -rank <= axis - 1 < rank:
            raise ShapeError(f"{layer} shares axis {axis}, but behind the batch axis {show(x)} has axes 1 to {rank}")
        # Keras takes place `axis - 1` of the axes behind the batch axis, so axis 0 is the last one.
        shared.add((axis - 1) % rank)
    return tuple(1 if i in shared else require_dim(x, i + 1, layer) for i in range(rank))


class ActivationLayer(LayerSpec):
    """An activation; without weights, it may also stand as the `activation` of another layer."""

    is_activation: ClassVar[bool] = True
    supports_masking: ClassVar[bool] = True

    def infer_shape(self, x: Shape) -> Shape:
        return x

    def layout(self, rank: int) -> Layout:
        return "any"


class LearnedActivation(ActivationLayer):
    """An activation with weights for each element, those along the axes `shared_axes` in common."""

    is_activation: ClassVar[bool] = False

    def layout(self, rank: int) -> Layout:
        shared = {(axis - 1) % (rank - 1) for axis in self.shared_axes or ()} if rank > 1 else set()  # type: ignore[attr-defined]
        # Weights of places too are fast beside what has their order in memory, as images have in Keras's order.
        return "any" if rank < 4 or shared >= set(range(rank - 2)) else "keras"


class Activation(ActivationLayer):
    """Apply an activation function."""

    needs_floats: ClassVar[bool] = True

    activation: ActivationField
    """The function."""
    activity_regularizer: RegularizerField = None
    """Penalty on the output, added to the loss, divided by the batch size."""

    unstated = ("activity_regularizer",)

    def infer_shape(self, x: Shape) -> Shape:
        return activated_shape(self.activation, x)


class ReLU(ActivationLayer):
    """`x` above `threshold`, up to `max_value`; `negative_slope * (x - threshold)` below."""

    max_value: NonNegativeFloat | None = None
    """Largest value; null: none."""
    negative_slope: NonNegativeFloat = 0.0
    """Slope below the threshold."""
    threshold: NonNegativeFloat = 0.0
    """Where the output starts to be the input."""


class LeakyReLU(ActivationLayer):
    """`x` above 0, `negative_slope * x` below."""

    needs_floats: ClassVar[bool] = True

    negative_slope: NonNegativeFloat = 0.3
    """Slope below 0."""


class ELU(ActivationLayer):
    """`x` above 0, `alpha * (exp(x) - 1)` below (Clevert et al. 2016, arXiv:1511.07289)."""

    needs_floats: ClassVar[bool] = True

    alpha: Float = 1.0
    """What the output tends to, negated, for small inputs."""


class Softmax(ActivationLayer):
    """`exp(x) / sum(exp(x))` along an axis, or over several; masked elements count nothing and come out as 0."""

    needs_floats: ClassVar[bool] = True

    axis: AxisOrAxes | None = -1
    """The axis, or several, along which the outputs sum to 1; null: all of them, the batch's too."""

    @property
    def axes(self) -> tuple[int, ...] | None:
        """The axes as a tuple; None: all."""
        return self.axis if self.axis is None or isinstance(self.axis, tuple) else (self.axis,)

    def infer_shape(self, x: Shape, *, mask: Shape | None = None) -> Shape:
        axes = [normalize_axis(axis, len(x), "Softmax") for axis in self.axes or ()]
        if len(set(axes)) < len(axes):
            raise ShapeError(f"Softmax names an axis twice: {list(self.axes or ())}")
        if mask is None:
            return x
        try:
            for m, n in zip(mask, x, strict=True):
                merged(None if m == 1 else m, n)
        except ValueError:
            raise ShapeError(
                f"Softmax's mask of shape {show(mask)} does not fit its input {show(x)}",
                help="the mask has as many axes as the input, each of the input's length or 1",
            ) from None
        return x

    def mask_axes(self, x: Shape, index: int, rank: int) -> Shape | None:
        return x[:-1]


class PReLU(LearnedActivation):
    """`x` above 0, `alpha * x` below, with learned `alpha` (He et al. 2015, arXiv:1502.01852)."""

    alpha_initializer: InitializerField = Zeros()
    """Start of the slopes."""
    alpha_regularizer: RegularizerField = None
    """Penalty on the slopes, added to the loss."""
    alpha_constraint: ConstraintField = None
    """What the slopes are projected onto after each step."""
    shared_axes: Annotated[list[Int] | None, Before(as_list)] = None
    """Axes along which one slope serves, counted from 1, behind the batch axis; null: a slope for each element."""

    def variables(self, x: Shape) -> list[Variable]:
        alpha = (self.alpha_initializer, self.alpha_regularizer, self.alpha_constraint)
        return [Variable("alpha", shared_shape(x, self.shared_axes, "PReLU"), *alpha)]
