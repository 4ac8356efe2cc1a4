"""The windows of a short-time Fourier transform, by SciPy's names and definitions (`scipy.signal.get_window`)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

_COSINE_SUMS = {
    "boxcar": [1.0],
    "hann": [0.5, 0.5],
    "hamming": [0.54, 0.46],
    "blackman": [0.42, 0.5, 0.08],
    "nuttall": [0.3635819, 0.4891775, 0.1365995, 0.0106411],
    "blackmanharris": [0.35875, 0.48829, 0.14128, 0.01168],
    "flattop": [0.21557895, 0.41663158, 0.277263158, 0.083578947, 0.006947368],
}
"""Coefficients of cos(0), cos(πt), cos(2πt), …, where t runs from -1 to 1 over the window."""

_OF_POSITION: dict[str, Callable[[Tensor], Tensor]] = {
    "barthann": lambda t: 0.62 - 0.24 * t + 0.38 * torch.cos(math.pi * t),
    "bartlett": lambda t: 1 - t,
    "bohman": lambda t: (1 - t) * torch.cos(math.pi * t) + torch.sin(math.pi * t) / math.pi,
    "lanczos": torch.sinc,
    "tukey": lambda t: torch.where(t <= 0.5, 1.0, 0.5 - 0.5 * torch.cos(2 * math.pi * t)),
}
"""Functions of |t|: 0 in the middle of the window, 1 at its ends."""


def _parzen(d: Tensor, n: int) -> Tensor:
    r = 2 * d / n
    return torch.where(d <= (n - 1) / 4, 1 - 6 * r**2 + 6 * r**3, 2 * (1 - r) ** 3)


def _taylor(d: Tensor, n: int) -> Tensor:
    """Four nearly equal side lobes of -30 dB, 1 in the middle (Carrara, Goodman and Majewski, 1995)."""
    lobes, ratio = 4, 10 ** (30 / 20)
    a2 = (math.acosh(ratio) / math.pi) ** 2
    s2 = lobes**2 / (a2 + (lobes - 0.5) ** 2)
    orders = range(1, lobes)
    w, middle = torch.ones_like(d), 1.0
    for m in orders:
        above = math.prod(1 - m**2 / (s2 * (a2 + (k - 0.5) ** 2)) for k in orders)
        below = math.prod(1 - m**2 / k**2 for k in orders if k != m)
        f = (-1) ** (m + 1) * above / below
        w += f * torch.cos(2 * math.pi * m * d / n)
        middle += f
    return w / middle


_OF_DISTANCE: dict[str, Callable[[Tensor, int], Tensor]] = {
    "cosine": lambda d, n: torch.cos(math.pi * d / n),
    "exponential": lambda d, n: torch.exp(-d),
    "parzen": _parzen,
    "taylor": _taylor,
    "triang": lambda d, n: 1 - 2 * d / (n + n % 2),
}
"""Functions of the distance from the middle, in samples, and the window's length."""


def window(name: str, length: int, periodic: bool) -> Tensor:
    """The `length` values of the window `name`, float64: symmetric, or `periodic` (one longer, without its last)."""
    if length < 2:
        return torch.ones(length, dtype=torch.float64, device="cpu")
    n = length + periodic
    d = torch.arange(length, dtype=torch.float64, device="cpu").sub((n - 1) / 2).abs()
    t = 2 * d / (n - 1)
    if name in _COSINE_SUMS:
        return sum((a * torch.cos(k * math.pi * t) for k, a in enumerate(_COSINE_SUMS[name])), torch.zeros_like(t))
    if name in _OF_POSITION:
        return _OF_POSITION[name](t)
    return _OF_DISTANCE[name](d, n)
