"""Layers that bring each sample's values to mean 0 and variance 1, over some of its axes."""

from typing import Self

from pydantic import model_validator

from spec_compiler.specs.layers.normalization import Affine, sorted_axes
from spec_compiler.specs.shapes import Shape, ShapeError, require_dim, require_min_rank, show
from spec_compiler.specs.types import AxisOrAxes, Bool, Int, Layout, NullableEpsilon
from spec_compiler.specs.variable import Variable


class LayerNormalization(Affine):
    """Normalize each sample over one axis or several (Ba et al. 2016, arXiv:1607.06450)."""

    positional = (
        "axis", "epsilon", "center", "scale", "beta_initializer", "gamma_initializer", "beta_regularizer",
        "gamma_regularizer", "beta_constraint", "gamma_constraint",
    )  # fmt: skip

    epsilon: NullableEpsilon = 0.001  # type: ignore[assignment]  # of these layers, it alone takes null
    """Added to the variance before its root is taken; null: 1e-7."""
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

    @property
    def counts_from_behind(self) -> bool:
        """Whether the axes are all stated from the last one on."""
        return all(axis < 0 for axis in (self.axis if isinstance(self.axis, tuple) else (self.axis,)))

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
