"""Attention without projections, over a list of query, value and, where it is another, key."""

from typing import Any, ClassVar, Literal

from spec_compiler.specs.base import LayerSpec, MaskRule
from spec_compiler.specs.initializers.constant import Ones
from spec_compiler.specs.initializers.fans import GlorotUniform
from spec_compiler.specs.shapes import RankError, Shape, ShapeError, Shapes, require_dim, show
from spec_compiler.specs.types import Bool, Rate, Seed
from spec_compiler.specs.variable import Variable


class UnprojectedAttention(LayerSpec):
    """`softmax(scores of query and key) @ value`: (batch, query steps, features), the steps of value and key being others."""

    needs_floats: ClassVar[bool] = True

    takes_list: ClassVar[bool] = True
    supports_masking: ClassVar[bool] = True

    def infer_shape(
        self, inputs: list[Shape], return_attention_scores: bool = False, use_causal_mask: bool = False
    ) -> Shapes:
        name = type(self).__name__
        if len(inputs) not in (2, 3):
            raise ShapeError(f"{name} takes a list of query, value and perhaps key, got {len(inputs)} inputs")
        query, value, key = (*inputs, inputs[1])[:3]
        if len({len(shape) for shape in inputs}) > 1 or len(query) < 3:
            shapes = ", ".join(map(show, inputs))
            raise RankError(f"{name} takes query, value and key of one rank, 3 or more, got {shapes}")
        for given, other, axes in ((query, key, (-1,)), (value, key, (-2,)), (query, value, range(len(query) - 2))):
            if any(given[i] not in (other[i], None) and other[i] is not None for i in axes):
                raise ShapeError(f"{name} cannot attend: query {show(query)}, value {show(value)}, key {show(key)}")
        out = (*query[:-1], value[-1])
        return [out, (*query[:-1], key[-2])] if return_attention_scores else out

    def intermediates(self, inputs: list[Shape], *_: Any, **__: Any) -> list[Shape]:
        """The scores, and where they are sums over features, what these are sums of."""
        query, key = inputs[0], inputs[-1]
        scores = (*query[:-1], key[-2])
        return [(*scores, query[-1])] if self.scores_are_sums else [scores]

    @property
    def scores_are_sums(self) -> bool:
        """Whether a score is a sum over the features of query and key put together, not their product."""
        return True

    def mask_axes(self, x: Shape, index: int, rank: int) -> Shape | None:
        return x[:-1]

    def output_mask(self, masked: tuple[bool, ...], **_: Any) -> MaskRule:
        return "first" if masked[:1] == (True,) else "none"


class Attention(UnprojectedAttention):
    """Dot-product attention, Luong et al. 2015 (arXiv:1508.04025)."""

    use_scale: Bool = False
    """Whether a learned scalar scales the scores."""
    score_mode: Literal["dot", "concat"] = "dot"
    """`dot`: the product of query and key; `concat`: a learned scalar times the sum of `tanh(query + key)`."""
    dropout: Rate = 0.0
    """Fraction of the attention scores dropped in training."""
    seed: Seed = None
    """Seed of the dropout."""

    @property
    def scores_are_sums(self) -> bool:
        return self.score_mode == "concat"

    def variables(self, inputs: list[Shape], *_: Any, **__: Any) -> list[Variable]:
        scale = [Variable("scale", (), Ones())] if self.use_scale else []
        return [*scale, Variable("concat_score_weight", (), Ones())] if self.score_mode == "concat" else scale


class AdditiveAttention(UnprojectedAttention):
    """Additive attention, Bahdanau et al. 2015 (arXiv:1409.0473): scores are the sum of `scale * tanh(query + key)`."""

    use_scale: Bool = True
    """Whether the scale is learned, one number a feature; else it is 1."""
    dropout: Rate = 0.0
    """Fraction of the attention scores dropped in training."""
    seed: Seed = None
    """Seed of the dropout."""

    def variables(self, inputs: list[Shape], *_: Any, **__: Any) -> list[Variable]:
        n = require_dim(inputs[0], -1, "AdditiveAttention")
        return [Variable("scale", (n,), GlorotUniform())] if self.use_scale else []
