"""Layers that bring data to the form a network takes."""

from __future__ import annotations

from typing import Any, ClassVar

from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.initializers import Array, array_shape
from spec_compiler.specs.shapes import Shape, ShapeError, show
from spec_compiler.specs.types import Layout


def _values(array: Any) -> Any:
    return array["config"]["value"] if isinstance(array, dict) else array


class Rescaling(LayerSpec):
    """`x * scale + offset`: 1/255 brings bytes to 0 … 1."""

    scale: Array
    """The factor: a number, or a list of one a channel."""
    offset: Array = 0.0
    """What is added after: a number, or a list of one a channel."""

    supports_masking: ClassVar[bool] = True

    @property
    def factors(self) -> Any:
        """The factor as a number or nested lists."""
        return _values(self.scale)

    @property
    def offsets(self) -> Any:
        """The offset as a number or nested lists."""
        return _values(self.offset)

    def infer_shape(self, x: Shape) -> Shape:
        for name, value in (("scale", self.factors), ("offset", self.offsets)):
            own = array_shape(value)
            # Of the input's own axes, the last ones: an array may not stretch the input.
            lengths = zip(reversed(own), reversed(x[1:]), strict=False)
            if len(own) >= len(x) or any(m not in (1, n) for m, n in lengths if n is not None):
                raise ShapeError(f"Rescaling's {name} of shape {show(own)} does not fit its input {show(x)}")
        return x

    def layout(self, rank: int) -> Layout:
        scalars = not array_shape(self.factors) and not array_shape(self.offsets)
        return "any" if scalars else "keras"
