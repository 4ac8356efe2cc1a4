"""Drawing a weight's first values, in Keras's layout and with Keras's fans."""

from __future__ import annotations

import math
from functools import singledispatch

import torch
from torch import Tensor

from spec_compiler.lowering.windows import window
from spec_compiler.specs.initializers import (
    STFT,
    Constant,
    FanScaling,
    Identity,
    Initializer,
    Ones,
    Orthogonal,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
    Zeros,
    fans,
)

# Standard deviation of a standard normal distribution cut at ±2.
_TRUNCATED_STDDEV = 0.87962566103423978


def initialize(
    init: Initializer, shape: tuple[int, ...], dtype: torch.dtype, generator: torch.Generator | None = None
) -> Tensor:
    """The first values of a weight of `shape`, Keras's layout, as `init` says; on the CPU.

    An initializer with a seed gives the same values every time; without one it draws from `generator`, or from
    torch's global generator when that is None. Dtypes narrower than float32 are drawn in float32 and rounded. The
    distributions are those of https://keras.io/api/layers/initializers/. Raises ShapeError when `init` cannot fill
    such a shape.
    """
    init.check_shape(shape)
    seed = getattr(init, "seed", None)
    if seed is not None:
        generator = torch.Generator().manual_seed(seed % 2**64)
    drawn = _draw(init, shape, torch.promote_types(dtype, torch.float32), generator)
    return drawn.to(dtype)


@singledispatch
def _draw(init: Initializer, shape: tuple[int, ...], dtype: torch.dtype, generator: torch.Generator | None) -> Tensor:
    raise NotImplementedError(f"no values for {type(init).__name__}")


@_draw.register
def _(init: Zeros, shape: tuple[int, ...], dtype: torch.dtype, generator: torch.Generator | None) -> Tensor:
    return torch.zeros(shape, dtype=dtype, device="cpu")


@_draw.register
def _(init: Ones, shape: tuple[int, ...], dtype: torch.dtype, generator: torch.Generator | None) -> Tensor:
    return torch.ones(shape, dtype=dtype, device="cpu")


@_draw.register
def _(init: Constant, shape: tuple[int, ...], dtype: torch.dtype, generator: torch.Generator | None) -> Tensor:
    return torch.tensor(init.array, dtype=dtype, device="cpu").expand(shape).clone()


@_draw.register
def _(init: Identity, shape: tuple[int, ...], dtype: torch.dtype, generator: torch.Generator | None) -> Tensor:
    return init.gain * torch.eye(*shape, dtype=dtype, device="cpu")


@_draw.register
def _(init: RandomNormal, shape: tuple[int, ...], dtype: torch.dtype, generator: torch.Generator | None) -> Tensor:
    return _normal(shape, dtype, generator).mul_(init.stddev).add_(init.mean)


@_draw.register
def _(init: TruncatedNormal, shape: tuple[int, ...], dtype: torch.dtype, generator: torch.Generator | None) -> Tensor:
    return _truncated_normal(shape, dtype, generator).mul_(init.stddev).add_(init.mean)


@_draw.register
def _(init: RandomUniform, shape: tuple[int, ...], dtype: torch.dtype, generator: torch.Generator | None) -> Tensor:
    return _uniform(shape, dtype, generator).mul_(init.maxval - init.minval).add_(init.minval)


@_draw.register(VarianceScaling)
@_draw.register(FanScaling)
def _(
    init: VarianceScaling | FanScaling, shape: tuple[int, ...], dtype: torch.dtype, generator: torch.Generator | None
) -> Tensor:
    fan_in, fan_out = fans(init, shape)
    n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[init.mode]
    variance = init.scale / max(1.0, n)
    if init.distribution == "uniform":
        return _uniform(shape, dtype, generator).mul_(2).sub_(1).mul_(math.sqrt(3 * variance))
    if init.distribution == "untruncated_normal":
        return _normal(shape, dtype, generator).mul_(math.sqrt(variance))
    return _truncated_normal(shape, dtype, generator).mul_(math.sqrt(variance) / _TRUNCATED_STDDEV)


@_draw.register
def _(init: Orthogonal, shape: tuple[int, ...], dtype: torch.dtype, generator: torch.Generator | None) -> Tensor:
    rows, columns = math.prod(shape[:-1]), shape[-1]
    q, r = torch.linalg.qr(_normal((max(rows, columns), min(rows, columns)), dtype, generator))
    # Makes the decomposition unique, and with it the draw uniform over the orthogonal matrices (Mezzadri, 2007).
    q *= r.diagonal().sign()
    return init.gain * (q if rows >= columns else q.T).reshape(shape)


@_draw.register
def _(init: STFT, shape: tuple[int, ...], dtype: torch.dtype, generator: torch.Generator | None) -> Tensor:
    length, channels, bins = shape
    time = torch.arange(length, dtype=dtype, device="cpu")[:, None, None]
    frequency = torch.arange(bins, dtype=dtype, device="cpu") / (2 * (bins - 1))
    # In the weight's own dtype and this order, as in Keras: the angles are large, so the rounding shows.
    angle = -2 * time * frequency * math.pi
    kernel = angle.cos() if init.side == "real" else angle.sin()
    if init.window is not None:
        values = window(init.window, length, init.periodic) if isinstance(init.window, str) else init.window
        w = torch.as_tensor(values, dtype=dtype, device="cpu")[:, None, None]
        scale = {"density": w.square().sum().sqrt(), "spectrum": w.abs().sum(), None: 1}[init.scaling]
        kernel = kernel * w / scale
    return kernel.expand(shape).clone()


def _normal(shape: tuple[int, ...], dtype: torch.dtype, generator: torch.Generator | None) -> Tensor:
    return torch.randn(shape, dtype=dtype, device="cpu", generator=generator)


def _uniform(shape: tuple[int, ...], dtype: torch.dtype, generator: torch.Generator | None) -> Tensor:
    return torch.rand(shape, dtype=dtype, device="cpu", generator=generator)


def _truncated_normal(shape: tuple[int, ...], dtype: torch.dtype, generator: torch.Generator | None) -> Tensor:
    draw = torch.empty(shape, dtype=dtype, device="cpu")
    return torch.nn.init.trunc_normal_(draw, generator=generator)
