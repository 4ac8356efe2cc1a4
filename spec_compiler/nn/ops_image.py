"""Operations on images: colours, blurs, patches, and images read between their pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def rgb_to_hsv(x: Tensor, dim: int = -1) -> Tensor:
    """Hue, saturation and value, each from 0 to 1, of red, green and blue along `dim` (Smith, 1978)."""
    x = torch.where(x.abs() < torch.finfo(x.dtype).eps, 0.0, x)
    r, g, b = x.unbind(dim)
    value, least = torch.maximum(torch.maximum(r, g), b), torch.minimum(torch.minimum(r, g), b)
    spread = value - least
    saturation = torch.where(value > 0, spread / torch.where(value > 0, value, 1.0), 0.0)
    sixth = 1 / (6 * torch.where(spread > 0, spread, 1.0))
    hue = torch.where(value == g, sixth * (b - r) + 1 / 3, sixth * (r - g) + 2 / 3)
    hue = torch.where(value == r, sixth * (g - b), hue)
    hue = torch.where(spread > 0, hue, 0.0) + (hue < 0).to(x.dtype)
    return torch.stack([hue, saturation, value], dim)


def hsv_to_rgb(x: Tensor, dim: int = -1) -> Tensor:
    """Red, green and blue of hue, saturation and value along `dim` (Smith, 1978)."""
    hue, saturation, value = x.unbind(dim)
    sixths = hue.remainder(1.0) * 6
    pure = (
        ((sixths - 3).abs() - 1).clamp(0, 1),
        (2 - (sixths - 2).abs()).clamp(0, 1),
        (2 - (sixths - 4).abs()).clamp(0, 1),
    )
    return torch.stack([value * (1 - saturation + saturation * p) for p in pure], dim)


def extract_patches(x: Tensor, size: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> Tensor:
    """Windows of (batch, channels, *lengths) as channels: (batch, *windows, window * channels), pixels first."""
    rank = len(size)
    for dim, (k, s, d) in enumerate(zip(size, stride, dilation, strict=True)):
        x = x.unfold(dim + 2, d * (k - 1) + 1, s)[..., ::d]
    windows, pixels = range(2, rank + 2), range(rank + 2, 2 * rank + 2)
    return x.permute(0, *windows, *pixels, 1).flatten(rank + 1)


def _gaussian(size: int, sigma: float, like: Tensor) -> Tensor:
    place = torch.arange(size, dtype=like.dtype, device=like.device) - (size - 1) / 2
    weight = torch.exp(-0.5 * (place / sigma) ** 2)
    return weight / weight.sum()


def gaussian_blur(x: Tensor, kernel_size: int, sigma: Sequence[float]) -> Tensor:
    """(batch, channels, height, width) blurred; `sigma` along the width, then along the height; zeros around."""
    kernel = torch.outer(_gaussian(kernel_size, sigma[1], x), _gaussian(kernel_size, sigma[0], x))
    kernel = kernel.expand(x.size(1), 1, kernel_size, kernel_size)
    return F.conv2d(x, kernel, padding=kernel_size // 2, groups=x.size(1))


def sobel_edges(x: Tensor) -> Tensor:
    """Slopes of (batch, channels, height, width) along height and width: (batch, channels, height, width, 2)."""
    slope = torch.arange(-1, 2, dtype=x.dtype, device=x.device)
    across = torch.outer(2 - slope.abs(), slope)
    slopes = [
        F.conv2d(x, kernel.expand(x.size(1), 1, 3, 3), padding=1, groups=x.size(1)) for kernel in (across.t(), across)
    ]
    return torch.stack(slopes, -1)


def ssim(
    x: Tensor, y: Tensor, max_val: float = 1.0, size: int = 11, sigma: float = 1.5, k1: float = 0.01, k2: float = 0.03
) -> Tensor:
    """Structural similarity of (batch, channels, height, width), Wang et al. 2004: (batch,)."""
    weight = _gaussian(size, sigma, x)
    kernel = torch.outer(weight, weight).expand(x.size(1), 1, size, size)

    def mean(z: Tensor) -> Tensor:
        return F.conv2d(z, kernel, groups=x.size(1))

    mean_x, mean_y = mean(x), mean(y)
    around_x, around_y = mean(x * x) - mean_x * mean_x, mean(y * y) - mean_y * mean_y
    together = mean(x * y) - mean_x * mean_y
    c1, c2 = (k1 * max_val) ** 2, (k2 * max_val) ** 2
    above = (2 * mean_x * mean_y + c1) * (2 * together + c2)
    below = (mean_x * mean_x + mean_y * mean_y + c1) * (around_x + around_y + c2)
    return (above / below).mean((1, 2, 3))


def _mirrored_index(index: Tensor, n: int) -> Tensor:
    return (torch.remainder(index + n - 1, max(2 * (n - 1), 1)) - (n - 1)).abs()


_INSIDE: dict[str, Callable[[Tensor, int], Tensor]] = {
    "constant": lambda index, n: index.clamp(0, n - 1),
    "nearest": lambda index, n: index.clamp(0, n - 1),
    "wrap": lambda index, n: torch.remainder(index, n),
    "mirror": _mirrored_index,
    "reflect": lambda index, n: (_mirrored_index(2 * index + 1, 2 * n + 1) - 1) // 2,
}
"""Which element stands for one that lies outside."""


def map_coordinates(
    x: Tensor, coordinates: Sequence[Tensor], linear: bool = True, fill_mode: str = "constant", fill_value: float = 0.0
) -> Tensor:
    """`x` read at places between its elements: one tensor of places for each of its first axes.

    The other axes come along: (n, m, channels) read at two (…) gives (…, channels).
    """
    found: list[tuple[list[Tensor], Tensor | None, Tensor | None]] = [([], None, None)]
    for place, n in zip(coordinates, x.shape, strict=False):
        nodes: list[tuple[Tensor, Tensor | None]]
        if not place.is_floating_point():
            nodes = [(place, None)]
        elif linear:
            lower = place.floor()
            nodes = [(lower.long(), 1 - (place - lower)), (lower.long() + 1, place - lower)]
        else:
            nodes = [(place.round().long(), None)]
        found = [
            (
                [*indices, _INSIDE[fill_mode](index, n).long()],
                _and(inside, (index >= 0) & (index < n)) if fill_mode == "constant" else None,
                _times(weight, share),
            )
            for indices, inside, weight in found
            for index, share in nodes
        ]
    behind = x.dim() - len(coordinates)
    total: Tensor | None = None
    for indices, inside, weight in found:
        value = x[tuple(indices)]
        if inside is not None:
            value = torch.where(
                inside[(..., *[None] * behind)], value, fill_value if x.is_floating_point() else int(fill_value)
            )
        value = value if weight is None else value * weight[(..., *[None] * behind)]
        total = value if total is None else total + value
    assert total is not None
    if total.is_floating_point() and not x.is_floating_point():
        total = total.round()
    return total.to(x.dtype)


def _and(a: Tensor | None, b: Tensor) -> Tensor:
    return b if a is None else a & b


def _times(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    return b if a is None else a if b is None else a * b


def _grid(x: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Row and column of each pixel of (batch, height, width, channels)."""
    rows = torch.arange(x.size(1), dtype=dtype, device=x.device)
    columns = torch.arange(x.size(2), dtype=dtype, device=x.device)
    return rows.view(1, -1, 1), columns.view(1, 1, -1)


def _read(x: Tensor, row: Tensor, column: Tensor, linear: bool, fill_mode: str, fill_value: float) -> Tensor:
    image = torch.arange(x.size(0), device=x.device).view(-1, 1, 1)
    shape = (x.size(0), x.size(1), x.size(2))
    places = [image.expand(shape), row.expand(shape), column.expand(shape)]
    return map_coordinates(x, places, linear, fill_mode, fill_value)


def affine_transform(
    x: Tensor, transform: Tensor, linear: bool = True, fill_mode: str = "constant", fill_value: float = 0.0
) -> Tensor:
    """Images (batch, height, width, channels) whose pixel (row, column) is read at transformed places.

    `transform` holds a0 a1 a2 b0 b1 b2 c0 c1, for all images or for each: the column read is a0 * column + a1 * row +
    a2, the row b0 * column + b1 * row + b2, both divided by c0 * column + c1 * row + 1.
    """
    a0, a1, a2, b0, b1, b2, c0, c1 = (transform[..., i].reshape(-1, 1, 1) for i in range(8))
    row, column = _grid(x, transform.dtype)
    below = c0 * column + c1 * row + 1
    row, column = (b0 * column + b1 * row + b2) / below, (a0 * column + a1 * row + a2) / below
    return _read(x, row, column, linear, fill_mode, fill_value)


def perspective_transform(
    x: Tensor, start_points: Tensor, end_points: Tensor, linear: bool = True, fill_value: float = 0.0
) -> Tensor:
    """Images (batch, height, width, channels) with the corners `start_points` moved to `end_points`, (…, 4, 2)."""
    start, end = (points.to(x.dtype).view(-1, 4, 2) for points in (start_points, end_points))
    (sx, sy), (ex, ey) = start.unbind(-1), end.unbind(-1)
    one, zero = torch.ones_like(ex), torch.zeros_like(ex)
    columns = torch.stack([ex, ey, one, zero, zero, zero, -sx * ex, -sx * ey], -1)
    rows = torch.stack([zero, zero, zero, ex, ey, one, -sy * ex, -sy * ey], -1)
    a = torch.linalg.solve(torch.cat([columns, rows], 1).float(), torch.cat([sx, sy], 1).float()).to(x.dtype)
    a0, a1, a2, a3, a4, a5, a6, a7 = (a[:, i].view(-1, 1, 1) for i in range(8))
    row, column = _grid(x, x.dtype)
    below = a6 * column + a7 * row + 1
    row, column = (a3 * column + a4 * row + a5) / below, (a0 * column + a1 * row + a2) / below
    return _read(x, row, column, linear, "constant", fill_value)


def _triangle(x: Tensor) -> Tensor:
    return (1 - x).clamp(min=0)


def _cubic(x: Tensor) -> Tensor:
    """Keys, 1981, with a = -0.5."""
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x >= 2, 0.0, torch.where(x >= 1, far, near))


def _lanczos(x: Tensor, radius: int) -> Tensor:
    weight = torch.where(x > 1e-3, torch.sinc(x) * torch.sinc(x / radius), 1.0)
    return torch.where(x > radius, 0.0, weight)


_KERNELS: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": _triangle,
    "cubic": _cubic,
    "lanczos3": lambda x: _lanczos(x, 3),
    "lanczos5": lambda x: _lanczos(x, 5),
}


def scale_and_translate(
    x: Tensor,
    scale: Tensor,
    translation: Tensor,
    lengths: Sequence[int],
    dims: Sequence[int],
    method: str = "linear",
    antialias: bool = True,
) -> Tensor:
    """`x` with the axes `dims` scaled and moved, each to its length; outside there is nothing."""
    y = x if x.is_floating_point() else x.float()
    for i, (dim, n) in enumerate(zip(dims, lengths, strict=True)):
        step = 1 / scale[i]
        place = (torch.arange(n, dtype=scale.dtype, device=x.device) + 0.5) * step - translation[i] * step - 0.5
        source = torch.arange(x.size(dim), dtype=scale.dtype, device=x.device).unsqueeze(1)
        width = step.clamp(min=1.0) if antialias else 1.0
        weight = _KERNELS[method]((place - source).abs() / width)
        whole = weight.sum(0, keepdim=True)
        some = whole.abs() > 1000 * torch.finfo(torch.float32).eps
        weight = torch.where(some, weight / torch.where(some, whole, 1.0), 0.0)
        weight = torch.where((place >= -0.5) & (place <= x.size(dim) - 0.5), weight, 0.0)
        y = torch.tensordot(y, weight.to(y.dtype), ([dim], [0])).movedim(-1, dim)
    return y if x.is_floating_point() else y.round().clamp(x.min(), x.max()).to(x.dtype)
