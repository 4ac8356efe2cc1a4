"""Fourier transforms and windows of signals. Complex numbers are pairs of tensors, the real and the imaginary part.

What they compute: https://keras.io/api/ops/math/.
"""

from __future__ import annotations

from typing import Literal

from spec_compiler.specs.layers.ops_arguments import Size
from spec_compiler.specs.layers.ops_table import Module, takes_complex
from spec_compiler.specs.layers.ops_types import is_float, require_one_dtype
from spec_compiler.specs.shapes import DTypeError, NothingLeftError, RankError, ShapeError, TensorType, show

op = Module("keras.src.ops.math")

takes_complex("ExtractSequences")


def _pair(x: list[TensorType], rank: int) -> TensorType:
    if len(x) != 2 or x[0].shape != x[1].shape:
        raise ShapeError("it takes a pair of tensors of one shape, the real and the imaginary part")
    require_one_dtype(*x)
    _require_precise(x[0])
    _require_rank(x[0], rank)
    return x[0]


def _require_precise(x: TensorType) -> None:
    if x.dtype not in ("float32", "float64"):
        raise DTypeError(f"it takes float32 or float64, got {x.dtype}", help="cast it to float32 first")


def _require_rank(x: TensorType, rank: int) -> None:
    if len(x.shape) < rank:
        raise RankError(f"it takes tensors of rank {rank} or more, got {show(x.shape)}")


@op.having(function="fft")
def FFT(x: list[TensorType]) -> list[TensorType]:
    return [_pair(x, 1)] * 2


def over_two_axes(x: list[TensorType]) -> list[TensorType]:
    return [_pair(x, 2)] * 2


op.each("FFT2 IFFT2", over_two_axes)


@op.having(function="rfft")
def RFFT(x: TensorType, *, fft_length: Size | None = None) -> list[TensorType]:
    _require_rank(x, 1)
    dtype = x.dtype if is_float(x.dtype) else "float32"
    _require_precise(TensorType(x.shape, dtype))
    n = fft_length or x.shape[-1]
    return [TensorType((*x.shape[:-1], None if n is None else n // 2 + 1), dtype)] * 2


@op.having(function="irfft")
def IRFFT(x: list[TensorType], *, fft_length: Size | None = None) -> TensorType:
    real = _pair(x, 1)
    n = real.shape[-1]
    length = fft_length or (None if n is None else 2 * (n - 1))
    if length == 0:
        raise NothingLeftError("nothing is left of a spectrum of length 1", help="state fft_length")
    return TensorType((*real.shape[:-1], length), real.dtype)


@op
def ExtractSequences(x: TensorType, *, sequence_length: Size, sequence_stride: Size) -> TensorType:
    _require_rank(x, 1)
    n = x.shape[-1]
    if n is not None and n < sequence_length:
        raise NothingLeftError(f"a sequence of {sequence_length} does not fit an axis of length {n}")
    count = None if n is None else 1 + (n - sequence_length) // sequence_stride
    return TensorType((*x.shape[:-1], count, sequence_length), x.dtype)


@op.having(function="stft")
def STFT(
    x: TensorType,
    *,
    sequence_length: Size,
    sequence_stride: Size,
    fft_length: Size,
    window: Literal["hann", "hamming"] | None = "hann",
    center: bool = True,
) -> list[TensorType]:
    _require_rank(x, 1)
    _require_window(x, sequence_length, fft_length)
    n = x.shape[-1]
    count = None
    if n is not None:
        if center and n <= fft_length // 2:
            raise ShapeError(f"a signal of length {n} cannot be padded by {fft_length // 2} of its own, reflected")
        padded = n + 2 * (fft_length // 2) if center else n
        if padded < fft_length:
            raise ShapeError(f"a window of {fft_length} does not fit a signal of length {n}")
        count = 1 + (padded - fft_length) // sequence_stride
    return [TensorType((*x.shape[:-1], count, fft_length // 2 + 1), x.dtype)] * 2


def _require_window(x: TensorType, sequence_length: int, fft_length: int) -> None:
    _require_precise(x)
    if fft_length < sequence_length:
        raise ShapeError(f"fft_length {fft_length} must not be less than sequence_length {sequence_length}")


@op.having(function="istft")
def ISTFT(
    x: list[TensorType],
    *,
    sequence_length: Size,
    sequence_stride: Size,
    fft_length: Size,
    length: Size | None = None,
    window: Literal["hann", "hamming"] | None = "hann",
    center: bool = True,
) -> TensorType:
    real = _pair(x, 2)
    _require_window(real, sequence_length, fft_length)
    if real.shape[-1] not in (None, fft_length // 2 + 1):
        raise ShapeError(
            f"a spectrum of fft_length {fft_length} is of length {fft_length // 2 + 1}, got {show(real.shape)}"
        )
    if sequence_stride > sequence_length:
        raise ShapeError(f"sequences of {sequence_length} at strides of {sequence_stride} leave gaps")
    count = real.shape[-2]
    size = None
    if count is not None:
        size = (count - 1) * sequence_stride + fft_length - (2 * (fft_length // 2) if center else 0)
    return TensorType((*real.shape[:-2], length or size), real.dtype)
