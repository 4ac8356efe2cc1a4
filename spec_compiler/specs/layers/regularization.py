"""Layers that regularize: dropout in training, nothing in inference; a penalty on what passes."""

from typing import TYPE_CHECKING, ClassVar

from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.shapes import Shape, ShapeError, show
from spec_compiler.specs.types import Layout, NonNegativeFloat, Rate, Seed, ShapeField

if TYPE_CHECKING:
    from spec_compiler.specs.regularizers import Regularizer


class Noise(LayerSpec):
    """A layer that changes its input at random in training, and lets it through in inference."""

    needs_floats: ClassVar[bool] = True

    supports_masking: ClassVar[bool] = True

    @property
    def steps_apart(self) -> bool:
        # What is drawn once for several samples, or for so many, is drawn so at every step.
        shape = getattr(self, "noise_shape", None)
        return shape is not None and shape[:1] not in ((), (None,)) and not self.keras2_masks

    def infer_shape(self, x: Shape) -> Shape:
        return x

    def layout(self, rank: int) -> Layout:
        return "any"


def require_noise_shape(noise_shape: Shape | None, x: Shape, layer: str) -> None:
    """Raise ShapeError where what is drawn does not broadcast to the input."""
    if noise_shape is None:
        return
    lengths = zip(noise_shape, x, strict=False)
    if len(noise_shape) != len(x) or any(m not in (None, 1, n) and n is not None for m, n in lengths):
        raise ShapeError(
            f"{layer}'s noise_shape {show(noise_shape)} does not fit its input {show(x)}",
            help="state every axis, batch axis first: null as the input, 1 for one draw along the axis",
        )


class Dropout(Noise):
    """Set elements to zero at random, and divide the others by `1 - rate`, so that the mean stays."""

    rate: Rate
    """Fraction that is set to zero."""
    noise_shape: ShapeField | None = None
    """Shape of what is drawn, batch axis first, broadcast to the input; null: each element on its own."""
    seed: Seed = None
    """Taken for Keras's sake: all draws come from the one generator that `set_random_seed` sets."""

    def infer_shape(self, x: Shape) -> Shape:
        require_noise_shape(self.noise_shape, x, "Dropout")
        return x


class ActivityRegularization(LayerSpec):
    """Return the input, and add a penalty on it to the loss, divided by the batch size."""

    l1: NonNegativeFloat | None = 0.0
    """Factor of the sum of absolute values; null: 0."""
    l2: NonNegativeFloat | None = 0.0
    """Factor of the sum of squares; null: 0."""

    supports_masking: ClassVar[bool] = True

    @property
    def activity_regularizer(self) -> "Regularizer":
        """The penalty."""
        from spec_compiler.specs.regularizers import L1L2

        return L1L2(l1=self.l1 or 0.0, l2=self.l2 or 0.0)

    def layout(self, rank: int) -> Layout:
        return "any"
