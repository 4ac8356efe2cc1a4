"""Drawing a weight's first values, in Keras's layout and with Keras's fans."""

from __future__ import annotations

import math
from functools import singledispatch

import torch
from torch import Tensor

from spec_compiler.lowering.windows import window
from spec_compiler.specs.initializers.base import Initializer
from spec_compiler.specs.initializers.constant import Constant, Ones, Zeros
from spec_compiler.specs.initializers.fans import FanScaling, fans
from spec_compiler.specs.initializers.matrices import Identity, Orthogonal
from spec_compiler.specs.initializers.random import RandomNormal, RandomUniform, TruncatedNormal
from spec_compiler.specs.initializers.scaling import VarianceScaling
from spec_compiler.specs.initializers.spectral import STFT

Dims = tuple[int, ...]
Generator = torch.Generator | None

# Standard deviation of a standard normal distribution cut at ±2.
_TRUNCATED_STDDEV = 0.87962566103423978
_WITHIN_2 = math.erf(math.sqrt(2))
"""The share of a normal distribution that lies within two standard deviations."""


def initialize(init: Initializer, shape: Dims, dtype: torch.dtype, generator: Generator = None) -> Tensor:
    """The first values of a weight of `shape`, Keras's layout, as `init` says; on the CPU.

    An initializer with a seed gives the same values every time; without one it draws from `generator`, or from
    torch's global generator when that is None. Floats narrower than float32 are drawn in float32 and rounded. The
    distributions are those of https://keras.io/api/layers/initializers/. Raises ShapeError when `init` cannot fill
    such a shape.
    """
    init.check_shape(shape)
    seed = getattr(init, "seed", None)
    if seed is not None:
        generator = torch.Generator().manual_seed(seed % 2**64)
    wide = torch.promote_types(dtype, torch.float32) if dtype.is_floating_point else dtype
    return draw(init, shape, wide, generator).to(dtype)


@singledispatch
def draw(init: Initializer, shape: Dims, dtype: torch.dtype, generator: Generator) -> Tensor:
    """The values for an `init` of one class; register a function of your own for a class of your own.

    `dtype` is float32 or wider where it is a float, and `generator` is the seed's where there is one.
    """
    raise NotImplementedError(f"no values for {type(init).__name__}")


@draw.register
def _zeros(init: Zeros, shape: Dims, dtype: torch.dtype, generator: Generator) -> Tensor:
    return torch.zeros(shape, dtype=dtype, device="cpu")


@draw.register
def _ones(init: Ones, shape: Dims, dtype: torch.dtype, generator: Generator) -> Tensor:
    return torch.ones(shape, dtype=dtype, device="cpu")


@draw.register
def _constant(init: Constant, shape: Dims, dtype: torch.dtype, generator: Generator) -> Tensor:
    return torch.tensor(init.array, dtype=dtype, device="cpu").expand(shape).clone()


@draw.register
def _identity(init: Identity, shape: Dims, dtype: torch.dtype, generator: Generator) -> Tensor:
    return torch.eye(*shape, dtype=dtype, device="cpu").mul_(init.gain)


@draw.register
def _random_normal(init: RandomNormal, shape: Dims, dtype: torch.dtype, generator: Generator) -> Tensor:
    return _standard_normal(shape, dtype, generator).mul_(init.stddev).add_(init.mean)


@draw.register
def _truncated_normal(init: TruncatedNormal, shape: Dims, dtype: torch.dtype, generator: Generator) -> Tensor:
    return _standard_truncated(shape, dtype, generator).mul_(init.stddev).add_(init.mean)


@draw.register
def _random_uniform(init: RandomUniform, shape: Dims, dtype: torch.dtype, generator: Generator) -> Tensor:
    return _unit_uniform(shape, dtype, generator).mul_(init.maxval - init.minval).add_(init.minval)


@draw.register(VarianceScaling)
@draw.register(FanScaling)
def _scaled(init: VarianceScaling | FanScaling, shape: Dims, dtype: torch.dtype, generator: Generator) -> Tensor:
    fan_in, fan_out = fans(init, shape)
    n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[init.mode]
    variance = init.scale / max(1.0, n)
    if init.distribution == "uniform":
        return _unit_uniform(shape, dtype, generator).mul_(2).sub_(1).mul_(math.sqrt(3 * variance))
    if init.distribution == "untruncated_normal":
        return _standard_normal(shape, dtype, generator).mul_(math.sqrt(variance))
    return _standard_truncated(shape, dtype, generator).mul_(math.sqrt(variance) / _TRUNCATED_STDDEV)


@draw.register
def _orthogonal(init: Orthogonal, shape: Dims, dtype: torch.dtype, generator: Generator) -> Tensor:
    rows, columns = math.prod(shape[:-1]), shape[-1]
    q: Tensor
    q, r = torch.linalg.qr(_standard_normal((max(rows, columns), min(rows, columns)), dtype, generator))
    # Makes the decomposition unique, and with it the draw uniform over the orthogonal matrices (Mezzadri, 2007).
    q *= r.diagonal().sign()
    return (q if rows >= columns else q.T).reshape(shape).mul_(init.gain)


@draw.register
def _stft(init: STFT, shape: Dims, dtype: torch.dtype, generator: Generator) -> Tensor:
    length, bins = shape[0], shape[2]
    time = torch.arange(length, dtype=dtype, device="cpu")[:, None, None]
    frequency = torch.arange(bins, dtype=dtype, device="cpu") / (2 * (bins - 1))
    # In the weight's own dtype and this order, as in Keras: the angles are large, so the rounding shows.
    angle = -2 * time * frequency * math.pi
    kernel = angle.cos() if init.side == "real" else angle.sin()
    if init.window is None:
        return kernel
    values = window(init.window, length, init.periodic) if isinstance(init.window, str) else init.window
    w = torch.as_tensor(values, dtype=dtype, device="cpu")[:, None, None]
    if init.scaling == "density":
        return kernel * w / w.square().sum().sqrt()
    return kernel * w / w.abs().sum() if init.scaling == "spectrum" else kernel * w


def _standard_normal(shape: Dims, dtype: torch.dtype, generator: Generator) -> Tensor:
    return torch.randn(shape, dtype=dtype, device="cpu", generator=generator)


def _unit_uniform(shape: Dims, dtype: torch.dtype, generator: Generator) -> Tensor:
    return torch.rand(shape, dtype=dtype, device="cpu", generator=generator)


def _standard_truncated(shape: Dims, dtype: torch.dtype, generator: Generator) -> Tensor:
    # The inverse of the distribution function, at numbers between its values at -2 and 2. `nn.init.trunc_normal_` takes
    # ten times as long, most of the time that building a large model takes.
    draw = torch.empty(shape, dtype=dtype, device="cpu").uniform_(-_WITHIN_2, _WITHIN_2, generator=generator)
    return draw.erfinv_().mul_(math.sqrt(2)).clamp_(-2, 2)
