"""Layers that bring values to mean 0 and variance 1: here over the batch."""

from typing import ClassVar, Self

from pydantic import model_validator

from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.initializers.constant import Ones, Zeros
from spec_compiler.specs.shapes import Shape, ShapeError, normalize_axis, require_dim, require_min_rank
from spec_compiler.specs.types import (
    AxisOrAxes,
    Bool,
    ConstraintField,
    Float,
    InitializerField,
    Layout,
    NonNegativeFloat,
    Rate,
    RegularizerField,
)
from spec_compiler.specs.variable import Variable


def sorted_axes(axis: int | tuple[int, ...], x: Shape, layer: str) -> tuple[int, ...]:
    """The axes counted from the front, in the order in which Keras lays out the weights along them."""
    axes = axis if isinstance(axis, tuple) else (axis,)
    # Keras sorts the axes as they are stated, so negative ones come first.
    places = tuple(normalize_axis(a, len(x), layer) for a in sorted(axes))
    if len(set(places)) < len(places):
        raise ShapeError(f"{layer} names an axis twice: {list(axes)}")
    if 0 in places:
        raise ShapeError(f"{layer} cannot run over axis 0, the batch axis")
    return places


class Affine(LayerSpec):
    """A normalization followed by learned `gamma * x + beta`."""

    needs_floats: ClassVar[bool] = True

    epsilon: NonNegativeFloat = 0.001
    """Added to the variance before its root is taken."""
    center: Bool = True
    """Whether `beta` is learned and added."""
    scale: Bool = True
    """Whether `gamma` is learned and multiplied with."""
    beta_initializer: InitializerField = Zeros()
    """Start of `beta`."""
    gamma_initializer: InitializerField = Ones()
    """Start of `gamma`."""
    beta_regularizer: RegularizerField = None
    """Penalty on `beta`, added to the loss."""
    gamma_regularizer: RegularizerField = None
    """Penalty on `gamma`, added to the loss."""
    beta_constraint: ConstraintField = None
    """What `beta` is projected onto after each step."""
    gamma_constraint: ConstraintField = None
    """What `gamma` is projected onto after each step."""

    supports_masking: ClassVar[bool] = True

    def affine(self, shape: tuple[int, ...]) -> list[Variable]:
        """`gamma` and `beta` of this shape, those of the two there are."""
        gamma = Variable("gamma", shape, self.gamma_initializer, self.gamma_regularizer, self.gamma_constraint)
        beta = Variable("beta", shape, self.beta_initializer, self.beta_regularizer, self.beta_constraint)
        return [gamma] * self.scale + [beta] * self.center


class BatchNormalization(Affine):
    """Normalize each channel over the batch, or by moving averages (Ioffe & Szegedy 2015, arXiv:1502.03167)."""

    positional = (
        "axis", "momentum", "epsilon", "center", "scale", "beta_initializer", "gamma_initializer",
        "moving_mean_initializer", "moving_variance_initializer", "beta_regularizer", "gamma_regularizer",
        "beta_constraint", "gamma_constraint", "renorm", "renorm_clipping", "renorm_momentum", "synchronized",
    )  # fmt: skip

    axis: AxisOrAxes = -1
    """The channels' axis; each channel has its own mean and variance. A list, as Keras 2 had it: several such axes."""
    momentum: Rate = 0.99
    """What the moving averages keep of themselves at each step."""
    moving_mean_initializer: InitializerField = Zeros()
    """Start of the moving mean."""
    moving_variance_initializer: InitializerField = Ones()
    """Start of the moving variance."""
    renorm: Bool = False
    """Batch renormalization; only false can be built."""
    renorm_clipping: dict[str, Float] | None = None
    """Argument of batch renormalization."""
    renorm_momentum: Float = 0.99
    """Argument of batch renormalization."""
    synchronized: Bool = False
    """Whether devices share their statistics; on one device it changes nothing."""

    @model_validator(mode="after")
    def _buildable(self) -> Self:
        if self.renorm:
            raise ValueError("renorm: batch renormalization cannot be built; only false can")
        return self

    def axes(self, x: Shape) -> tuple[int, ...]:
        """The axes of the channels, counted from the front and in order."""
        return tuple(sorted(sorted_axes(self.axis, x, "BatchNormalization")))

    @property
    def steps_apart(self) -> bool:
        # Several axes are Keras 2's.
        several = isinstance(self.axis, tuple) and len(self.axis) > 1
        return not several and not self.keras2_masks

    def infer_shape(self, x: Shape) -> Shape:
        require_min_rank(x, 2, "BatchNormalization")
        self.axes(x)
        return x

    def variables(self, x: Shape) -> list[Variable]:
        axes = self.axes(x)
        dims = {axis: require_dim(x, axis, "BatchNormalization") for axis in axes}
        # Over several axes, Keras 2's weights have every axis of the input, of length 1 where it is none of them.
        shape = tuple(dims.values()) if len(axes) == 1 else tuple(dims.get(i, 1) for i in range(len(x)))
        mean = Variable("moving_mean", shape, self.moving_mean_initializer, trainable=False)
        variance = Variable("moving_variance", shape, self.moving_variance_initializer, trainable=False)
        return [*self.affine(shape), mean, variance]

    def mask_axes(self, x: Shape, index: int, rank: int) -> Shape | None:
        return x[:-1]

    def layout(self, rank: int) -> Layout:
        last = self.axis in (-1, rank - 1, (-1,), (rank - 1,))
        return "channels_first" if last and rank > 2 else "keras"
