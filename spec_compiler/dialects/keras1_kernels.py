"""Constraints of Keras 1's kernels, whose norms go along the axes of the layout that the kernels had then."""

from __future__ import annotations

from collections.abc import Sequence

from spec_compiler.diagnostics import show
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
