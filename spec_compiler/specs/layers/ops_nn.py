"""Losses, normalization and attention as operations. What they compute: https://keras.io/api/ops/nn/."""

from __future__ import annotations

from typing import Any, Literal

from spec_compiler.specs.layers.ops_arguments import Axes, Count, Counts, Number, Size, Sizes
from spec_compiler.specs.layers.ops_table import Module, on_the_way, takes_complex
from spec_compiler.specs.layers.ops_types import (
    axis_in,
    broadcast,
    floating,
    promoted,
    require_floats,
    require_ints,
    require_numbers,
    some_axes_in,
    together,
)
from spec_compiler.specs.shapes import NothingLeftError, RankError, Shape, ShapeError, TensorType, merged, product, show

op = Module("keras.src.ops.nn")

takes_complex("DepthToSpace SpaceToDepth")


# Losses, one number a sample.


def _agreed(a: Shape, b: Shape, what: str = "target and output") -> Shape:
    if len(a) != len(b):
        raise ShapeError(f"{what} are of one shape, got {show(a)} and {show(b)}")
    try:
        return tuple(merged(n, m) for n, m in zip(a, b, strict=True))
    except ShapeError:
        raise ShapeError(f"{what} are of one shape, got {show(a)} and {show(b)}") from None


@op
def BinaryCrossentropy(target: TensorType, output: TensorType, *, from_logits: bool = False) -> TensorType:
    require_floats(target, output)
    return TensorType(_agreed(target.shape, output.shape), output.dtype)


@op
def CategoricalCrossentropy(
    target: TensorType, output: TensorType, *, from_logits: bool = False, axis: int = -1
) -> TensorType:
    require_floats(output)
    shape = _agreed(target.shape, output.shape)
    axis = axis_in(axis, len(shape))
    return TensorType((*shape[:axis], *shape[axis + 1 :]), together(target, output))


@op
def SparseCategoricalCrossentropy(
    target: TensorType, output: TensorType, *, from_logits: bool = False, axis: int = -1
) -> TensorType:
    require_floats(output)
    axis = axis_in(axis, len(output.shape))
    shape = target.shape
    if len(shape) == len(output.shape) and shape[axis] == 1:
        shape = (*shape[:axis], *shape[axis + 1 :])
    return TensorType(_agreed(shape, (*output.shape[:axis], *output.shape[axis + 1 :])), output.dtype)


@op.having(function="ctc_loss")
def CTCLoss(
    target: TensorType,
    output: TensorType,
    target_length: TensorType,
    output_length: TensorType,
    *,
    mask_index: Count = 0,
) -> TensorType:
    """Connectionist temporal classification, Graves et al. 2006: labels (batch, n) and scores (batch, steps, classes)."""
    require_ints(target, target_length, output_length)
    require_floats(output)
    if (len(target.shape), len(output.shape), len(target_length.shape), len(output_length.shape)) != (2, 3, 1, 1):
        raise RankError("it takes a target of rank 2, an output of rank 3, and lengths of rank 1")
    if output.shape[-1] is not None and mask_index >= output.shape[-1]:
        raise ShapeError(f"mask_index {mask_index} is out of range for {output.shape[-1]} classes")
    batch = merged(target.shape[0], output.shape[0])
    for lengths in (target_length, output_length):
        batch = merged(batch, lengths.shape[0])
    return TensorType((batch,), promoted(output.dtype, "float32"))


@op.having(function="ctc_decode")
def CTCDecode(
    inputs: TensorType,
    sequence_lengths: TensorType,
    *,
    strategy: Literal["greedy", "beam_search"] = "greedy",
    beam_width: Size = 100,
    top_paths: Size = 1,
    merge_repeated: bool = True,
    mask_index: Count | None = 0,
) -> list[TensorType]:
    """The likeliest labels (paths, batch, steps), padded with -1, and their scores (batch, paths).

    The scores of the greedy search are negated, and its path is one.
    """
    if top_paths > beam_width:
        raise ShapeError(f"a beam search of width {beam_width} finds no {top_paths} paths")
    if len(inputs.shape) != 3 or len(sequence_lengths.shape) != 1:
        raise ShapeError("it takes scores of shape (batch, steps, classes) and one length a sample")
    require_floats(inputs)
    require_ints(sequence_lengths)
    batch, steps = merged(inputs.shape[0], sequence_lengths.shape[0]), inputs.shape[1]
    paths = 1 if strategy == "greedy" else top_paths
    return [TensorType((paths, batch, steps), "int32"), TensorType((batch, paths), promoted(inputs.dtype, "float32"))]


@op.having(function="psnr", order="x1 x2 max_val")
def PSNR(x1: TensorType, x2: TensorType, *, max_val: Number) -> TensorType:
    """Peak signal-to-noise ratio, in decibels."""
    _agreed(x1.shape, x2.shape, "x1 and x2")
    if max_val <= 0:
        raise ShapeError(f"max_val is above 0, got {max_val}")
    require_floats(x1, x2)
    return TensorType((), together(x1, x2))


# Normalization.


@op.having(function="batch_normalization", order="x mean variance axis offset scale epsilon")
def BatchNorm(
    x: TensorType,
    mean: TensorType,
    variance: TensorType,
    offset: TensorType | None = None,
    scale: TensorType | None = None,
    *,
    axis: int,
    epsilon: Number = 0.001,
) -> TensorType:
    require_floats(x)
    require_numbers(mean)
    n = x.shape[axis_in(axis, len(x.shape))]
    for name, value in (("mean", mean), ("variance", variance), ("offset", offset), ("scale", scale)):
        if value is not None and (len(value.shape) != 1 or (n is not None and value.shape[0] not in (n, None))):
            raise ShapeError(f"{name} is of shape ({n},), got {show(value.shape)}")
    # Keras says the dtype of x, and gives that in which all meet, the root of the variance among them.
    root = TensorType(variance.shape, floating(variance))
    return TensorType(x.shape, together(x, *(value for value in (mean, root, offset, scale) if value is not None)))


@op.having(function="layer_normalization", order="x gamma beta axis epsilon")
def LayerNorm(
    x: TensorType,
    gamma: TensorType | None = None,
    beta: TensorType | None = None,
    *,
    axis: Axes = -1,
    epsilon: Number | None = None,
    rms_scaling: bool = False,
) -> TensorType:
    _require_scales(x, axis, gamma, beta)
    return x


@op.having(function="rms_normalization", order="x scale axis epsilon", named="scale")
def RMSNorm(
    x: TensorType, scale: TensorType | None = None, *, axis: Axes = -1, epsilon: Number | None = None
) -> TensorType:
    _require_scales(x, axis, scale)
    return x


def _require_scales(x: TensorType, axis: Axes, *scales: TensorType | None) -> None:
    require_floats(x)
    shape = tuple(x.shape[i] for i in sorted(some_axes_in(axis, len(x.shape))))
    for scale in scales:
        if scale is None:
            continue
        if len(scale.shape) != len(shape) or any(
            None not in (a, b) and a != b for a, b in zip(scale.shape, shape, strict=True)
        ):
            raise ShapeError(f"the scales are of shape {show(shape)}, got {show(scale.shape)}")


# Attention.


@op.having(named="bias mask scale")
def DotProductAttention(
    query: TensorType,
    key: TensorType,
    value: TensorType,
    bias: TensorType | None = None,
    mask: TensorType | None = None,
    scale: Number | None = None,
    *,
    is_causal: bool = False,
    flash_attention: bool | None = None,
    attn_logits_soft_cap: Number | None = None,
) -> TensorType:
    """Vaswani et al. 2017 (arXiv:1706.03762): (batch, steps, heads, dim) -> (batch, steps, heads, dim of value)."""
    for x in (query, key, value):
        if len(x.shape) != 4:
            raise ShapeError(f"it takes tensors of shape (batch, steps, heads, dim), got {show(x.shape)}")
    dtype = together(query, key, value)
    require_floats(TensorType((), dtype))
    if bias is not None and mask is not None:
        raise ShapeError("it takes a bias or a mask, not both")
    if attn_logits_soft_cap is not None:
        raise ShapeError("attn_logits_soft_cap cannot be built yet", help="leave it out")
    heads, others = query.shape[2], merged(key.shape[2], value.shape[2])
    if None not in (heads, others) and heads % others:  # type: ignore[operator]
        raise ShapeError(f"{heads} heads of the query cannot be shared out to {others} of the key")
    merged(query.shape[3], key.shape[3])
    scores = (query.shape[0], heads, query.shape[1], merged(key.shape[1], value.shape[1]))
    for added in (bias, mask):
        if added is not None and (len(added.shape) < 2 or len(broadcast(added.shape, scores)) > 4):
            raise ShapeError(f"a mask or a bias is of shape (batch, heads, steps, steps), got {show(added.shape)}")
    return TensorType((*query.shape[:3], value.shape[3]), dtype)


@on_the_way("DotProductAttention")
def _scores(query: TensorType, key: TensorType, *_: Any, **__: Any) -> list[Shape]:
    return [(query.shape[0], query.shape[2], query.shape[1], key.shape[1])]


# Blocks of images, as torch arranges them.


@op.having(order="x kernel_size dilation padding stride")
def Unfold(
    x: TensorType, *, kernel_size: Sizes, dilation: Sizes = 1, padding: Counts = 0, stride: Sizes = 1
) -> TensorType:
    """Windows as columns: (batch, channels, height, width) -> (batch, channels * window, windows)."""
    if len(x.shape) != 4:
        raise ShapeError(f"it takes a tensor of shape (batch, channels, height, width), got {show(x.shape)}")
    require_floats(x)
    counts = _windows(x.shape[2:], kernel_size, dilation, padding, stride)
    window = product(_pair(kernel_size))
    channels = x.shape[1]
    return TensorType(
        (x.shape[0], None if channels is None or window is None else channels * window, product(counts)), x.dtype
    )


@op.having(order="x output_size kernel_size dilation padding stride")
def Fold(
    x: TensorType,
    *,
    output_size: Sizes,
    kernel_size: Sizes,
    dilation: Sizes = 1,
    padding: Counts = 0,
    stride: Sizes = 1,
) -> TensorType:
    """Columns added up as windows: (batch, channels * window, windows) -> (batch, channels, *output_size)."""
    if len(x.shape) != 3:
        raise ShapeError(f"it takes a tensor of shape (batch, channels * window, windows), got {show(x.shape)}")
    require_floats(x)
    size = _pair(output_size)
    merged(product(_windows(size, kernel_size, dilation, padding, stride)), x.shape[2])
    window = product(_pair(kernel_size)) or 1
    columns = x.shape[1]
    if columns is not None and columns % window:
        raise ShapeError(f"axis 1 of length {columns} is no multiple of the window's {window} elements")
    return TensorType((x.shape[0], None if columns is None else columns // window, *size), x.dtype)


def _pair(sizes: Sizes) -> tuple[int, int]:
    found = (sizes, sizes) if isinstance(sizes, int) else tuple(sizes)
    if len(found) != 2:
        raise ShapeError(f"it takes a number or two of them, height and width, got {len(found)}")
    return found


def _windows(dims: Shape, kernel: Sizes, dilation: Sizes, padding: Counts, stride: Sizes) -> Shape:
    counts: list[int | None] = []
    for n, k, d, p, s in zip(dims, *map(_pair, (kernel, dilation, padding, stride)), strict=True):
        room = None if n is None else n + 2 * p - d * (k - 1) - 1
        if room is not None and room < 0:
            raise NothingLeftError(f"a window of {d * (k - 1) + 1} does not fit an axis of length {n}")
        counts.append(None if room is None else room // s + 1)
    return tuple(counts)


@op.having(order="x block_size data_format")
def DepthToSpace(
    x: TensorType, *, block_size: Size, data_format: Literal["channels_last", "channels_first"] = "channels_last"
) -> TensorType:
    n, h, w, c = _image(x, data_format)
    if c is not None and c % block_size**2:
        raise ShapeError(f"{c} channels are no multiple of {block_size**2}, the pixels of a block")
    height, width = (None if d is None else d * block_size for d in (h, w))
    channels = None if c is None else c // block_size**2
    shape = (n, height, width, channels) if data_format == "channels_last" else (n, channels, height, width)
    return TensorType(shape, x.dtype)


@op.having(order="x block_size data_format")
def SpaceToDepth(
    x: TensorType, *, block_size: Size, data_format: Literal["channels_last", "channels_first"] = "channels_last"
) -> TensorType:
    n, h, w, c = _image(x, data_format)
    if any(d is not None and d % block_size for d in (h, w)):
        raise ShapeError(f"height and width {show((h, w))} are no multiples of {block_size}")
    height, width = (None if d is None else d // block_size for d in (h, w))
    channels = None if c is None else c * block_size**2
    shape = (n, height, width, channels) if data_format == "channels_last" else (n, channels, height, width)
    return TensorType(shape, x.dtype)


def _image(x: TensorType, data_format: str) -> Shape:
    """Batch, height, width and channels."""
    if len(x.shape) != 4:
        raise RankError(f"it takes images, a tensor of rank 4, got {show(x.shape)}")
    n, a, b, c = x.shape
    return (n, a, b, c) if data_format == "channels_last" else (n, b, c, a)
