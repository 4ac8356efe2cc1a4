"""Convolutions with weights of their own at every place, over (batch, channels, *lengths) unless said otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn


class LocallyConnected(nn.Module):
    """A convolution with its own weight at each of the `places` that the window has along each axis."""

    def __init__(
        self,
        places: Sequence[int],
        in_channels: int,
        out_channels: int,
        kernel_size: Sequence[int],
        stride: Sequence[int],
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride
        weight = torch.empty(*places, out_channels, in_channels, *kernel_size)
        self.weight = nn.Parameter(nn.init.normal_(weight, std=0.05))
        self.bias = nn.Parameter(torch.zeros(out_channels, *places)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        for axis, (size, step) in enumerate(zip(self.kernel_size, self.stride, strict=True), 2):
            x = x.unfold(axis, size, step)
        equation = {1: "bcik,ifck->bfi", 2: "bcijkl,ijfckl->bfij"}[len(self.kernel_size)]
        y = torch.einsum(equation, x, self.weight)
        return y if self.bias is None else y + self.bias


def connections(
    in_shape: Sequence[int],
    out_shape: Sequence[int],
    kernel_size: Sequence[int],
    stride: Sequence[int],
    same: bool,
    channels_first: bool,
) -> Tensor:
    """Whether the window at a place covers an element: as (*in_shape, *out_shape), but with channels of length 1.

    The shapes are a sample's. With `same`, the window is centered on its step.
    """
    rank = len(in_shape)
    first = 1 if channels_first else 0
    found = torch.ones([1] * (2 * rank), dtype=torch.bool)
    for axis, (size, step) in enumerate(zip(kernel_size, stride, strict=True), first):
        start = torch.arange(out_shape[axis]) * step - (size // 2 if same else 0)
        element = torch.arange(in_shape[axis]).unsqueeze(1)
        covered = (element >= start) & (element < start + size)
        view = [1] * (2 * rank)
        view[axis], view[rank + axis] = covered.shape
        found = found & covered.view(view)
    return found


class Connections(nn.Module):
    """Weights between elements: a subclass says which there are, and what comes of them.

    Samples of `in_shape` and outputs of `out_shape` have their axes in the order at hand.
    """

    def __init__(
        self,
        in_shape: Sequence[int],
        out_shape: Sequence[int],
        kernel_size: Sequence[int],
        stride: Sequence[int],
        same: bool = False,
        channels_first: bool = False,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.out_shape = tuple(out_shape)
        mask = connections(in_shape, out_shape, kernel_size, stride, same, channels_first)
        self.connect(mask, mask.expand(*in_shape, *out_shape))
        self.bias = nn.Parameter(torch.zeros(*out_shape)) if bias else None

    def connect(self, mask: Tensor, connected: Tensor) -> None:
        """Make the weights where elements are connected: as `connections` has it, and (*in_shape, *out_shape)."""
        raise NotImplementedError

    def weighed(self, x: Tensor) -> Tensor:
        """Weighed sums of the elements: (batch, elements) -> (batch, elements of the output)."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        y = torch.unflatten(self.weighed(x.flatten(1)), 1, self.out_shape)
        return y if self.bias is None else y + self.bias


class MaskedConnections(Connections):
    """A weight from every element of a sample to every one of its output; those beyond the window count for nothing."""

    connected: Tensor

    def connect(self, mask: Tensor, connected: Tensor) -> None:
        self.register_buffer("connected", mask, persistent=False)
        self.weight = nn.Parameter(nn.init.normal_(torch.empty(connected.shape), std=0.05))

    def weighed(self, x: Tensor) -> Tensor:
        return x @ torch.where(self.connected, self.weight, 0.0).reshape(-1, prod(self.out_shape))


class ListedConnections(Connections):
    """A weight for each pair of an element and an output whose window covers it, listed by outputs, then elements."""

    sources: Tensor
    targets: Tensor

    def connect(self, mask: Tensor, connected: Tensor) -> None:
        targets, sources = connected.reshape(-1, prod(self.out_shape)).T.nonzero(as_tuple=True)
        self.register_buffer("sources", sources, persistent=False)
        self.register_buffer("targets", targets, persistent=False)
        self.weight = nn.Parameter(nn.init.normal_(torch.empty(len(sources)), std=0.05))

    def weighed(self, x: Tensor) -> Tensor:
        products = x[:, self.sources] * self.weight
        return products.new_zeros(x.shape[0], prod(self.out_shape)).index_add(1, self.targets, products)
