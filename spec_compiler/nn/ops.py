"""What operations need that torch lacks: constants among the weights' tensors, and functions of several steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


class Constant(nn.Module):
    """A constant that moves with the module to its device; no weight, and not saved."""

    def __init__(self, values: Any, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.register_buffer("values", torch.tensor(values, dtype=dtype), persistent=False)

    def forward(self) -> Tensor:
        return self.values  # type: ignore[return-value]


def mirrored(x: Tensor, widths: Sequence[Sequence[int]], edge: int) -> Tensor:
    """`x` with `widths` of each axis (before, behind) made of its own elements, mirrored.

    `edge` is 1 where the edge itself is repeated (numpy's "symmetric"), 0 where it is not ("reflect").
    """
    for dim, (before, behind) in enumerate(widths):
        if before or behind:
            n = x.size(dim)
            place = torch.arange(-before, n + behind, device=x.device)
            place = torch.where(place < 0, -place - edge, place)
            x = x.index_select(dim, torch.where(place >= n, 2 * n - 2 + edge - place, place))
    return x


def spaced(start: Tensor, stop: Tensor, num: int, endpoint: bool = True) -> Tensor:
    """`num` numbers at equal distances from `start` to `stop`, which is the last of them if `endpoint`: (num, ...)."""
    steps = torch.arange(num, dtype=start.dtype, device=start.device) / max(num - 1 if endpoint else num, 1)
    return start + steps.view(-1, *[1] * (stop - start).dim()) * (stop - start)


def powers(x: Tensor, count: int | None = None, increasing: bool = False) -> Tensor:
    """The first `count` powers of each number, as many as there are numbers for None: (n,) -> (n, count).

    It is `torch.vander`, which has no gradient.
    """
    exponents = torch.arange(len(x) if count is None else count, dtype=x.dtype, device=x.device)
    return x.unsqueeze(1) ** (exponents if increasing else exponents.flip(0))


def one_hot(x: Tensor, num_classes: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """1 at each class, 0 elsewhere, along a new last axis; what is no class is all zeros."""
    return (x.unsqueeze(-1) == torch.arange(num_classes, device=x.device)).to(dtype)


def updated_slice(x: Tensor, starts: Sequence[int] | Tensor, updates: Tensor) -> Tensor:
    """`x` with `updates` put in from `starts` on, one place an axis."""
    places = [start + torch.arange(n, device=x.device) for start, n in zip(starts, updates.shape, strict=True)]
    return x.index_put(torch.meshgrid(*places, indexing="ij"), updates.to(x.dtype))


def scattered(indices: Tensor, values: Tensor, shape: Sequence[int]) -> Tensor:
    """Zeros of `shape` with `values` added at `indices`: (..., axes) name the first axes."""
    places = tuple(indices.to(torch.int64).reshape(-1, indices.size(-1)).unbind(-1))
    rest = shape[indices.size(-1) :]
    return values.new_zeros(shape).index_put(places, values.reshape(-1, *rest), accumulate=True)


def updated(x: Tensor, indices: Tensor, updates: Tensor, reduce: str | None = None) -> Tensor:
    """`x` with `updates` at `indices`, (updates, axes): put in, or combined with what is there by `reduce`.

    `reduce` is None, `sum`, `amax`, `amin` or `prod`.
    """
    indices, updates = indices.to(torch.int64), updates.to(x.dtype)
    places = tuple(indices.unbind(-1))
    if reduce is None:
        return x.index_put(places, updates)
    if reduce == "sum":
        return x.index_put(places, updates, accumulate=True)
    depth = len(places)
    rest = [1] * (x.dim() - depth)
    row = torch.zeros_like(places[0])
    for place, n in zip(places, x.shape, strict=False):
        row = row * n + torch.where(place < 0, place + n, place)
    flat = x.flatten(0, depth - 1)
    return flat.scatter_reduce(0, row.view(-1, *rest).expand_as(updates), updates, reduce).view_as(x)


def segment_reduce(data: Tensor, segment_ids: Tensor, num_segments: int, reduce: str = "sum") -> Tensor:
    """Rows of `data` combined by segment: (n, ...) -> (num_segments, ...); rows of no segment are left out.

    `reduce` is `sum`, `amax`, `amin` or `prod`. An empty segment gives what changes nothing: 0, the least, …
    """
    ids = segment_ids.to(torch.int64)
    ids = torch.where((ids >= 0) & (ids < num_segments), ids, num_segments)
    floating = data.is_floating_point()
    least = float("-inf") if floating else torch.iinfo(data.dtype).min
    most = float("inf") if floating else torch.iinfo(data.dtype).max
    start = {"sum": 0, "prod": 1, "amax": least, "amin": most}[reduce]
    whole = data.new_full((num_segments + 1, *data.shape[1:]), start)
    index = ids.view(-1, *[1] * (data.dim() - 1)).expand_as(data)
    return whole.scatter_reduce(0, index, data, reduce)[:-1]


def sliced(x: Tensor, starts: Tensor, lengths: Sequence[int]) -> Tensor:
    """The part of `x` that begins at `starts` and has `lengths`; the starts stay on the device, and may be traced."""
    for dim, n in enumerate(lengths):
        x = x.index_select(dim, starts[dim] + torch.arange(n, device=x.device))
    return x


def summable(x: Tensor) -> Tensor:
    """Whole numbers as ones that a GPU can sum the products of: in float64, which holds them up to 2^53."""
    return x.double() if x.is_cuda else x


def corrcoef(x: Tensor) -> Tensor:
    """Pearson's correlation of every row with every row: (n, samples) -> (n, n), a number for one row alone.

    torch.corrcoef does as much; torch.export cannot take it.
    """
    rows = x if x.dim() > 1 else x.reshape(1, -1)
    rows = rows - rows.mean(dim=1, keepdim=True)
    covariance = rows @ rows.T / (rows.shape[1] - 1)
    deviation = covariance.diagonal().sqrt()
    return (covariance / deviation.unsqueeze(1) / deviation).clip(-1, 1).squeeze()
