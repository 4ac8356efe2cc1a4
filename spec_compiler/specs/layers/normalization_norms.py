"""Layers that divide by a norm: of the values over some of the axes, or of another layer's kernel."""

from typing import Any, ClassVar

from spec_compiler.specs.base import LayerSpec, MaskRule
from spec_compiler.specs.initializers.constant import Ones
from spec_compiler.specs.initializers.random import TruncatedNormal
from spec_compiler.specs.layers.normalization import sorted_axes
from spec_compiler.specs.shapes import Shape, ShapeError, Shapes, normalize_axis, require_dim, show
from spec_compiler.specs.types import AxisOrAxes, Iterations, LayerField, Layout, NullableEpsilon
from spec_compiler.specs.variable import Variable


class RMSNormalization(LayerSpec):
    """Divide by the root of the mean square over the last axis or axes (Zhang & Sennrich 2019, arXiv:1910.07467)."""

    needs_floats: ClassVar[bool] = True

    axis: AxisOrAxes = -1
    """The last axis, or a list of the last ones; the learned `scale` has their lengths."""
    epsilon: NullableEpsilon = 1e-6
    """Added to the mean square before its root is taken; null: 1e-7."""

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

    needs_floats: ClassVar[bool] = True

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
    power_iterations: Iterations = 1
    """Number of steps of the power iteration that estimates the singular value; at most 1000."""

    changes_inside = True
    layer_fields = ("layer",)

    @property
    def takes_integers(self) -> bool:
        return self.layer.takes_integers  # type: ignore[no-any-return]

    @property
    def steps_apart(self) -> bool:
        return not self.keras2_masks

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
        vector = Variable(
            "vector_u", (1, kernels[0].shape[-1]), start, trainable=False, dtype=self.layer.variable_dtype
        )
        inside = {v.name: v.inside(self.layer, "layer") for v in inner}
        if self.keras2_masks:
            # As everywhere in Keras 2: what is trained, what is not, and what layers inside do not train.
            return [*inside.values(), vector] if self.layer.trainable and self.trainable else [vector, *inside.values()]
        # Keras 3 holds the kernel in the outer layer, too, so it comes first.
        return [inside.pop(kernels[0].name), vector, *inside.values()]

    def mask_axes(self, x: Shape, index: int, rank: int) -> Shape | None:
        return self.layer.mask_axes(x, index, rank)  # type: ignore[no-any-return]

    def computed_mask(self, inputs: list[Shape], masks: list[Shape | None]) -> Shape:
        return self.layer.computed_mask(inputs, masks)  # type: ignore[no-any-return]

    def output_mask(self, masked: tuple[bool, ...]) -> MaskRule:
        if self.layer.compute_dtype != self.compute_dtype and not self.keras2_masks:
            return "none"  # Keras 3 casts the output, and leaves its mask behind
        return self.layer.output_mask(masked)  # type: ignore[no-any-return]
