"""Activations as PyTorch calls: on tensors they compute, on torch.fx proxies they are recorded."""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from spec_compiler.lowering.expressions import ModuleExpr
from spec_compiler.lowering.proxy import Proxy, call_function
from spec_compiler.nn.activations import (
    PiecewiseReLU,
    hard_sigmoid_keras2,
    sparse_plus,
    sparse_sigmoid,
    sparsemax,
    squareplus,
)
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.layers.activation import ELU, Activation, LeakyReLU, ReLU, Softmax
from spec_compiler.specs.layers.legacy import ThresholdedReLU

ELEMENTWISE: dict[str, Callable[[Any], Any]] = {
    "celu": F.celu,
    "elu": F.elu,
    "exponential": torch.exp,
    "gelu": F.gelu,
    "hard_shrink": F.hardshrink,
    "hard_sigmoid": F.hardsigmoid,
    "hard_sigmoid_keras2": hard_sigmoid_keras2,
    "hard_silu": F.hardswish,
    "hard_tanh": F.hardtanh,
    # Keras's slope is 0.2; torch's default is 0.01.
    "leaky_relu": lambda x: F.leaky_relu(x, negative_slope=0.2),
    "linear": lambda x: x,
    "log_sigmoid": F.logsigmoid,
    "mish": F.mish,
    "relu": F.relu,
    "relu6": F.relu6,
    "selu": F.selu,
    "sigmoid": torch.sigmoid,
    "silu": F.silu,
    "soft_shrink": F.softshrink,
    "softplus": F.softplus,
    "softsign": F.softsign,
    "sparse_plus": sparse_plus,
    "sparse_sigmoid": sparse_sigmoid,
    "squareplus": squareplus,
    "tanh": torch.tanh,
    "tanh_shrink": F.tanhshrink,
}

ALONG_AXIS: dict[str, Callable[..., Any]] = {
    "glu": F.glu,
    "log_softmax": F.log_softmax,
    "softmax": F.softmax,
    "sparsemax": sparsemax,
}

CUSTOM = (hard_sigmoid_keras2, sparse_plus, sparse_sigmoid, sparsemax, squareplus)
"""Those of `nn/activations.py`, which emitted source must bring along."""


def activate(
    activation: str | LayerSpec, x: Any, axis: int = -1, place: Callable[[int], int] = lambda axis: axis
) -> Any:
    """`activation(x)`: same shape, but for glu, which halves `axis`.

    `x` is a tensor or a torch.fx Proxy. `activation` is a name from `specs.activations`, "linear" giving `x` itself, or
    an activation layer without weights. `axis` is the axis of `x`, in the layout that `x` has, that softmax,
    log_softmax, sparsemax and glu work along; `place` tells where `x` has an axis that a layer names in Keras's order.
    The functions are those of https://keras.io/api/layers/activations/.
    """
    if not isinstance(activation, str):
        return _activation_layer(activation, x, place)
    along = activation in ALONG_AXIS
    function = ALONG_AXIS[activation] if along else ELEMENTWISE[activation]
    kwargs = {"dim": axis} if along else {}
    if isinstance(x, Proxy) and function in CUSTOM:
        # One step of the graph, as torch's own functions are.
        return call_function(x, function, x, **kwargs)
    return function(x, **kwargs)


def callable_of(activation: str | LayerSpec) -> Callable[[Any], Any] | ModuleExpr:
    """The activation as an argument of a module: a function, or a module where it has arguments of its own.

    Those that work along an axis work along the last.
    """
    if isinstance(activation, Activation):
        return callable_of(activation.activation)
    if isinstance(activation, ReLU):
        stated = {"negative_slope": activation.negative_slope, "threshold": activation.threshold}
        kwargs = {key: value for key, value in {**stated, "max_value": activation.max_value}.items() if value}
        return ModuleExpr(PiecewiseReLU, **kwargs) if kwargs else F.relu
    if isinstance(activation, LeakyReLU):
        return ModuleExpr(nn.LeakyReLU, activation.negative_slope)
    if isinstance(activation, ELU):
        return ModuleExpr(nn.ELU, activation.alpha)
    if isinstance(activation, ThresholdedReLU):
        return ModuleExpr(nn.Threshold, activation.theta, 0.0)
    if isinstance(activation, Softmax):
        assert activation.axes is not None  # or the recurrent layer would have refused it
        return ModuleExpr(nn.Softmax, dim=activation.axes[0])
    assert isinstance(activation, str)  # or the recurrent layer would have refused it
    modules: dict[str, Any] = {
        "leaky_relu": ModuleExpr(nn.LeakyReLU, 0.2),
        "linear": ModuleExpr(nn.Identity),
        "log_softmax": ModuleExpr(nn.LogSoftmax, dim=-1),
        "softmax": ModuleExpr(nn.Softmax, dim=-1),
    }
    return modules.get(activation) or ELEMENTWISE.get(activation) or ALONG_AXIS[activation]


@singledispatch
def _activation_layer(layer: LayerSpec, x: Any, place: Callable[[int], int]) -> Any:
    raise TypeError(f"{type(layer).__name__} is no activation without weights: it is a layer of its own")


@_activation_layer.register
def _(layer: Activation, x: Any, place: Callable[[int], int]) -> Any:
    return activate(layer.activation, x, place(-1), place)


@_activation_layer.register
def _(layer: ReLU, x: Any, place: Callable[[int], int]) -> Any:
    slope, threshold, most = layer.negative_slope, layer.threshold, layer.max_value
    if slope and most is None and not threshold:
        return F.leaky_relu(x, slope)
    if most == 6 and not threshold:
        y = F.relu6(x)
    else:
        y = F.threshold(x, threshold, 0.0) if threshold else F.relu(x)
        y = y if most is None else y.clamp(max=most)
    if not slope:
        return y
    return y - slope * F.relu(threshold - x if threshold else -x)


@_activation_layer.register
def _(layer: ThresholdedReLU, x: Any, place: Callable[[int], int]) -> Any:
    return F.threshold(x, layer.theta, 0.0)


@_activation_layer.register
def _(layer: LeakyReLU, x: Any, place: Callable[[int], int]) -> Any:
    return F.leaky_relu(x, layer.negative_slope)


@_activation_layer.register
def _(layer: ELU, x: Any, place: Callable[[int], int]) -> Any:
    return F.elu(x) if layer.alpha == 1 else F.elu(x, layer.alpha)


@_activation_layer.register
def _(layer: Softmax, x: Any, place: Callable[[int], int]) -> Any:
    if layer.axes is None:
        return F.softmax(x.flatten(), dim=0).view_as(x)
    axes = tuple(place(axis) for axis in layer.axes)
    if len(axes) == 1:
        return F.softmax(x, dim=axes[0])
    return torch.exp(x - torch.logsumexp(x, axes, keepdim=True))
