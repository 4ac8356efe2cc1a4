"""Attention with several heads, whose queries, keys and values are projections."""

import math
from typing import Any, ClassVar, Self

from pydantic import PrivateAttr, model_validator

from spec_compiler.specs.base import LayerSpec, MaskRule
from spec_compiler.specs.initializers.constant import Zeros
from spec_compiler.specs.initializers.fans import GlorotUniform
from spec_compiler.specs.regularizers import Regularizer
from spec_compiler.specs.shapes import RankError, Shape, ShapeError, Shapes, agree, merged, require_dim, show
from spec_compiler.specs.types import (
    Axes,
    Bool,
    ConstraintField,
    InitializerField,
    PositiveInt,
    Rate,
    RegularizerField,
    Seed,
    Sizes,
)
from spec_compiler.specs.variable import Variable

_FEW_SCORES = 2**14
"""So many a head the CPU computes step by step where there is a mask."""


class ProjectedAttention(LayerSpec):
    """Attend from `query` to `key` and `value`, each projected to several heads."""

    dropout: Rate = 0.0
    """Fraction of the attention scores dropped in training."""
    use_bias: Bool = True
    """Whether the projections have biases."""
    sliding_window: PositiveInt | None = None
    """Positions a position attends to on either side, itself counted; null: all."""
    flash_attention: Bool | None = None
    """Which kernel Keras is to use; changes nothing here, where torch chooses."""
    kernel_initializer: InitializerField = GlorotUniform()
    """Start of the projections' kernels."""
    bias_initializer: InitializerField = Zeros()
    """Start of the projections' biases."""
    kernel_regularizer: RegularizerField = None
    """Penalty on each kernel, added to the loss."""
    bias_regularizer: RegularizerField = None
    """Penalty on each bias, added to the loss."""
    activity_regularizer: RegularizerField = None
    """Penalty on each projection's output, added to the loss, divided by the batch size."""
    kernel_constraint: ConstraintField = None
    """What each kernel is projected onto after each step."""
    bias_constraint: ConstraintField = None
    """What each bias is projected onto after each step."""
    use_gate: Bool = False
    """Whether each head's output is scaled by the sigmoid of one more projection of the query."""
    seed: Seed = None
    """Seed of the dropout."""

    has_parts = True
    supports_masking: ClassVar[bool] = True
    unstated = ("flash_attention",)

    _attends_unmasked = PrivateAttr(default=False)  # type: bool

    @property
    def attends_unmasked(self) -> bool:
        """Whether the masks that the inputs bear are passed over, and none passed on: as in Keras 2 before 2.10."""
        return self._attends_unmasked

    @model_validator(mode="after")
    def _flash(self) -> Self:
        if self.flash_attention and self.dropout:
            raise ValueError(f"flash_attention cannot drop scores, but dropout is {self.dropout}")
        return self

    def projections(self, query: Shape, value: Shape, key: Shape) -> dict[str, tuple[tuple[int, ...], int]]:
        """By name and in Keras's order: a projection's kernel shape, and how many of its axes are inputs."""
        raise NotImplementedError

    def variables(self, query: Shape, value: Shape, key: Shape | None = None, *_: Any, **__: Any) -> list[Variable]:
        kernel = (self.kernel_initializer, self.kernel_regularizer, self.kernel_constraint)
        bias = (self.bias_initializer, self.bias_regularizer, self.bias_constraint)
        found = []
        for name, (shape, inputs) in self.projections(query, value, key or value).items():
            found.append(Variable(f"{name}/kernel", shape, *kernel))
            if self.use_bias:
                found.append(Variable(f"{name}/bias", shape[inputs:], *bias))
        return found

    def intermediates(self, query: Shape, value: Shape, key: Shape | None = None, *_: Any, **__: Any) -> list[Shape]:
        """The projections, and the scores: of all heads where torch may make them, else those that masks take."""
        axes, key = self.axes(len(query)), key or value
        stated = self.projections(query, value, key)
        given = {"query": query, "gate": query, "key": key, "value": value}
        found = [(*shape[:-1], *stated[name][0][1:]) for name, shape in given.items() if name in stated]
        (heads, depth), width = stated["query"][0][1:], stated["value"][0][-1]
        others = tuple(n for i, n in enumerate(query[:-1]) if i not in axes)
        steps = (*(query[i] for i in axes), *(value[i] for i in axes))
        made = self.dropout or depth != width or math.prod(n or 1 for n in steps) <= _FEW_SCORES
        return [*found, (*others, heads if made else 1, *steps)]

    def axes(self, rank: int) -> tuple[int, ...]:
        """The axes attention runs over, for inputs of `rank`."""
        raise NotImplementedError

    def check_shapes(self, query: Shape, value: Shape, key: Shape) -> None:
        """Raise ShapeError unless the three can meet."""
        name = type(self).__name__
        if len(query) < 3 or not len(query) == len(value) == len(key):
            shapes = f"{show(query)}, {show(value)} and {show(key)}"
            raise RankError(f"{name} takes query, value and key of one rank, 3 or more, got {shapes}")
        if any(a is not None and b is not None and a != b for a, b in zip(value[:-1], key[:-1], strict=True)):
            raise ShapeError(f"{name}: a value and a key for each position, got {show(value)} and {show(key)}")

    def check_given_masks(self, axes: tuple[int, ...], query: Shape, heads: int, value: Shape, **masks: Any) -> None:
        """Raise ShapeError where a mask that the call states does not fit the positions it is of."""
        name = type(self).__name__
        for key, mask in masks.items():
            if mask is None:
                continue
            if not isinstance(mask, tuple):
                raise ShapeError(f"{name} takes a tensor as {key}, got {mask!r:.60}")
            if key == "attention_mask":
                wanted = self.scores_of(axes, query, heads, value)
                pairs = 2 * len(axes)
                leading = len(mask) - pairs
                fits = 0 <= leading <= len(wanted) - pairs and all(
                    m in (1, None) or n is None or m == n
                    for m, n in zip(mask, (*wanted[:leading], *wanted[-pairs:]), strict=True)
                )
            else:
                wanted = (query if key == "query_mask" else value)[:-1]
                fits = 2 <= len(mask) <= len(wanted) and agree(mask, wanted[: len(mask)])
            if not fits:
                raise ShapeError(f"{name}'s {key} of shape {show(mask)} does not fit {show(wanted)}")

    def scores_of(self, axes: tuple[int, ...], query: Shape, heads: int, value: Shape) -> Shape:
        """Shape of the scores: (batch, *other axes, heads, *axes of the query, *axes of the value)."""
        others = tuple(query[i] for i in range(len(query) - 1) if i not in axes)
        return (*others, heads, *(query[i] for i in axes), *(value[i] for i in axes))

    def mask_axes(self, x: Shape, index: int, rank: int) -> Shape | None:
        # A mask of the steps alone serves where attention runs along them alone.
        return x[:2] if rank == 2 and self.axes(len(x)) == (1,) else x[:-1]

    def output_mask(self, masked: tuple[bool, ...], **_: Any) -> MaskRule:
        if self.attends_unmasked:
            return "none"
        return "first" if masked[:1] == (True,) else "none"


class MultiHeadAttention(ProjectedAttention):
    """Attend from `query` to `key` and `value` with several heads, Vaswani et al. 2017 (arXiv:1706.03762)."""

    num_heads: PositiveInt
    """Number of heads."""
    key_dim: PositiveInt
    """Length of each head's query and key."""
    value_dim: PositiveInt | None = None
    """Length of each head's value; left out: `key_dim`."""
    output_shape: Sizes | None = None
    """Shape of the output after the batch and attention axes; null: the query's last axis."""
    attention_axes: Axes | None = None
    """Axes attention runs over; null: all but the first and the last."""

    positional = (
        "num_heads", "key_dim", "value_dim", "dropout", "use_bias", "output_shape", "attention_axes", "sliding_window",
        "flash_attention", "kernel_initializer", "bias_initializer", "kernel_regularizer", "bias_regularizer",
        "activity_regularizer", "kernel_constraint", "bias_constraint", "use_gate", "seed",
    )  # fmt: skip

    @model_validator(mode="after")
    def _value_dim(self) -> Self:
        if self.value_dim is None:
            self.__dict__["value_dim"] = self.key_dim
        return self

    def infer_shape(
        self,
        query: Shape,
        value: Shape,
        key: Shape | None = None,
        query_mask: Shape | None = None,
        value_mask: Shape | None = None,
        key_mask: Shape | None = None,
        attention_mask: Shape | None = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Shapes:
        self.check_shapes(query, value, key or value)
        axes, rank = self.axes(len(query)), len(query)
        if (use_causal_mask or self.sliding_window) and axes != (1,):
            raise ShapeError(f"a causal mask or a sliding window runs along axis 1, attention_axes is {list(axes)}")
        for i in range(rank - 1):
            if i not in axes:
                merged(query[i], value[i])
        # Keras 3 looks at no mask of the query that is given so.
        given = {"value_mask": value_mask, "key_mask": key_mask, "attention_mask": attention_mask}
        self.check_given_masks(axes, query, self.num_heads, value, **given)
        out = (*query[:-1], *(self.output_shape or query[-1:]))
        if not return_attention_scores:
            return out
        return [out, self.scores_of(axes, query, self.num_heads, value)]

    def axes(self, rank: int) -> tuple[int, ...]:
        """The axes attention runs over, for inputs of `rank`."""
        if self.attention_axes is None:
            return tuple(range(1, rank - 1))
        found = tuple(axis + rank if axis < 0 else axis for axis in self.attention_axes)
        if len(set(found)) < len(found) or not found or not all(0 < axis < rank - 1 for axis in found):
            message = (
                f"attention_axes {list(self.attention_axes)} must be some of the axes 1 to {rank - 2} of the input"
            )
            raise ShapeError(message)
        return found

    def projections(self, query: Shape, value: Shape, key: Shape) -> dict[str, tuple[tuple[int, ...], int]]:
        lengths = [require_dim(shape, -1, "MultiHeadAttention") for shape in (query, key, value)]
        heads, depth, width = self.num_heads, self.key_dim, self.value_dim or self.key_dim
        return {
            "query": ((lengths[0], heads, depth), 1),
            "key": ((lengths[1], heads, depth), 1),
            **({"gate": ((lengths[0], heads, width), 1)} if self.use_gate else {}),
            "value": ((lengths[2], heads, width), 1),
            "attention_output": ((heads, width, *(self.output_shape or (lengths[0],))), 2),
        }

    @property
    def output_regularizer(self) -> Regularizer | None:
        """None: Keras puts the penalty on the projections inside, the last of which makes the output."""
        return None


class GroupQueryAttention(ProjectedAttention):
    """Attend with several query heads to each head of keys and values, Ainslie et al. 2023 (arXiv:2305.13245)."""

    head_dim: PositiveInt
    """Length of each head."""
    num_query_heads: PositiveInt
    """Number of query heads."""
    num_key_value_heads: PositiveInt
    """Number of heads of keys and values; divides `num_query_heads`."""

    positional = (
        "head_dim", "num_query_heads", "num_key_value_heads", "dropout", "use_bias", "sliding_window",
        "flash_attention", "kernel_initializer", "bias_initializer", "kernel_regularizer", "bias_regularizer",
        "activity_regularizer", "kernel_constraint", "bias_constraint", "use_gate", "seed",
    )  # fmt: skip

    @property
    def output_regularizer(self) -> Regularizer | None:
        """The penalty on the outputs, which Keras adds to that on the projections inside."""
        return self.activity_regularizer  # type: ignore[no-any-return]

    @model_validator(mode="after")
    def _groups(self) -> Self:
        if self.num_query_heads % self.num_key_value_heads:
            counts = f"num_query_heads={self.num_query_heads}, num_key_value_heads={self.num_key_value_heads}"
            raise ValueError(f"every head of keys and values serves as many query heads, but {counts}")
        return self

    def infer_shape(
        self,
        query: Shape,
        value: Shape,
        key: Shape | None = None,
        query_mask: Shape | None = None,
        value_mask: Shape | None = None,
        key_mask: Shape | None = None,
        attention_mask: Shape | None = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Shapes:
        self.check_shapes(query, value, key or value)
        if len(query) != 3:
            raise RankError(f"GroupQueryAttention takes inputs of rank 3 (batch axis included), got {show(query)}")
        if query[-1] != value[-1]:
            raise ShapeError(f"query and value must have last axes of one length, got {show(query)} and {show(value)}")
        merged(query[0], value[0])
        given = {"query_mask": query_mask, "value_mask": value_mask, "key_mask": key_mask}
        self.check_given_masks((1,), query, self.num_query_heads, value, **given, attention_mask=attention_mask)
        return [query, self.scores_of((1,), query, self.num_query_heads, value)] if return_attention_scores else query

    def axes(self, rank: int) -> tuple[int, ...]:
        """The axis attention runs over."""
        return (1,)

    def projections(self, query: Shape, value: Shape, key: Shape) -> dict[str, tuple[tuple[int, ...], int]]:
        lengths = [require_dim(shape, -1, "GroupQueryAttention") for shape in (query, key, value)]
        heads, groups, depth = self.num_query_heads, self.num_key_value_heads, self.head_dim
        return {
            "query": ((lengths[0], heads, depth), 1),
            "key": ((lengths[1], groups, depth), 1),
            **({"gate": ((lengths[0], heads, depth), 1)} if self.use_gate else {}),
            "value": ((lengths[2], groups, depth), 1),
            "attention_output": ((heads, depth, lengths[0]), 2),
        }


GroupedQueryAttention = GroupQueryAttention
