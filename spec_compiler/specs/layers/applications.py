"""Layers that Keras's own architectures (`keras.applications`) define for themselves, beside `keras.layers`."""

from typing import ClassVar

from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.initializers.constant import Constant
from spec_compiler.specs.shapes import Shape, ShapeError, merged, require_dim, show
from spec_compiler.specs.types import Float, Layout, PositiveInt
from spec_compiler.specs.variable import Variable


class ApplicationLayer(LayerSpec):
    """A layer of one architecture."""

    architecture: ClassVar[str]
    """The module of `keras.applications` that has it."""

    @property
    def keras_module(self) -> str | None:
        return f"keras.src.applications.{self.architecture}"


class LayerScale(ApplicationLayer):
    """Multiply by a weight for each channel: ConvNeXt's, of Touvron et al. 2021 (arXiv:2103.17239)."""

    architecture = "convnext"

    init_values: Float
    """The weights' first value."""
    projection_dim: PositiveInt
    """Length of the last axis."""

    def infer_shape(self, x: Shape) -> Shape:
        n = require_dim(x, -1, "LayerScale")
        if n not in (1, self.projection_dim):
            raise ShapeError(f"LayerScale's projection_dim {self.projection_dim} does not fit its input {show(x)}")
        return (*x[:-1], self.projection_dim)

    def variables(self, x: Shape) -> list[Variable]:
        # Keras gives it no name of its own.
        return [Variable("variable", (self.projection_dim,), Constant(value=self.init_values))]


class CustomScaleLayer(ApplicationLayer):
    """Compute `a + scale * b`: InceptionResNetV2's residual connection."""

    architecture = "inception_resnet_v2"
    takes_list: ClassVar[bool] = True

    scale: Float
    """The factor of the second input."""

    def infer_shape(self, inputs: list[Shape]) -> Shape:
        shapes = ", ".join(map(show, inputs))
        if len(inputs) != 2 or len(inputs[0]) != len(inputs[1]):
            raise ShapeError(f"CustomScaleLayer takes two inputs of one shape, got {shapes}")
        try:
            return tuple(merged(m, n) for m, n in zip(*inputs, strict=True))
        except ShapeError as error:
            raise ShapeError(f"CustomScaleLayer takes two inputs of one shape, got {shapes}: {error}") from None

    def layout(self, rank: int) -> Layout:
        return "any"
