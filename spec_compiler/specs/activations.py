"""The activations that a name stands for, and how a file states one."""

from __future__ import annotations

from functools import partial
from typing import Any

from pydantic_core import PydanticCustomError

from spec_compiler.diagnostics import did_you_mean, show
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.shapes import Shape, ShapeError, normalize_axis
from spec_compiler.specs.shapes import show as show_shape

ACTIVATIONS = (
    "celu", "elu", "exponential", "gelu", "glu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_tanh",
    "leaky_relu", "linear", "log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu", "sigmoid", "silu",
    "soft_shrink", "softmax", "softplus", "softsign", "sparse_plus", "sparse_sigmoid", "sparsemax", "squareplus",
    "tanh", "tanh_shrink",
)  # fmt: skip
"""Keras 3's names, as it writes them. Its `threshold` takes two arguments, which a name cannot give."""

OLD_ACTIVATIONS = ("hard_sigmoid_keras2",)
"""What older Keras computed under a name that means something else in Keras 3: `clip(0.2 x + 0.5, 0, 1)`, where Keras
3's `hard_sigmoid` is `clip(x / 6 + 0.5, 0, 1)`. No Keras knows them by these names."""

ALIASES = {"swish": "silu", "hard_swish": "hard_silu"}

_OVER_AN_AXIS = frozenset({"glu", "log_softmax", "softmax", "sparsemax"})


def resolve(value: Any) -> str | LayerSpec:
    """The activation that `value` states: its name as Keras 3 writes it, or an activation layer.

    None is "linear". A name, an activation layer, Keras's serialized function or layer, and the short form's
    `{"LeakyReLU": {"negative_slope": 0.1}}` are taken. Raises PydanticCustomError.
    """
    if value is None:
        return "linear"
    if isinstance(value, str):
        return _by_name(value)
    if isinstance(value, dict):
        # Keras writes a bare function as {"class_name": "function", "config": "relu"}.
        if value.get("class_name") == "function" and isinstance(value.get("config"), str):
            return _by_name(value["config"])
        value = _layer(value)
    if isinstance(value, LayerSpec):
        if getattr(value, "is_activation", False):
            return value
        raise PydanticCustomError(
            "wrong_kind",
            "expected an activation function, or an activation layer without weights, not the layer {name}",
            {"name": type(value).__name__},
        )
    raise PydanticCustomError("activation_form", "expected the name of an activation, or an activation layer")


def _by_name(name: str) -> str:
    name = ALIASES.get(name, name)
    if name in ACTIVATIONS or name in OLD_ACTIVATIONS:
        return name
    if name == "threshold":
        hint: Any = "Keras's threshold needs two arguments, which a name cannot give"
    else:
        hint = partial(did_you_mean, name, (*ACTIVATIONS, *ALIASES))
    raise PydanticCustomError(
        "unknown_object", "unknown {kind} {name}", {"kind": "activation", "name": show(name), "help": hint}
    )


def _layer(value: dict[str, Any]) -> Any:
    from spec_compiler.specs import objects

    return objects.resolve("layer", value)


def takes_axis(name: str) -> bool:
    """Whether the activation works along an axis, rather than on each element alone."""
    return name in _OVER_AN_AXIS


def activated_shape(activation: str | LayerSpec, shape: Shape, axis: int = -1) -> Shape:
    """Shape of `activation` of an input of `shape`: the same, but for glu, which halves `axis`."""
    if activation != "glu":
        return shape
    axis = normalize_axis(axis, len(shape), "glu")
    n = shape[axis]
    if n is not None and n % 2:
        raise ShapeError(f"glu splits axis {axis} into halves, but its length is odd in {show_shape(shape)}")
    return (*shape[:axis], None if n is None else n // 2, *shape[axis + 1 :])


__all__ = ["ACTIVATIONS", "ALIASES", "OLD_ACTIVATIONS", "activated_shape", "resolve", "takes_axis"]
