"""Counts, and the numbers that occur."""

from __future__ import annotations

import torch
from torch import Tensor


def bincount(x: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each number from 0 on occurs, or what its weights add up to: (..., n) -> (..., numbers)."""
    count = max(int(x.max()) + 1 if x.numel() else 0, minlength)
    weights = torch.ones_like(x, dtype=torch.int32) if weights is None else weights.expand_as(x)
    return weights.new_zeros(*x.shape[:-1], count).scatter_add(-1, x.to(torch.int64), weights)


@torch.no_grad()
def histogram(x: Tensor, bins: int, range: tuple[float, float] | None = None) -> tuple[Tensor, Tensor]:
    """How many numbers lie in each of `bins` equal parts of `range`, by default from least to largest; the edges.

    It is `torch.histogram`, which knows the CPU alone. An edge belongs to the part above it, the last one to the last
    part.
    """
    low, high = torch.aminmax(x) if range is None else (x.new_full((), end) for end in range)
    single = low == high
    low, high = torch.where(single, low - 1, low), torch.where(single, high + 1, high)
    place = torch.arange(bins + 1, device=x.device)
    # From both ends, as torch.linspace, so that the last edge is `high` exactly.
    width = (high - low) / bins
    edges = torch.where(place < (bins + 1) // 2, low + width * place, high - width * (bins - place))
    part = torch.searchsorted(edges, x.flatten(), right=True).clamp(1, bins) - 1
    inside = (x >= low) & (x <= high)
    return x.new_zeros(bins).index_add(0, part, inside.flatten().to(x.dtype)), edges


def unique(
    x: Tensor,
    index: bool = False,
    inverse: bool = False,
    counts: bool = False,
    dim: int | None = None,
    size: int | None = None,
    fill: float = 0,
) -> tuple[Tensor, ...]:
    """The numbers of `x` in order, each once, or the slices along `dim`.

    With them, on request, where each occurs first, which of them each element is, and how often each occurs. Cut down
    or filled up to `size`.
    """
    values, which, number = torch.unique(x, return_inverse=True, return_counts=True, dim=dim)
    found = [_sized(values, dim or 0, size, fill)]
    if index:
        place = torch.arange(which.numel(), device=x.device)
        first = torch.zeros_like(number).scatter_reduce(0, which.flatten(), place, "amin", include_self=False)
        found.append(_sized(first, 0, size, 1))
    if inverse:
        found.append(which)
    if counts:
        found.append(_sized(number, 0, size, 0))
    return (found[0], *(one.to(torch.int32) for one in found[1:]))


def _sized(x: Tensor, dim: int, size: int | None, fill: float) -> Tensor:
    """The first `size` along `dim`, filled up where there are fewer."""
    if size is None:
        return x
    shape = list(x.shape)
    shape[dim] = size
    # Filled up whether or not there are fewer: that hangs on the data, and torch.export could not go both ways.
    return torch.cat([x, x.new_full(shape, fill)], dim).narrow(dim, 0, size)
