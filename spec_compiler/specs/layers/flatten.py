"""The layer that makes one axis of all."""

from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.shapes import Shape, product, require_min_rank
from spec_compiler.specs.types import ImageFormat, kept_dtype


class Flatten(LayerSpec):
    """Make one axis of all but the batch axis: (batch, a, b, …) -> (batch, a * b * …)."""

    data_format: ImageFormat = "channels_last"
    """`channels_first`: the channels, behind the batch axis, are moved to the end first."""

    def infer_shape(self, x: Shape) -> Shape:
        require_min_rank(x, 1, "Flatten")
        return (x[0], product(x[1:]))

    def output_dtype(self, *dtypes: str) -> str:
        return kept_dtype(self.compute_dtype, dtypes[0])
