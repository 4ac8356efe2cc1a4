"""Normalizations as Keras computes them, where torch's own differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F


def steps_as_channels(x: Tensor, steps: int) -> Tensor:
    """(batch * steps, channels, ...) as (batch, steps * channels, ...)."""
    return x if steps == 1 else torch.unflatten(x, 0, (-1, steps)).flatten(1, 2)


def steps_as_samples(x: Tensor, steps: int) -> Tensor:
    """(batch, steps * channels, ...) as (batch * steps, channels, ...)."""
    return x if steps == 1 else torch.unflatten(x, 1, (steps, -1)).flatten(0, 1)


def reset_affine(weight: Tensor | None, bias: Tensor | None) -> None:
    """Ones for the weight and zeros for the bias, of which one may be missing."""
    if weight is not None:
        nn.init.ones_(weight)
    if bias is not None:
        nn.init.zeros_(bias)


class MovingStatistics(nn.modules.batchnorm._BatchNorm):
    """Batch normalization over axis 1 whose moving variance is of the batch's own variance.

    torch multiplies the batch's variance by n / (n - 1) before it goes into the moving one; Keras does not. While
    `frozen`, the moving statistics are used, and stay, in training too. `scale` and `center` tell whether there is a
    weight and a bias. Of a batch that holds `steps`, innermost, each is normalized by itself. A `momentum` of None is
    torch's: the moving statistics are the mean of all batches since they were reset. A batch of no samples has none.
    """

    momentum: float | None
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        *,
        scale: bool = True,
        center: bool = True,
        frozen: bool = False,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine=scale or center)
        if not scale:
            self.register_parameter("weight", None)
        if not center:
            self.register_parameter("bias", None)
        self.frozen = frozen

    def reset_parameters(self) -> None:
        self.reset_running_stats()
        reset_affine(self.weight, self.bias)

    def forward(self, x: Tensor, training: bool | None = None, steps: int = 1) -> Tensor:
        training = self.training if training is None else training
        if not training or self.frozen or not x.numel():
            if not self.eps:  # torch before 2.13 refuses an eps of 0
                return self.affine_of(x, self.running_mean, self.running_var)
            return self.normalized(x, self.running_mean, self.running_var, eps=self.eps)
        x = steps_as_channels(x, steps)
        n = x.numel() // x.shape[1]
        if n == 1 or not self.eps:
            # torch refuses a single value a channel, whose variance is 0, and an eps of 0.
            variance, mean = torch.var_mean(x, [0, *range(2, x.dim())], correction=0)
            self.update(mean.detach(), variance.detach(), steps)
            return steps_as_samples(self.affine_of(x, mean, variance, steps), steps)
        mean, variance = self.running_mean.new_zeros(2, x.shape[1])
        y = self.normalized(x, mean, variance, steps, training=True, momentum=1.0, eps=self.eps)
        self.update(mean, variance * ((n - 1) / n), steps)
        return steps_as_samples(y, steps)

    def normalized(self, x: Tensor, mean: Tensor, variance: Tensor, steps: int = 1, **kwargs: Any) -> Tensor:
        """torch's batch normalization. On CUDA it fails with a weight or a bias alone, and on more than five axes."""
        weight, bias = self.affine_at(steps)
        if weight is None and bias is not None:
            weight = torch.ones_like(bias)
        elif bias is None and weight is not None:
            bias = torch.zeros_like(weight)
        if x.dim() == 2 or (x.dim() in (4, 5) and 1 not in x.shape[2:]):
            return F.batch_norm(x, mean, variance, weight, bias, **kwargs)
        # Of three axes torch takes several times as long where the channels are last in memory. Of more its gradients
        # are wrong on the CPU where an axis behind the channels has length 1, and a stride that leaves the order open.
        y = F.batch_norm(x.flatten(2).unsqueeze(2), mean, variance, weight, bias, **kwargs)
        return y.view_as(x)

    def affine_at(self, steps: int) -> tuple[Tensor | None, Tensor | None]:
        """Weight and bias of every step's channels."""
        weight, bias = self.weight, self.bias
        if steps == 1:
            return weight, bias
        return None if weight is None else weight.repeat(steps), None if bias is None else bias.repeat(steps)

    def affine_of(self, x: Tensor, mean: Tensor, variance: Tensor, steps: int = 1) -> Tensor:
        """`(x - mean) / sqrt(variance + eps)`, times the weight, plus the bias."""
        shape = [1, -1] + [1] * (x.dim() - 2)
        weight, bias = self.affine_at(steps)
        y = (x - mean.view(shape)) * torch.rsqrt(variance + self.eps).view(shape)
        if weight is not None:
            y = y * weight.view(shape)
        return y if bias is None else y + bias.view(shape)

    def update(self, mean: Tensor, variance: Tensor, steps: int) -> None:
        """Bring the moving statistics a step towards the batch's, or towards those of one step after another."""
        if self.momentum is None:
            self.num_batches_tracked.add_(1)
            for moving, found in ((self.running_mean, mean), (self.running_var, variance)):
                moving.lerp_(found.view(steps, -1).mean(0), 1 / self.num_batches_tracked)
            return
        if steps == 1:
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance, self.momentum)
            return
        kept = 1 - self.momentum
        # What is left of each step's once all others have come after it.
        left = kept ** torch.arange(steps - 1, -1, -1, dtype=mean.dtype, device=mean.device)
        for moving, found in ((self.running_mean, mean), (self.running_var, variance)):
            moving.mul_(kept**steps).add_(left @ found.view(steps, -1), alpha=self.momentum)


class BatchNorm1d(MovingStatistics, nn.BatchNorm1d):
    """Batch normalization over (batch, channels) or (batch, channels, steps), with Keras's moving variance."""


class BatchNorm2d(MovingStatistics, nn.BatchNorm2d):
    """Batch normalization over (batch, channels, height, width), with Keras's moving variance."""


class BatchNorm3d(MovingStatistics, nn.BatchNorm3d):
    """Batch normalization over (batch, channels, depth, height, width), with Keras's moving variance."""


class MaskedBatchNorm(MovingStatistics):
    """Batch normalization over axis 1, of any rank, that learns its statistics where `mask` is true.

    The mask broadcasts to the input; without one, all elements count.
    """

    def forward(self, x: Tensor, training: bool | None = None, steps: int = 1, mask: Tensor | None = None) -> Tensor:
        learns = (self.training if training is None else training) and not self.frozen
        if mask is None or not learns or not x.numel():
            return super().forward(x, training, steps)
        x, mask = steps_as_channels(x, steps), steps_as_channels(mask.expand_as(x), steps)
        dims = [0, *range(2, x.dim())]
        shape = [1, -1] + [1] * (x.dim() - 2)
        # Keras's `epsilon()`: a channel without any element has mean and variance 0.
        n = mask.sum(dims).to(x.dtype) + 1e-7
        mean = torch.where(mask, x, 0.0).sum(dims) / n
        variance = torch.where(mask, x - mean.view(shape), 0.0).square().sum(dims) / n
        self.update(mean.detach(), variance.detach(), steps)
        return steps_as_samples(self.affine_of(x, mean, variance, steps), steps)


class GroupNorm(nn.GroupNorm):
    """Group normalization that may have a weight or a bias alone, one value a group, channels last in memory."""

    def __init__(
        self, num_groups: int, num_channels: int, eps: float = 1e-5, *, scale: bool = True, center: bool = True
    ) -> None:
        super().__init__(num_groups, num_channels, eps, affine=scale or center)
        if not scale:
            self.register_parameter("weight", None)
        if not center:
            self.register_parameter("bias", None)

    def reset_parameters(self) -> None:
        reset_affine(self.weight, self.bias)

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            # The backward pass takes several times as long where the channels are last in memory. That of torch 2.13
            # crashes there if the input is no variable. A single channel may count as last even in what `contiguous`
            # leaves as it is.
            x = x.contiguous() if x.requires_grad else x.clone(memory_format=torch.contiguous_format)
        if self.weight is not None or self.bias is None:
            return torch.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)
        # torch's kernel cannot be exported with a bias alone.
        y = torch.group_norm(x, self.num_groups, eps=self.eps)
        return y + self.bias.view(-1, *[1] * (x.dim() - 2))


class AxisLayerNorm(nn.Module):
    """Layer normalization over the axes `dim`, which need not be the last ones; weight and bias have their lengths."""

    def __init__(
        self, shape: Sequence[int], dim: Sequence[int], eps: float = 1e-5, *, scale: bool = True, center: bool = True
    ) -> None:
        super().__init__()
        self.dim = tuple(dim)
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(*shape)) if scale else None
        self.bias = nn.Parameter(torch.zeros(*shape)) if center else None

    def forward(self, x: Tensor) -> Tensor:
        last = tuple(range(-len(self.dim), 0))
        x = x.movedim(self.dim, last)
        return F.layer_norm(x, x.shape[-len(last) :], self.weight, self.bias, self.eps).movedim(last, self.dim)


class SpectralNorm(nn.Module):
    """A layer whose weight each training step divides by its largest singular value, estimated (Miyato et al., 2018).

    The singular value is of the weight as a matrix of `columns` columns, its axes permuted to `axes` before. Other than
    torch's parametrization, the weight itself is changed, as Keras does.
    """

    vector_u: Tensor

    def __init__(
        self,
        layer: nn.Module,
        columns: int,
        axes: tuple[int, ...] | None = None,
        power_iterations: int = 1,
    ) -> None:
        super().__init__()
        self.layer = layer
        self.columns = columns
        self.axes = axes
        self.power_iterations = power_iterations
        self.register_buffer("vector_u", nn.init.trunc_normal_(torch.empty(1, columns), std=0.02))

    def forward(self, x: Tensor, steps: int = 1) -> Tensor:
        if self.training and steps != 1:
            # Each step divides the weight anew.
            return torch.stack([self(one) for one in torch.unflatten(x, 0, (-1, steps)).unbind(1)], 1).flatten(0, 1)
        weights = {}
        if self.training:
            self.normalize()
            # The next call divides the weight, which this one's backward pass needs as it is now.
            weights = {name: weight.clone() for name, weight in self.layer.named_parameters()}
        y: Tensor = functional_call(self.layer, weights, (x,)) if weights else self.layer(x)
        return y

    @torch.no_grad()
    def normalize(self) -> None:
        """Take the power iteration's next steps, and divide the weight; one of zeros stays as it is."""
        weight = next(p for p in self.layer.parameters() if p.dim() > 1)
        matrix = (weight if self.axes is None else weight.permute(self.axes)).reshape(-1, self.columns)
        u = self.vector_u
        for _ in range(self.power_iterations):
            v = F.normalize(u @ matrix.T, eps=1e-7)
            u = F.normalize(v @ matrix, eps=1e-7)
        sigma = (v @ matrix @ u.T).squeeze()
        some = matrix.any()
        self.vector_u.copy_(torch.where(some, u, self.vector_u))
        weight.div_(torch.where(some, sigma, 1.0))
