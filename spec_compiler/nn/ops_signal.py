"""Short-time Fourier transforms, as Keras and SciPy arrange them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def _window(name: str | None, length: int, x: Tensor) -> Tensor:
    if name is None:
        return torch.ones(length, dtype=x.dtype, device=x.device)
    make = torch.hann_window if name == "hann" else torch.hamming_window
    return make(length, dtype=x.dtype, device=x.device)


def stft(
    x: Tensor,
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    window: str | None = "hann",
    center: bool = True,
) -> tuple[Tensor, Tensor]:
    """Spectra of windows of a signal: (..., samples) -> (..., windows, fft_length // 2 + 1), real and imaginary."""
    y = torch.stft(
        x.reshape(-1, x.size(-1)),
        fft_length,
        sequence_stride,
        sequence_length,
        _window(window, sequence_length, x),
        center=center,
        return_complex=True,
    ).mT
    y = y.reshape(*x.shape[:-1], *y.shape[-2:])
    return y.real, y.imag


def istft(
    real: Tensor,
    imag: Tensor,
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    length: int | None = None,
    window: str | None = "hann",
    center: bool = True,
) -> Tensor:
    """The signal of spectra: (..., windows, bins) -> (..., samples), the inverse of `stft`."""
    spectrum = torch.complex(real, imag)
    batch, count = spectrum.shape[:-2], spectrum.size(-2)
    flat = spectrum.reshape(-1, count, spectrum.size(-1))
    if sequence_length == fft_length and center and window is not None:
        weight = _window(window, sequence_length, real)
        y = torch.istft(flat.mT, fft_length, sequence_stride, sequence_length, weight, length=length)
        return y.reshape(*batch, -1)
    frames = torch.fft.irfft(flat, fft_length)
    if window is not None:
        before = (fft_length - sequence_length) // 2
        weight = F.pad(_window(window, sequence_length, real), (before, fft_length - sequence_length - before))
        # What the squares of all windows add up to at each place, were there no first and last.
        overlaps = -(-fft_length // sequence_stride)
        squares = F.pad(weight.square(), (0, overlaps * sequence_stride - fft_length))
        whole = squares.view(overlaps, sequence_stride).sum(0).repeat(overlaps)[:fft_length]
        frames = frames * (weight / whole)
    size = (count - 1) * sequence_stride + fft_length
    y = F.fold(frames.mT, (1, size), (1, fft_length), stride=(1, sequence_stride)).reshape(*batch, size)
    start = fft_length // 2 if center else 0
    if length is None:
        return y[..., start : size - start]
    return F.pad(y[..., start : start + length], (0, max(start + length - size, 0)))
