"""Embeddings: a vector for each id."""

from typing import ClassVar, Literal

from spec_compiler.specs.base import LayerSpec, MaskRule
from spec_compiler.specs.initializers.random import RandomUniform
from spec_compiler.specs.shapes import Shape, ShapeError, merged, require_dim, show
from spec_compiler.specs.types import (
    Bool,
    ConstraintField,
    InitializerField,
    NoAdapter,
    NoAdapterScale,
    PositiveFloat,
    PositiveInt,
    RegularizerField,
)
from spec_compiler.specs.variable import Variable


class Embedding(LayerSpec):
    """Look up a vector for each id: (...) of ints below `input_dim` -> (..., output_dim)."""

    positional: ClassVar[tuple[str, ...]] = (
        "input_dim", "output_dim", "embeddings_initializer", "embeddings_regularizer", "embeddings_constraint",
        "mask_zero",
    )  # fmt: skip
    unstated: ClassVar[tuple[str, ...]] = ("lora_rank", "lora_alpha")

    input_dim: PositiveInt
    """Number of ids."""
    output_dim: PositiveInt
    """Length of each id's vector."""
    embeddings_initializer: InitializerField = RandomUniform()
    """Start of the table, (input_dim, output_dim)."""
    embeddings_regularizer: RegularizerField = None
    """Penalty on the table, added to the loss."""
    activity_regularizer: RegularizerField = None
    """Penalty on the output, added to the loss, divided by the batch size."""
    embeddings_constraint: ConstraintField = None
    """What the table is projected onto after each step."""
    mask_zero: Bool = False
    """Whether id 0 is padding, masked out in the layers after it."""
    lora_rank: NoAdapter = None
    """Keras's field for low-rank adapters; only null, or 0, can be built."""
    lora_alpha: NoAdapterScale = None
    """Keras's field for low-rank adapters, of which there are none: any number, and nothing comes of it."""
    quantization_config: None = None
    """Keras's field for quantized layers; only null can be built."""

    @property
    def takes_integers(self) -> bool:
        return True

    def infer_shape(self, x: Shape) -> Shape:
        return (*x, self.output_dim)

    def variables(self, x: Shape) -> list[Variable]:
        table = (self.embeddings_initializer, self.embeddings_regularizer, self.embeddings_constraint)
        return [Variable("embeddings", (self.input_dim, self.output_dim), *table)]

    def computed_mask(self, inputs: list[Shape], masks: list[Shape | None]) -> Shape:
        return inputs[0]

    def output_mask(self, masked: tuple[bool, ...]) -> MaskRule:
        return "computed" if self.mask_zero else "none"


class ReversibleEmbedding(Embedding):
    """An embedding that, called with `reverse=True`, projects vectors back: (..., output_dim) -> (..., input_dim)."""

    positional: ClassVar[tuple[str, ...]] = (
        "input_dim", "output_dim", "tie_weights", "embeddings_initializer", "embeddings_regularizer",
        "embeddings_constraint", "mask_zero", "reverse_dtype", "logit_soft_cap",
    )  # fmt: skip

    tie_weights: Bool = True
    """Whether the table itself projects back, rather than a matrix of its own (Press & Wolf 2017, arXiv:1608.05859)."""
    reverse_dtype: Literal["float16", "bfloat16", "float32", "float64"] | None = None
    """Dtype of the projection back; null: the layer's."""
    logit_soft_cap: PositiveFloat | None = None
    """Brings what is projected back within `±logit_soft_cap`, by tanh; null: nothing is brought anywhere."""

    def infer_shape(self, x: Shape, *, reverse: bool = False) -> Shape:
        if not reverse:
            return (*x, self.output_dim)
        try:
            merged(require_dim(x, -1, "ReversibleEmbedding"), self.output_dim)
        except ShapeError as error:
            message = f"ReversibleEmbedding projects back vectors of {self.output_dim}, got {show(x)}: {error}"
            raise ShapeError(message) from None
        return (*x[:-1], self.input_dim)

    def variables(self, x: Shape) -> list[Variable]:
        found = super().variables(x)
        if not self.tie_weights:
            found.append(Variable("reverse_embeddings", (self.output_dim, self.input_dim), self.embeddings_initializer))
        return found

    def output_dtype(self, *dtypes: str, reverse: bool = False) -> str:
        # What comes out of Keras, which says the layer's own dtype beforehand.
        return self.reverse_dtype if reverse and self.reverse_dtype else self.compute_dtype

    def output_mask(self, masked: tuple[bool, ...], reverse: bool = False) -> MaskRule:
        return "computed" if self.mask_zero and not reverse else "none"
