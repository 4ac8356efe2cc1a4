"""Lowerings of `specs.layers.attention_unprojected`."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from spec_compiler.lowering.call import Call
from spec_compiler.lowering.expressions import ModuleExpr
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.lowering.table import lowers
from spec_compiler.lowering.weights import Rule
from spec_compiler.nn import attention as nn_attention
from spec_compiler.specs.layers.attention_unprojected import AdditiveAttention, Attention, UnprojectedAttention

SUBTRACTED = {"float16": 65504.0}
"""What Keras subtracts from a masked score; 1e9 in the other dtypes."""


@lowers(Attention, AdditiveAttention)
def attention(
    layer: Attention | AdditiveAttention,
    call: Call,
    inputs: list[Proxy],
    return_attention_scores: bool = False,
    use_causal_mask: bool = False,
) -> Any:
    query, value, key = (*inputs, inputs[1])[:3]
    masks = call.masks
    mask = None if masks[1] is None else masks[1].unsqueeze(-2)
    fused = getattr(layer, "score_mode", "") == "dot" and not return_attention_scores
    is_causal = use_causal_mask and mask is None and fused
    if use_causal_mask and not is_causal:
        steps = {} if len(call.shapes[0]) == 3 else {"dim": -2}
        causal = call.function(nn_attention.causal_mask, query, key, **steps)
        mask = causal if mask is None else mask & causal
    subtracted = SUBTRACTED.get(layer.compute_dtype, 1e9)
    scores = None
    if fused:
        if mask is not None:
            mask = torch.where(mask, 0.0, -subtracted)
            mask = mask if call.compute_dtype == "float32" else call.cast(mask)
        y = dot_product(layer, call, query, key, value, mask, is_causal)
    else:
        scores = raw_scores(layer, call, query, key)
        scores = scores if mask is None else torch.where(mask, scores, scores - subtracted)
        scores = dropped(layer, call, F.softmax(scores, dim=-1))
        y = scores @ value
    if masks[0] is not None:
        y = torch.where(masks[0].unsqueeze(-1), y, 0.0)
    return (y, scores) if return_attention_scores else y


def dot_product(
    layer: Attention | AdditiveAttention, call: Call, query: Any, key: Any, value: Any, mask: Any, is_causal: bool
) -> Any:
    """The attention through torch's kernel."""
    given = call.given(attn_mask=mask, is_causal=is_causal or None)
    query = scaled(call, query, "scale") if layer.use_scale else query
    # As one head, since torch's fast kernels take four axes alone; under a mask they are not exact.
    one_head = mask is None and len(call.shapes[0]) == 3
    if one_head:
        query, key, value = (x.unsqueeze(1) for x in (query, key, value))
    if layer.dropout and call.training is not False:
        expr = ModuleExpr(nn_attention.DotProductAttention, layer.dropout, scale=1.0)
        y = call.module(expr, name="attention")(query, key, value, **given)
    elif mask is not None:
        y = call.function(nn_attention.masked_attention, query, key, value, mask, scale=1.0)
    else:
        y = F.scaled_dot_product_attention(query, key, value, **given, scale=1.0)
    return y.squeeze(1) if one_head else y


def raw_scores(layer: Attention | AdditiveAttention, call: Call, query: Any, key: Any) -> Any:
    """How well each query meets each key, before the softmax."""
    if isinstance(layer, Attention) and layer.score_mode == "dot":
        scores = query @ key.transpose(-2, -1)
        return scaled(call, scores, "scale") if layer.use_scale else scores
    both = query.unsqueeze(-2) + key.unsqueeze(-3)
    if isinstance(layer, AdditiveAttention):
        both = torch.tanh(both)
        return (scaled(call, both, "scale", call.shapes[0][-1]) if layer.use_scale else both).sum(-1)
    both = torch.tanh(scaled(call, both, "scale") if layer.use_scale else both).sum(-1)
    return scaled(call, both, "concat_score_weight")


def scaled(call: Call, x: Any, variable: str, *shape: int | None) -> Any:
    """`x` times the learned `variable`."""
    return call.module(ModuleExpr(nn_attention.Scale, *shape), [Rule(variable, "weight")], variable)(x)


def dropped(layer: UnprojectedAttention, call: Call, scores: Any) -> Any:
    """The scores, a fraction of them dropped in training."""
    rate = layer.dropout  # type: ignore[attr-defined]
    if not rate or call.training is False:
        return scores
    return call.module(ModuleExpr(nn.Dropout, rate), name="dropout")(scores)
