"""Weights of Keras 1 that lay otherwise, or meant otherwise: axes of constraints, Theano's windows, deviations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spec_compiler.diagnostics import MOVING_DEVIATION, THEANO_PADDING, show
from spec_compiler.dialects.arguments import Arguments

# Where each axis of the old kernel is in today's, which is (rows, columns, channels, filters); None: it is gone.
_THEANO = {2: (3, 2, 0, 1), 3: (4, 3, 0, 1, 2)}
"""Of (filters, channels, rows, columns), and of the like with one axis more."""
_SEQUENCE = (0, None, 1, 2)
"""Of Convolution1D's (length, 1, channels, filters)."""
_TRANSPOSED = {"channels_first": (2, 3, 0, 1), "channels_last": (0, 1, 3, 2)}
"""Of Deconvolution2D's, which is a convolution's; today's is (rows, columns, filters, channels)."""
_EARLY_SEQUENCE = (3, 2, 0, 1)
"""Until Keras 1.0 Convolution1D's was (filters, channels, length, 1): where its axes were from Keras 1.1 on."""


def convolution(args: Arguments) -> None:
    """Turn the kernel's constraint of a Conv1D, Conv2D or Conv3D."""
    rank = int(args.class_name[-2])
    if rank == 1:
        _turn(args, "kernel_constraint", _SEQUENCE)
    elif args.values.get("data_format") == "channels_first":
        _turn(args, "kernel_constraint", _THEANO[rank])
        sizes, strides = (_each(args.values.get(name, 1), rank) for name in ("kernel_size", "strides"))
        if any(size % 2 == 0 for size in sizes) or any(stride > 1 for stride in strides):
            _warn_of_same(args, "padding", "even kernels and strides")


def pooling(args: Arguments) -> None:
    """Warn of a pooling's windows, but of those that Theano laid in the same places."""
    rank = int(args.class_name[-2])
    size, strides = args.values.get("pool_size", 2), args.values.get("strides")
    sizes, steps = _each(size, rank), _each(size if strides is None else strides, rank)
    alike = all(n in (1, 3) for n in sizes) and all(step == 1 for step in steps)
    if args.values.get("dim_ordering") == "th" and not alike:
        _warn_of_same(args, "border_mode", "pooling")


def _each(value: Any, rank: int) -> list[int]:
    """One whole number an axis; of what is none, which is another's to report, 1."""
    values = value if isinstance(value, (list, tuple)) else [value] * rank
    return [n if type(n) is int else 1 for n in values]


def _warn_of_same(args: Arguments, name: str, what: str) -> None:
    if args.values.get(name) == "same":
        message = f"'same' lays the windows of {what} as TensorFlow did: Theano, whose order of axes this is, did not"
        args.warn(THEANO_PADDING, name, message)


def separable(args: Arguments) -> None:
    """Turn the constraints of a SeparableConv2D."""
    if args.values.get("data_format") == "channels_first":
        _turn(args, "depthwise_constraint", _THEANO[2])
        _turn(args, "pointwise_constraint", _THEANO[2])


def transposed(args: Arguments) -> None:
    """Turn the kernel's constraint of a Conv2DTranspose."""
    order = args.values.get("data_format")
    _turn(args, "kernel_constraint", _TRANSPOSED["channels_first" if order == "channels_first" else "channels_last"])


def early_sequence(args: Arguments) -> None:
    """Turn that of a Convolution1D of Keras 1.0, or before, as if it were of Keras 1.1."""
    _turn(args, "W_constraint", _EARLY_SEQUENCE)


def early_statistics(args: Arguments) -> None:
    """Warn that a BatchNormalization before Keras 1.0.7 had no moving variance."""
    message = "the moving variance was a standard deviation then: set `(deviation + epsilon) ** 2 - epsilon` for it"
    args.warn(MOVING_DEVIATION, "epsilon", message)


def _turn(args: Arguments, name: str, places: Sequence[int | None]) -> None:
    constraint = args.values.get(name)
    if constraint in ("maxnorm", "unitnorm"):
        constraint = {"name": {"maxnorm": "MaxNorm", "unitnorm": "UnitNorm"}[constraint]}
    if not isinstance(constraint, dict) or constraint.get("name") not in ("MaxNorm", "UnitNorm", "MinMaxNorm"):
        return
    axis = constraint.get("axis", 0)
    axes = list(axis) if isinstance(axis, (list, tuple)) else [axis]
    if not all(type(a) is int and -len(places) <= a < len(places) for a in axes):
        return
    turned = [place for a in axes if (place := places[a]) is not None]
    if not turned:
        args.refuse(name, f"a norm over axis {show(axis)}, where the kernel has length 1, cannot be built")
        turned = [0]
    args.values[name] = {**constraint, "axis": turned if isinstance(axis, (list, tuple)) else turned[0]}
