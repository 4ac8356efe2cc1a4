"""Lowerings of `specs.layers.attention`: projections, and torch's scaled_dot_product_attention between them."""

from __future__ import annotations

from functools import reduce
from math import prod
from operator import and_
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
from spec_compiler.specs.layers.attention import GroupQueryAttention, MultiHeadAttention, ProjectedAttention

ARGUMENTS = ("query", "value", "key", "query_mask", "value_mask", "key_mask", "attention_mask")

MASKED = {"float16": -3e4}
"""What Keras puts in a masked score's place; -1e9 in the other dtypes."""


@lowers(MultiHeadAttention, GroupQueryAttention)
def projected_attention(
    layer: ProjectedAttention,
    call: Call,
    query: Proxy,
    value: Proxy,
    key: Proxy | None = None,
    query_mask: Proxy | None = None,
    value_mask: Proxy | None = None,
    key_mask: Proxy | None = None,
    attention_mask: Proxy | None = None,
    return_attention_scores: bool = False,
    use_causal_mask: bool = False,
) -> Any:
    heads = Heads(layer, call, {"query": query, "value": value, "key": value if key is None else key})
    masks = heads.masks({"query": query_mask, "value": value_mask, "key": key_mask}, attention_mask)
    # The kernel's own causal mask serves where there is no other, and where no score is to be seen.
    is_causal = use_causal_mask and not masks and not return_attention_scores
    if use_causal_mask and not is_causal:
        masks.append(call.function(nn_attention.causal_mask, query, value))
    mask = reduce(and_, masks) if masks else None
    q, k, v = (heads.split(heads.project(name), name) for name in ("query", "key", "value"))
    scores = None
    if return_attention_scores:
        y, scores = heads.scored(q, k, v, mask)
    else:
        y = heads.attend(q, k, v, mask, is_causal)
    y = heads.join(y)
    if layer.use_gate:
        y = y * heads.project("gate")
    y = heads.project("attention_output", y)
    return y if scores is None else (y, scores)


class Heads:
    """One call's way to heads and back; attention may run over any of the axes between the first and the last.

    Projected, a tensor is (batch, *axes, heads * length). Split, it is (batch, *others, heads, steps, length): the axes
    that attention runs over are made one, that of the steps.
    """

    def __init__(self, layer: Any, call: Call, inputs: dict[str, Proxy]) -> None:
        given = {**dict(zip(ARGUMENTS, call.node.args, strict=False)), **call.node.kwargs}
        self.named = {name for name in inputs if given.get(name) is not None}
        given["key"] = given.get("key") or given["value"]
        self.layer, self.call, self.inputs, self.given = layer, call, inputs, given
        shapes = {name: given[name].shape for name in inputs}
        self.kernels = layer.projections(*(shapes[name] for name in ("query", "value", "key")))
        self.rank = len(shapes["query"])
        self.axes = layer.axes(self.rank)
        self.others = [axis for axis in range(1, self.rank - 1) if axis not in self.axes]
        self.grouped = self.kernels["query"][0][1] != self.kernels["key"][0][1]
        # What is not known beforehand is asked of the tensor.
        self.steps = {
            name: [inputs[name].shape[axis] if shapes[name][axis] is None else shapes[name][axis] for axis in self.axes]
            for name in ("query", "value")
        }

    def project(self, name: str, x: Any = None) -> Any:
        """`x`, or the input that the projection `name` is of, through the projection: an `nn.Linear`."""
        shape, taken = self.kernels[name]
        n, m = prod(shape[:taken]), prod(shape[taken:])
        bias = {} if self.layer.use_bias else {"bias": False}
        rules = [Rule(f"{name}/kernel", "weight", shape=(n, m), axes=(1, 0)), Rule(f"{name}/bias", "bias", shape=(m,))]
        linear = self.call.module(ModuleExpr(nn.Linear, n, m, **bias), rules[: 1 + self.layer.use_bias], name)
        if x is None:
            x = self.inputs["query" if name == "gate" else name]
        y = torch.sigmoid(linear(x)) if name == "gate" else linear(x)
        self.call.penalize(self.layer.activity_regularizer, y)
        return y if name != "attention_output" or len(shape) == taken + 1 else y.unflatten(-1, shape[taken:])

    def split(self, x: Any, name: str) -> Any:
        """Projected -> split."""
        x = self.transposed(x.unflatten(-1, self.kernels[name][0][1:]))
        return x.flatten(-1 - len(self.axes), -2) if len(self.axes) > 1 else x

    def transposed(self, x: Any) -> Any:
        """(batch, *axes, heads, length) -> (batch, *others, heads, *attention axes, length)."""
        order = (0, *self.others, self.rank - 1, *self.axes, self.rank)
        return x.transpose(1, 2) if order == (0, 2, 1, 3) else x.permute(order)

    def join(self, x: Any) -> Any:
        """Split -> (batch, *axes, heads * length)."""
        if len(self.axes) > 1:
            x = x.unflatten(-2, self.steps["query"])
        order = (0, *self.others, self.rank - 1, *self.axes, self.rank)
        back = tuple(order.index(axis) for axis in range(self.rank + 1))
        return (x.transpose(1, 2) if back == (0, 2, 1, 3) else x.permute(back)).flatten(-2)

    def masks(self, explicit: dict[str, Proxy | None], attention_mask: Proxy | None) -> list[Any]:
        """Every mask but the causal one, as it meets the scores: (batch, *others, heads, steps, steps)."""
        own = dict(zip(map(id, self.call.node.inputs), self.call.masks, strict=True))
        ranks = dict(zip(map(id, self.call.node.inputs), self.call.mask_ranks, strict=True))
        found = []
        for name, mask in explicit.items():
            if mask is not None and not (name == "query" and isinstance(self.layer, MultiHeadAttention)):
                stated = self.given[f"{name}_mask"]
                found.append(self.placed(_bool(mask, stated.dtype), len(stated.shape), name))
            elif name in self.named and not self.layer.attends_unmasked and own[id(self.given[name])] is not None:
                found.append(self.placed(own[id(self.given[name])], ranks[id(self.given[name])], name))
        if attention_mask is not None:
            stated = self.given["attention_mask"]
            found.append(self.aligned(_bool(attention_mask, stated.dtype), len(stated.shape)))
        if self.layer.sliding_window:
            width = self.layer.sliding_window
            found.append(
                self.call.function(nn_attention.window_mask, self.inputs["query"], self.inputs["value"], width)
            )
        return found

    def placed(self, mask: Any, rank: int, name: str) -> Any:
        """A mask of the positions of query, value or key, (batch, *axes), along the axis of the scores that is theirs."""
        for _ in range(self.rank - 1 - rank):
            mask = mask.unsqueeze(-1)
        if self.others:
            mask = mask.permute(0, *self.others, *self.axes)
        if len(self.axes) > 1:
            if rank < self.rank - 1:
                mask = mask.expand(*[-1] * (1 + len(self.others)), *self.steps["query" if name == "query" else "value"])
            mask = mask.flatten(-len(self.axes))
        return mask.unsqueeze(1 + len(self.others)).unsqueeze(-1 if name == "query" else -2)

    def aligned(self, mask: Any, rank: int) -> Any:
        """A mask of pairs of positions, (..., *attention axes, *attention axes), with the scores' axes."""
        k = len(self.axes)
        if k > 1:
            mask = mask.expand(*[-1] * (rank - 2 * k), *self.steps["query"], *self.steps["value"])
            mask = mask.flatten(-k).flatten(-1 - k, -2)
        for _ in range(len(self.others) + 2 + 2 * k - rank):
            mask = mask.unsqueeze(-3)
        return mask

    def attend(self, q: Any, k: Any, v: Any, mask: Any, is_causal: bool) -> Any:
        """Each head's output, through torch's kernel."""
        stated: dict[str, Any] = {"enable_gqa": True} if self.grouped else {}
        if mask is not None and self.rank == 3 and not self.layer.dropout:
            # Keras has two ways to mask; they differ where a position attends to none. Its kernel averages all values,
            # its own softmax gives zeros, as torch does for a mask of booleans.
            dtype = getattr(torch, self.layer.compute_dtype)
            mask = self.call.function(nn_attention.additive_mask, mask, dtype)
            return self.call.function(nn_attention.masked_attention, q, k, v, mask, **stated)
        given = self.call.given(attn_mask=mask, is_causal=is_causal or None)
        if self.layer.dropout and self.call.training is not False:
            expr = ModuleExpr(nn_attention.DotProductAttention, self.layer.dropout, **stated)
            return self.call.module(expr, name="attention")(q, k, v, **given)
        return F.scaled_dot_product_attention(q, k, v, **given, **stated)

    def scored(self, q: Any, k: Any, v: Any, mask: Any) -> tuple[Any, Any]:
        """Each head's output, and the scores it weighs the values by."""
        if self.grouped:
            repeats = self.kernels["query"][0][1] // self.kernels["key"][0][1]
            k, v = (x.repeat_interleave(repeats, dim=1) for x in (k, v))
        scores = (q * self.kernels["query"][0][2] ** -0.5) @ k.transpose(-2, -1)
        scores = masked_softmax(scores, mask, MASKED.get(self.layer.compute_dtype, -1e9))
        weights = scores
        if self.layer.dropout and self.call.training is not False:
            weights = self.call.module(ModuleExpr(nn.Dropout, self.layer.dropout), name="dropout")(scores)
        y = weights @ v
        if len(self.axes) > 1:
            scores = scores.unflatten(-1, self.steps["value"]).unflatten(-1 - len(self.axes), self.steps["query"])
        return y, scores


def masked_softmax(scores: Any, mask: Any, least: float) -> Any:
    """Softmax over the last axis where `mask` is true, zero elsewhere."""
    if mask is None:
        return F.softmax(scores, dim=-1)
    return torch.where(mask, F.softmax(torch.where(mask, scores, least), dim=-1), 0.0)


def _bool(mask: Any, dtype: str) -> Any:
    return mask if dtype == "bool" else mask.bool()
