"""Layers that bring values to mean 0 and variance 1, or to length 1, over some of the axes."""

from dataclasses import replace
from typing import Any, ClassVar, Self

from pydantic import model_validator

from spec_compiler.specs.base import LayerSpec, MaskRule, Variable
from spec_compiler.specs.initializers import Ones, TruncatedNormal, Zeros
from spec_compiler.specs.shapes import Shape, ShapeError, Shapes, normalize_axis, require_dim, require_min_rank, show
from spec_compiler.specs.types import (
    AxisOrAxes,
    Bool,
    ConstraintField,
    Float,
    InitializerField,
    Int,
    LayerField,
    Layout,
    NonNegativeFloat,
    PositiveInt,
    Rate,
    RegularizerField,
)


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

    def layout(self, rank: int) -> Layout:
        last = self.axis in (-1, rank - 1, (-1,), (rank - 1,))
        return "channels_first" if last and rank > 2 else "keras"


class LayerNormalization(Affine):
    """Normalize each sample over one axis or several (Ba et al. 2016, arXiv:1607.06450)."""

    positional = (
        "axis", "epsilon", "center", "scale", "beta_initializer", "gamma_initializer", "beta_regularizer",
        "gamma_regularizer", "beta_constraint", "gamma_constraint",
    )  # fmt: skip

    axis: AxisOrAxes = -1
    """The axes to normalize over; `gamma` and `beta` have their lengths."""
    rms_scaling: Bool = False
    """Keras's old flag, whose arithmetic was wrong; only false can be built. RMSNormalization is what it meant."""

    @model_validator(mode="after")
    def _buildable(self) -> Self:
        if self.rms_scaling:
            raise ValueError("rms_scaling: the old scaling cannot be built; use RMSNormalization")
        return self

    def axes(self, x: Shape) -> tuple[int, ...]:
        """The axes counted from the front, in the order of the weights' axes."""
        return sorted_axes(self.axis, x, "LayerNormalization")

    def infer_shape(self, x: Shape) -> Shape:
        self.axes(x)
        return x

    def variables(self, x: Shape) -> list[Variable]:
        if not self.scale and not self.center:
            return []
        return self.affine(tuple(require_dim(x, axis, "LayerNormalization") for axis in self.axes(x)))


class GroupNormalization(Affine):
    """Normalize each sample over groups of channels and all other axes (Wu & He 2018, arXiv:1803.08494)."""

    positional = (
        "groups", "axis", "epsilon", "center", "scale", "beta_initializer", "gamma_initializer", "beta_regularizer",
        "gamma_regularizer", "beta_constraint", "gamma_constraint",
    )  # fmt: skip

    groups: Int = 32
    """Number of groups; -1: one a channel, which is instance normalization."""
    axis: Int = -1
    """The channels' axis."""

    @model_validator(mode="after")
    def _positive(self) -> Self:
        if self.groups < 1 and self.groups != -1:
            raise ValueError(f"groups must be positive, or -1 for one a channel, got {self.groups}")
        return self

    def place(self, x: Shape) -> int:
        """The channels' axis counted from the front."""
        (axis,) = sorted_axes(self.axis, x, "GroupNormalization")
        return axis

    def infer_shape(self, x: Shape) -> Shape:
        require_min_rank(x, 2, "GroupNormalization")
        channels = require_dim(x, self.place(x), "GroupNormalization")
        if self.groups > 0 and channels % self.groups:
            raise ShapeError(f"groups={self.groups} must divide the {channels} channels of {show(x)}")
        return x

    def variables(self, x: Shape) -> list[Variable]:
        return self.affine((require_dim(x, self.place(x), "GroupNormalization"),))

    def layout(self, rank: int) -> Layout:
        return "channels_first" if self.axis in (-1, rank - 1) and rank > 2 else "keras"


class RMSNormalization(LayerSpec):
    """Divide by the root of the mean square over the last axis or axes (Zhang & Sennrich 2019, arXiv:1910.07467)."""

    axis: AxisOrAxes = -1
    """The last axis, or a list of the last ones; the learned `scale` has their lengths."""
    epsilon: NonNegativeFloat = 1e-6
    """Added to the mean square before its root is taken."""

    def axes(self, x: Shape) -> tuple[int, ...]:
        """The axes counted from the front, in the order of the weights' axes."""
        return sorted_axes(self.axis, x, "RMSNormalization")

    def infer_shape(self, x: Shape) -> Shape:
        axes = self.axes(x)
        if axes != tuple(range(len(x) - len(axes), len(x))):
            # Keras multiplies the scale with the last axes, whichever it normalizes over.
            stated = list(axes) if isinstance(self.axis, tuple) else self.axis
            raise ShapeError(f"RMSNormalization runs over the last axes of its input {show(x)}, not over {stated}")
        return x

    def variables(self, x: Shape) -> list[Variable]:
        shape = tuple(require_dim(x, axis, "RMSNormalization") for axis in self.axes(x))
        return [Variable("scale", shape, Ones())]


class UnitNormalization(LayerSpec):
    """Divide by the root of the sum of squares over one axis or several, so that the length is 1."""

    axis: AxisOrAxes = -1
    """The axes to normalize over."""

    supports_masking: ClassVar[bool] = True

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes as a tuple."""
        return self.axis if isinstance(self.axis, tuple) else (self.axis,)

    def infer_shape(self, x: Shape) -> Shape:
        places = {normalize_axis(axis, len(x), "UnitNormalization") for axis in self.axes}
        if len(places) < len(self.axes):
            raise ShapeError(f"UnitNormalization names an axis twice: {list(self.axes)}")
        return x

    def layout(self, rank: int) -> Layout:
        return "any"


class SpectralNormalization(LayerSpec):
    """Run a layer whose kernel each training step divides by its largest singular value (Miyato 2018, arXiv:1802.05957)."""

    layer: LayerField
    """The layer: one with a kernel, or an embedding."""
    power_iterations: PositiveInt = 1
    """Number of steps of the power iteration that estimates the singular value."""

    layer_fields = ("layer",)

    @property
    def takes_integers(self) -> bool:
        return self.layer.takes_integers  # type: ignore[no-any-return]

    def infer_shape(self, x: Shape) -> Shapes:
        if not self.layer.takes_one_input:
            raise ShapeError(f"SpectralNormalization takes a layer of one input, not {type(self.layer).__name__}")
        return self.layer.infer_shape(x)  # type: ignore[no-any-return]

    def intermediates(self, x: Shape, *_: Any, **__: Any) -> list[Shape]:
        return self.layer.intermediates(x)  # type: ignore[no-any-return]

    def variables(self, x: Shape) -> list[Variable]:
        inner: list[Variable] = self.layer.variables(x)
        kernels = [v for v in inner if v.name in ("kernel", "embeddings")]
        if not kernels or self.layer.layer_fields or hasattr(self.layer, "recurrent_initializer"):
            raise ShapeError(
                f"SpectralNormalization takes a layer with a kernel or embeddings, '{self.layer.name}' is a "
                f"{type(self.layer).__name__}"
            )
        start = TruncatedNormal(stddev=0.02)
        vector = Variable("vector_u", (1, kernels[0].shape[-1]), start, trainable=False, dtype=kernels[0].dtype)
        trained = self.layer.trainable
        inside = {v.name: replace(v, name=f"layer/{v.name}", trainable=v.trainable and trained) for v in inner}
        # Keras holds the kernel in the outer layer, too, so it comes first.
        return [inside.pop(kernels[0].name), vector, *inside.values()]

    def output_mask(self, masked: tuple[bool, ...]) -> MaskRule:
        return self.layer.output_mask(masked)  # type: ignore[no-any-return]
