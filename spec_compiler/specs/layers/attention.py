"""Attention."""

from __future__ import annotations

from typing import Any, ClassVar

from spec_compiler.specs.base import LayerSpec, MaskRule, Variable
from spec_compiler.specs.initializers import GlorotUniform, Zeros
from spec_compiler.specs.shapes import Shape, ShapeError, Shapes, require_dim, require_min_rank
from spec_compiler.specs.types import (
    Axes,
    Bool,
    ConstraintField,
    InitializerField,
    PositiveInt,
    Rate,
    RegularizerField,
    Seed,
)


class MultiHeadAttention(LayerSpec):
    """Attend from `query` to `key` and `value` with several heads, Vaswani et al. 2017 (arXiv:1706.03762)."""

    num_heads: PositiveInt
    """Number of heads."""
    key_dim: PositiveInt
    """Length of each head's query and key."""
    value_dim: PositiveInt | None = None
    """Length of each head's value; null: `key_dim`."""
    dropout: Rate = 0.0
    """Fraction of the attention scores dropped in training."""
    use_bias: Bool = True
    """Whether the projections have biases."""
    output_shape: Axes | None = None
    """Shape of the output after the batch and attention axes; null: the query's last axis."""
    attention_axes: Axes | None = None
    """Axes attention runs over; null: all but the first and the last."""
    sliding_window: PositiveInt | None = None
    """Number of positions each position sees; null: all."""
    kernel_initializer: InitializerField = GlorotUniform()
    """Start of the projections' kernels."""
    bias_initializer: InitializerField = Zeros()
    """Start of the projections' biases."""
    kernel_regularizer: RegularizerField = None
    """Penalty on each kernel, added to the loss."""
    bias_regularizer: RegularizerField = None
    """Penalty on each bias, added to the loss."""
    activity_regularizer: RegularizerField = None
    """Penalty on the output, added to the loss, divided by the batch size."""
    kernel_constraint: ConstraintField = None
    """What each kernel is projected onto after each step."""
    bias_constraint: ConstraintField = None
    """What each bias is projected onto after each step."""
    use_gate: Bool = False
    """Whether a learned gate scales each head's output."""
    seed: Seed = None
    """Seed of the dropout."""

    supports_masking: ClassVar[bool] = True

    def infer_shape(
        self, query: Shape, value: Shape, key: Shape | None = None, return_attention_scores: bool = False, **kwargs: Any
    ) -> Shapes:
        require_min_rank(query, 3, "MultiHeadAttention")
        for other in (value, key or value):
            if len(other) != len(query):
                raise ShapeError(f"query has rank {len(query)}, but key or value has rank {len(other)}")
        out = (*query[:-1], *(self.output_shape or (query[-1],)))
        if not return_attention_scores:
            return out
        return [out, (query[0], self.num_heads, query[1], value[1])]

    def variables(self, query: Shape, value: Shape, key: Shape | None = None, *_: Shape) -> list[Variable]:
        heads, depth, width = self.num_heads, self.key_dim, self.value_dim or self.key_dim
        out = self.output_shape or (require_dim(query, -1, "MultiHeadAttention"),)
        projections = {
            "query": (require_dim(query, -1, "MultiHeadAttention"), heads, depth),
            "key": (require_dim(key or value, -1, "MultiHeadAttention"), heads, depth),
            "value": (require_dim(value, -1, "MultiHeadAttention"), heads, width),
            "attention_output": (heads, width, *out),
        }
        found = []
        for name, shape in projections.items():
            kernel = (self.kernel_initializer, self.kernel_regularizer, self.kernel_constraint)
            found.append(Variable(f"{name}/kernel", shape, *kernel))
            if self.use_bias:
                bias = out if name == "attention_output" else shape[1:]
                found.append(
                    Variable(f"{name}/bias", bias, self.bias_initializer, self.bias_regularizer, self.bias_constraint)
                )
        return found

    def output_mask(self, masked: tuple[bool, ...]) -> MaskRule:
        return "first" if masked[:1] == (True,) else "none"
