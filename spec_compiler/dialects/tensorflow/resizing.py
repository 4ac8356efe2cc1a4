"""How TensorFlow's methods of resizing weigh the pixels of a row: https://www.tensorflow.org/api_docs/python/tf/image/resize."""

from __future__ import annotations

import math
from collections.abc import Callable

from spec_compiler.dialects.tensorflow.folding import require_small
from spec_compiler.dialects.tensorflow.values import Refusal


def _triangle(x: float) -> float:
    return max(0.0, 1 - abs(x))


def _keys(x: float, a: float) -> float:
    """Keys's cubic, 1981."""
    x = abs(x)
    if x >= 2:
        return 0.0
    if x >= 1:
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return ((a + 2) * x - (a + 3)) * x * x + 1


def _lanczos(x: float, radius: float) -> float:
    if x == 0:
        return 1.0
    if abs(x) >= radius:
        return 0.0
    return radius * math.sin(math.pi * x) * math.sin(math.pi * x / radius) / (math.pi * x) ** 2


def _mitchell(x: float) -> float:
    x = abs(x)
    if x >= 2:
        return 0.0
    if x >= 1:
        return ((-7 / 18 * x + 2) * x - 10 / 3) * x + 16 / 9
    return (7 / 6 * x - 2) * x * x + 8 / 9


_KERNELS: dict[str, tuple[Callable[[float], float], float]] = {
    "bilinear": (_triangle, 1),
    "bicubic": (lambda x: _keys(x, -0.5), 2),
    "lanczos3": (lambda x: _lanczos(x, 3), 3),
    "lanczos5": (lambda x: _lanczos(x, 5), 5),
    "gaussian": (lambda x: math.exp(-x * x * 2) if abs(x) < 1.5 else 0.0, 1.5),
    "mitchellcubic": (_mitchell, 2),
}
"""Weight of a pixel at a distance, and how far it reaches."""


def weights(
    method: str, n: int, m: int, align_corners: bool = False, half_pixel: bool = True, antialias: bool = False
) -> list[list[float]]:
    """The weight of each of `n` pixels in each of `m`: (m, n)."""
    require_small([n, m])
    scale = (n - 1) / (m - 1) if align_corners and m > 1 else n / m
    if method == "area":
        return [_area(i * scale, min((i + 1) * scale, n), n) for i in range(m)]
    if method == "nearest":
        return [_single(_nearest(i, scale, align_corners, half_pixel, n), n) for i in range(m)]
    if method not in _KERNELS:
        raise Refusal(f"there is no method {method!r}")
    if half_pixel and not align_corners:
        if method == "bicubic" and not antialias:
            return [_sampled(method, _tabled((i + 0.5) * scale - 0.5) + 0.5, 1.0, n) for i in range(m)]
        return [_sampled(method, (i + 0.5) * scale, max(scale, 1.0) if antialias else 1.0, n) for i in range(m)]
    # TensorFlow 1: whole numbers are the pixels' centres, and edges are repeated outwards.
    return [_interpolated(method, i * scale, n) for i in range(m)]


def _tabled(place: float) -> float:
    """The place as TensorFlow's bicubic resizing has it, which looks weights up in a table of 1024 steps a pixel."""
    return round(place * 1024) / 1024


def _single(place: int, n: int) -> list[float]:
    return [float(j == place) for j in range(n)]


def _nearest(i: int, scale: float, align_corners: bool, half_pixel: bool, n: int) -> int:
    if half_pixel:
        return min(math.floor((i + 0.5) * scale), n - 1)
    # Halves are rounded up.
    return min(math.floor(i * scale + 0.5) if align_corners else math.floor(i * scale), n - 1)


def _area(start: float, end: float, n: int) -> list[float]:
    """Each pixel as far as it lies between start and end."""
    found = [max(0.0, min(end, j + 1) - max(start, j)) for j in range(n)]
    total = sum(found)
    return [one / total for one in found]


def _sampled(method: str, centre: float, width: float, n: int) -> list[float]:
    """Weights around a place, of pixels in the image alone, that add up to 1."""
    kernel, radius = _KERNELS[method]
    found = [0.0] * n
    for j in range(max(0, math.floor(centre - radius * width)), min(n, math.ceil(centre + radius * width) + 1)):
        found[j] = kernel((j + 0.5 - centre) / width)
    total = sum(found)
    return [one / total for one in found] if abs(total) > 1e-6 else _single(min(n - 1, max(0, int(centre))), n)


def _interpolated(method: str, place: float, n: int) -> list[float]:
    kernels = {"bilinear": (_triangle, 1), "bicubic": (lambda x: _keys(x, -0.75), 2)}
    if method not in kernels:
        raise Refusal(f"the method {method!r} with pixels' centres at whole numbers")
    kernel, radius = kernels[method]
    below = math.floor(place)
    if method == "bicubic":
        place = _tabled(place)
    found = [0.0] * n
    for j in range(below - radius + 1, below + radius + 1):
        found[min(n - 1, max(0, j))] += kernel(place - j)
    return found
