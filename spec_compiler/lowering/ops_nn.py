"""Lowerings of `specs.layers.ops_nn`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F

from spec_compiler.lowering.expressions import differing
from spec_compiler.lowering.ops_call import OpCall, lowering, torch_dtype
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.nn.attention import masked_attention
from spec_compiler.nn.ops_nn import ctc_beam_decode, ctc_greedy_decode
from spec_compiler.specs.layers.ops_types import axes_in

EPSILON = 1e-07
"""What Keras takes where no epsilon is stated."""


# Losses.


@lowering
def BinaryCrossentropy(op: OpCall, target: Proxy, output: Proxy, *, from_logits: bool) -> Any:
    target = op.cast(target, op.dtype)
    if from_logits:
        return F.binary_cross_entropy_with_logits(output, target, reduction="none")
    return F.binary_cross_entropy(output.clamp(EPSILON, 1 - EPSILON), target, reduction="none")


def _log_of_shares(output: Any, axis: int) -> Any:
    return (output / output.sum(axis, keepdim=True)).clamp(EPSILON, 1 - EPSILON).log()


@lowering
def CategoricalCrossentropy(op: OpCall, target: Proxy, output: Proxy, *, from_logits: bool, axis: int) -> Any:
    logarithm = F.log_softmax(output, dim=axis) if from_logits else _log_of_shares(output, axis)
    return -(target * logarithm).sum(axis)


@lowering
def SparseCategoricalCrossentropy(op: OpCall, target: Proxy, output: Proxy, *, from_logits: bool, axis: int) -> Any:
    rank, axis = op.rank(output), axis % op.rank(output)
    whole = op.rank(target) == rank
    target = op.cast(target, "int64")
    target = target.squeeze(axis) if whole else target
    # torch wants the classes on axis 1, or on the only one.
    output = output.movedim(axis, 1) if rank > 1 and axis != 1 else output
    if from_logits:
        return F.cross_entropy(output, target, reduction="none")
    return F.nll_loss(_log_of_shares(output, 1 if rank > 1 else 0), target, reduction="none")


@lowering
def CTCLoss(
    op: OpCall, target: Proxy, output: Proxy, target_length: Proxy, output_length: Proxy, *, mask_index: int
) -> Any:
    scores = F.log_softmax(op.cast(output, op.dtype).transpose(0, 1), dim=-1)
    blank = differing({"blank": (mask_index, 0)})
    return F.ctc_loss(scores, target, output_length, target_length, **blank, reduction="none")


@lowering
def CTCDecode(
    op: OpCall, inputs: Proxy, sequence_lengths: Proxy, *, strategy: str, beam_width: int, top_paths: int,
    merge_repeated: bool, mask_index: int | None,
) -> Any:  # fmt: skip
    function: Callable[..., Any] = ctc_greedy_decode
    stated = {"merge_repeated": (merge_repeated, True), "blank": (mask_index, 0)}
    if strategy == "beam_search":
        function = ctc_beam_decode
        stated = {"width": (beam_width, 100), "paths": (top_paths, 1), "blank": (mask_index, 0)}
    scores = op.cast(inputs, op.outputs[1].dtype)
    return op.call.outputs(op.call.function(function, scores, sequence_lengths, **differing(stated)))


@lowering
def PSNR(op: OpCall, x1: Proxy, x2: Proxy, *, max_val: float) -> Any:
    return 20 * math.log10(max_val) - 10 * torch.log10((x1 - x2).square().mean())


# Normalization.


@lowering
def BatchNorm(
    op: OpCall, x: Proxy, mean: Proxy, variance: Proxy, offset: Proxy | None, scale: Proxy | None, *, axis: int,
    epsilon: float,
) -> Any:  # fmt: skip
    behind = op.rank(x) - 1 - axis % op.rank(x)

    def spread(values: Any) -> Any:
        return values[(..., *[None] * behind)] if behind else values

    factor = torch.rsqrt(variance + epsilon)
    y = (x - spread(mean)) * spread(factor if scale is None else factor * scale)
    return y if offset is None else y + spread(offset)


def _last(op: OpCall, x: Proxy, axis: Any) -> tuple[int, ...] | None:
    """Lengths of the axes if they are the last ones and known: torch's kernels take those alone."""
    shape = op.type(x).shape
    axes = sorted(axes_in(axis, len(shape)))
    lengths = tuple(shape[i] for i in axes)
    return lengths if axes == list(range(len(shape) - len(axes), len(shape))) and None not in lengths else None  # type: ignore[return-value]


def _spread(op: OpCall, x: Proxy, values: Any, axis: Any) -> Any:
    """One value for each place along the axes, as a tensor that is stretched over the others."""
    rank, axes = op.rank(x), sorted(axes_in(axis, op.rank(x)))
    first = axes[0]
    key = [slice(None) if i in axes else None for i in range(first, rank)]
    return values if None not in key else values[tuple(key)]


@lowering
def LayerNorm(
    op: OpCall, x: Proxy, gamma: Any, beta: Any, *, axis: Any, epsilon: float | None, rms_scaling: bool
) -> Any:
    eps = EPSILON if epsilon is None else epsilon
    half = op.dtype in ("float16", "bfloat16")
    dtype = "float32" if half else op.dtype
    x = op.cast(x, dtype)
    gamma, beta = (v if v is None else op.cast(v, dtype) for v in (gamma, beta))
    lengths = _last(op, x, axis)
    if lengths is not None and not rms_scaling:
        y = F.layer_norm(x, lengths, **op.call.given(weight=gamma, bias=beta), eps=eps)
    else:
        dims = tuple(axes_in(axis, op.rank(x)))
        # "rms_scaling" leaves the mean in, and the offset out.
        y = (x if rms_scaling else x - x.mean(dims, keepdim=True)) * torch.rsqrt(
            x.var(dims, correction=0, keepdim=True) + eps
        )
        y = y if gamma is None else y * _spread(op, x, gamma, axis)
        y = y if beta is None or rms_scaling else y + _spread(op, x, beta, axis)
    return y.to(torch_dtype(op.dtype)) if half else y


@lowering
def RMSNorm(op: OpCall, x: Proxy, scale: Any, *, axis: Any, epsilon: float | None) -> Any:
    eps = EPSILON if epsilon is None else epsilon
    half = op.dtype in ("float16", "bfloat16")
    dtype = "float32" if half else op.dtype
    x, scale = op.cast(x, dtype), scale if scale is None else op.cast(scale, dtype)
    lengths = _last(op, x, axis)
    if lengths is not None:
        y = F.rms_norm(x, lengths, **op.call.given(weight=scale), eps=eps)
    else:
        y = x * torch.rsqrt(x.square().mean(tuple(axes_in(axis, op.rank(x))), keepdim=True) + eps)
        y = y if scale is None else y * _spread(op, x, scale, axis)
    return y.to(torch_dtype(op.dtype)) if half else y


# Attention.


@lowering
def DotProductAttention(
    op: OpCall, query: Proxy, key: Proxy, value: Proxy, bias: Any, mask: Any, scale: float | None, *, is_causal: bool,
    flash_attention: bool | None, attn_logits_soft_cap: float | None,
) -> Any:  # fmt: skip
    heads, others = op.type(query).shape[2], op.type(key).shape[2]
    q, k, v = (op.cast(x, op.dtype).transpose(1, 2) for x in (query, key, value))
    if None not in (heads, others) and heads != others:
        k, v = (x.repeat_interleave(heads // others, 1) for x in (k, v))  # type: ignore[operator]
    stated: dict[str, Any] = op.call.given(scale=scale)
    if mask is not None:
        mask = op.cast(mask, "bool")
        mask = _added(op, mask & _earlier(mask, query, key) if is_causal else mask)
    elif bias is not None:
        bias = op.cast(bias, op.dtype)
        mask = bias + _added(op, _earlier(bias, query, key)) if is_causal else bias
    if mask is not None:
        return op.call.function(masked_attention, q, k, v, mask, **stated).transpose(1, 2)
    stated |= {"is_causal": True} if is_causal else {}
    return F.scaled_dot_product_attention(q, k, v, **stated).transpose(1, 2)


def _earlier(like: Any, query: Proxy, key: Proxy) -> Any:
    """Where a key is no later than the query."""
    return like.new_ones((query.size(1), key.size(1)), dtype=torch.bool).tril()


def _added(op: OpCall, mask: Any) -> Any:
    """What is added to the scores: a number where they are masked, so that a row that sees nothing is the mean of all."""
    least = 0.7 * (-65500.0 if op.dtype == "float16" else -3.38953e38)
    return torch.where(mask, 0.0, least).to(torch_dtype(op.dtype))


# Blocks of images.


def _sizes(sizes: Any) -> Any:
    return sizes if isinstance(sizes, int) else tuple(sizes)


def _blocks(dilation: Any, padding: Any, stride: Any) -> dict[str, Any]:
    stated = {"dilation": (dilation, 1), "padding": (padding, 0), "stride": (stride, 1)}
    return {key: _sizes(value) for key, value in differing(stated).items()}


@lowering
def Unfold(op: OpCall, x: Proxy, *, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> Any:
    return F.unfold(x, _sizes(kernel_size), **_blocks(dilation, padding, stride))


@lowering
def Fold(op: OpCall, x: Proxy, *, output_size: Any, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> Any:
    return F.fold(x, _sizes(output_size), _sizes(kernel_size), **_blocks(dilation, padding, stride))


@lowering
def DepthToSpace(op: OpCall, x: Proxy, *, block_size: int, data_format: str) -> Any:
    if data_format == "channels_first":
        return F.pixel_shuffle(x, block_size)
    # TensorFlow's order: the pixel of the block comes before the channel.
    return torch.unflatten(x, -1, (block_size, block_size, -1)).permute(0, 1, 3, 2, 4, 5).flatten(3, 4).flatten(1, 2)


@lowering
def SpaceToDepth(op: OpCall, x: Proxy, *, block_size: int, data_format: str) -> Any:
    if data_format == "channels_first":
        return F.pixel_unshuffle(x, block_size)
    blocks = torch.unflatten(torch.unflatten(x, 2, (-1, block_size)), 1, (-1, block_size))
    return blocks.permute(0, 1, 3, 2, 4, 5).flatten(3)
