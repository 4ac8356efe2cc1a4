"""Lowerings of `specs.layers.ops_signal`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from spec_compiler.lowering.ops_call import OpCall, lower_each, lowering
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.nn.ops_signal import istft, stft


def _pair(op: OpCall, function: Callable[..., Any], x: list[Proxy]) -> Any:
    y = function(torch.complex(*x))
    return y.real, y.imag


lower_each({"FFT": torch.fft.fft, "FFT2": torch.fft.fft2, "IFFT2": torch.fft.ifft2}, _pair)


@lowering
def RFFT(op: OpCall, x: Proxy, *, fft_length: int | None) -> Any:
    y = torch.fft.rfft(op.as_float(x), **({} if fft_length is None else {"n": fft_length}))
    return y.real, y.imag


@lowering
def IRFFT(op: OpCall, x: list[Proxy], *, fft_length: int | None) -> Any:
    return torch.fft.irfft(torch.complex(*x), **({} if fft_length is None else {"n": fft_length}))


@lowering
def ExtractSequences(op: OpCall, x: Proxy, *, sequence_length: int, sequence_stride: int) -> Any:
    return x.unfold(-1, sequence_length, sequence_stride)


def _stated(window: str | None, center: bool) -> dict[str, Any]:
    return {**({} if window == "hann" else {"window": window}), **({} if center else {"center": False})}


@lowering
def STFT(
    op: OpCall,
    x: Proxy,
    *,
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    window: str | None,
    center: bool,
) -> Any:
    y = op.call.function(stft, x, sequence_length, sequence_stride, fft_length, **_stated(window, center))
    return op.call.outputs(y)


@lowering
def ISTFT(
    op: OpCall, x: list[Proxy], *, sequence_length: int, sequence_stride: int, fft_length: int, length: int | None,
    window: str | None, center: bool,
) -> Any:  # fmt: skip
    stated = {**({} if length is None else {"length": length}), **_stated(window, center)}
    return op.call.function(istft, *x, sequence_length, sequence_stride, fft_length, **stated)
