"""Layers that only old Keras had, and that files of its day still hold; arguments go by Keras's later names."""

from typing import Annotated, Any, Self

from pydantic import field_validator, model_validator

from spec_compiler.specs.activations import activated_shape
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.initializers.constant import Constant, Ones, Zeros
from spec_compiler.specs.initializers.fans import GlorotUniform
from spec_compiler.specs.layers.activation import ActivationLayer, LearnedActivation, as_list, shared_shape
from spec_compiler.specs.layers.conv_transpose import Conv2DTranspose
from spec_compiler.specs.shapes import Shape, ShapeError, convolved, require_dim, require_rank, show
from spec_compiler.specs.types import (
    Activation,
    Before,
    Bool,
    ConstraintField,
    Float,
    InitializerField,
    Int,
    NonNegativeFloat,
    PositiveInt,
    RegularizerField,
    ShapeField,
)
from spec_compiler.specs.variable import Variable

SharedAxes = Annotated[list[Int] | None, Before(as_list)]
"""Axes along which one weight serves, counted from 1, behind the batch axis."""


class Highway(LayerSpec):
    """Compute `t * activation(x @ kernel + bias) + (1 - t) * x`, gated by `t = sigmoid(x @ carry_kernel + carry_bias)`.

    Keras 1's dense highway layer, Srivastava et al. 2015 (arXiv:1505.00387): (batch, n) -> (batch, n).
    """

    activation: Activation = "linear"
    """Applied to the projection; null or `linear`: none."""
    use_bias: Bool = True
    """Whether both projections have a bias."""
    kernel_initializer: InitializerField = GlorotUniform()
    """Start of both kernels, (n, n)."""
    kernel_regularizer: RegularizerField = None
    """Penalty on the projection's kernel, added to the loss."""
    bias_regularizer: RegularizerField = None
    """Penalty on the projection's bias, added to the loss."""
    activity_regularizer: RegularizerField = None
    """Penalty on the output, added to the loss, divided by the batch size."""
    kernel_constraint: ConstraintField = None
    """What the projection's kernel is projected onto after each step."""
    bias_constraint: ConstraintField = None
    """What the projection's bias is projected onto after each step."""

    @field_validator("activation")
    @classmethod
    def _as_long(cls, activation: Any) -> Any:
        if activation == "glu":
            raise ValueError("glu halves the projection, which is to be as long as the input")
        return activation

    def infer_shape(self, x: Shape) -> Shape:
        require_rank(x, 2, "Highway")
        return x

    def variables(self, x: Shape) -> list[Variable]:
        n = require_dim(x, -1, "Highway")
        kernel = Variable("W", (n, n), self.kernel_initializer, self.kernel_regularizer, self.kernel_constraint)
        found = [kernel, Variable("W_carry", (n, n), self.kernel_initializer)]
        if self.use_bias:
            found.append(Variable("b", (n,), Zeros(), self.bias_regularizer, self.bias_constraint))
            found.append(Variable("b_carry", (n,), Ones()))
        return found


class MaxoutDense(LayerSpec):
    """Largest of several dense projections at each place, Goodfellow et al. 2013 (arXiv:1302.4389).

    Keras 1's layer: (batch, n) -> (batch, units).
    """

    units: PositiveInt
    """Length of the output."""
    nb_feature: PositiveInt = 4
    """Number of projections."""
    use_bias: Bool = True
    """Whether the projections have biases."""
    kernel_initializer: InitializerField = GlorotUniform()
    """Start of the kernel, (nb_feature, n, units)."""
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
        require_rank(x, 2, "MaxoutDense")
        return (x[0], self.units)

    def variables(self, x: Shape) -> list[Variable]:
        of_kernel = (self.kernel_initializer, self.kernel_regularizer, self.kernel_constraint)
        kernel = Variable("W", (self.nb_feature, require_dim(x, -1, "MaxoutDense"), self.units), *of_kernel)
        bias = Variable("b", (self.nb_feature, self.units), Zeros(), self.bias_regularizer, self.bias_constraint)
        return [kernel, bias] if self.use_bias else [kernel]


class ThresholdedReLU(ActivationLayer):
    """`x` above `theta`, 0 below: what Keras 3 writes as ReLU with a threshold (Konda et al. 2014, arXiv:1402.3337)."""

    theta: NonNegativeFloat = 1.0
    """Where the output starts to be the input."""


class ParametricSoftplus(LearnedActivation):
    """`alpha * log(1 + exp(beta * x))`, with learned `alpha` and `beta` (McFarland et al. 2013)."""

    alpha_init: Float = 0.2
    """Start of `alpha`."""
    beta_init: Float = 5.0
    """Start of `beta`."""
    shared_axes: SharedAxes = None
    """Axes along which one weight serves, counted from 1, behind the batch axis; null: weights for each element."""

    def variables(self, x: Shape) -> list[Variable]:
        shape = shared_shape(x, self.shared_axes, "ParametricSoftplus")
        return [
            Variable("alphas", shape, Constant(value=self.alpha_init)),
            Variable("betas", shape, Constant(value=self.beta_init)),
        ]


class SReLU(LearnedActivation):
    """`x` between two learned thresholds, lines of learned slopes beyond them (Jin et al. 2016, arXiv:1512.07030)."""

    t_left_init: InitializerField = Zeros()
    """Start of the left threshold."""
    a_left_init: InitializerField = GlorotUniform()
    """Start of the slope left of it."""
    t_right_init: InitializerField = GlorotUniform()
    """Start of the distance, whose sign does not count, from the left to the right threshold."""
    a_right_init: InitializerField = Ones()
    """Start of the slope right of it."""
    shared_axes: SharedAxes = None
    """Axes along which one weight serves, counted from 1, behind the batch axis; null: weights for each element."""

    def variables(self, x: Shape) -> list[Variable]:
        shape = shared_shape(x, self.shared_axes, "SReLU")
        starts = (self.t_left_init, self.a_left_init, self.t_right_init, self.a_right_init)
        names = ("t_left", "a_left", "t_right", "a_right")
        return [Variable(name, shape, start) for name, start in zip(names, starts, strict=True)]


class Deconvolution2D(Conv2DTranspose):
    """Keras 1's transposed convolution, which was told how large its output is: of the sizes that lead to its input's.

    One told the size that Conv2DTranspose's output has is read as a Conv2DTranspose.
    """

    output_shape: ShapeField
    """Shape of the output, batch axis and channels included."""

    @model_validator(mode="after")
    def _sized(self) -> Self:
        if len(self.output_shape) != 4 or None in self.spatial_dims(self.output_shape):
            raise ValueError(f"output_shape={list(self.output_shape)} must state a height and a width")
        return self

    def sizes(self) -> list[tuple[int, int]]:
        """For each axis, the length of the output and that of the input which a convolution makes of it."""
        stated = [n for n in self.spatial_dims(self.output_shape) if n is not None]
        windows = zip(stated, self.kernel_size, self.strides, strict=True)
        return [(n, convolved(n, k, s, 1, self.padding) or 0) for n, k, s in windows]

    def infer_shape(self, x: Shape) -> Shape:
        for n, (m, own) in zip(self.spatial_dims(x), self.sizes(), strict=True):
            if n not in (own, None):
                raise ShapeError(f"an output of length {m} comes from an axis of length {own}, got {show(x)}")
        return activated_shape(self.activation, self.with_dims(x, tuple(m for m, _ in self.sizes()), self.filters))

    def intermediates(self, x: Shape, *_: Any, **__: Any) -> list[Shape]:
        """The whole output, which the stated one is cut from."""
        windows = zip(self.sizes(), self.windows(), strict=True)
        return [self.with_dims(x, tuple((n - 1) * w.stride + w.size for (_, n), w in windows), self.filters)]

    def crops(self) -> list[tuple[int, int]]:
        found = []
        for (m, n), window in zip(self.sizes(), self.windows(), strict=True):
            total = (n - 1) * window.stride + window.size - m
            before = max(total, 0) // 2 if self.padding == "same" else 0
            found.append((before, total - before))
        return found
