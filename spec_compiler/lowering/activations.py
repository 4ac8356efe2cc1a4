"""Activations as PyTorch calls: on tensors they compute, on torch.fx proxies they are recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch.fx import Proxy

from spec_compiler.nn.activations import sparse_plus, sparse_sigmoid, sparsemax, squareplus
from spec_compiler.specs.base import LayerSpec

ELEMENTWISE: dict[str, Callable[[Any], Any]] = {
    "celu": F.celu,
    "elu": F.elu,
    "exponential": torch.exp,
    "gelu": F.gelu,
    "hard_shrink": F.hardshrink,
    "hard_sigmoid": F.hardsigmoid,
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

CUSTOM = (sparse_plus, sparse_sigmoid, sparsemax, squareplus)
"""Those of `nn/activations.py`, which emitted source must bring along."""


def activate(activation: str | LayerSpec, x: Any, axis: int = -1) -> Any:
    """`activation(x)`: same shape, but for glu, which halves `axis`.

    `x` is a tensor or a torch.fx Proxy. `activation` is a name from `specs.activations`; "linear" gives `x` itself.
    `axis` is the axis of `x`, in the layout that `x` has, that softmax, log_softmax, sparsemax and glu work along. The
    functions are those of https://keras.io/api/layers/activations/. Raises TypeError for an activation layer, which
    is a module of its own.
    """
    if not isinstance(activation, str):
        raise TypeError(f"{type(activation).__name__} is an activation layer: lower it as a layer, not by its name")
    along = activation in ALONG_AXIS
    function = ALONG_AXIS[activation] if along else ELEMENTWISE[activation]
    kwargs = {"dim": axis} if along else {}
    if isinstance(x, Proxy) and function in CUSTOM:
        # One step of the graph, as torch's own functions are.
        return x.tracer.create_proxy("call_function", function, (x,), kwargs)
    return function(x, **kwargs)
