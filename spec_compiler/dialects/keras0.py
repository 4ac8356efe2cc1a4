"""Keras 0.x: how its layers differ from Keras 1's. A layer's class stands in `name`, its arguments beside it."""

from __future__ import annotations

from spec_compiler.diagnostics import show
from spec_compiler.dialects.arguments import ANY, Arguments, Rules
from spec_compiler.dialects.keras1_kernels import early_sequence, early_statistics
from spec_compiler.dialects.known import words

# Theano's order of axes was the only one, then the default.
_THEANO = {"dim_ordering": "th"}
_ORDERED = words(
    """
    Convolution2D Convolution3D MaxPooling2D MaxPooling3D AveragePooling2D AveragePooling3D ZeroPadding2D ZeroPadding3D
    UpSampling2D UpSampling3D
    """
)


def _merge_of_steps(args: Arguments) -> None:
    mode = args.values.pop("mode", "sum")
    if mode != "ave":
        args.refuse("mode", f"TimeDistributedMerge with mode={show(mode)} cannot be built, only 'ave'")
    args.class_name = "GlobalAveragePooling1D"


RULES = Rules(
    classes={"UpSample1D": "UpSampling1D", "UpSample2D": "UpSampling2D"},
    renamed={
        "Reshape": {"dims": "target_shape"},
        "MaxPooling2D": {"poolsize": "pool_size", "stride": "strides"},
        "AveragePooling2D": {"poolsize": "pool_size", "stride": "strides"},
    },
    silent={
        "*": {"truncate_gradient": (-1,), "cache_enabled": (ANY,), "custom_name": (ANY,)},
        "Activation": {"target": (ANY,), "beta": (ANY,)},
        **{f"{kind}Pooling{n}D": {"ignore_border": (True,)} for kind in ("Max", "Average") for n in (1, 2)},
    },
    steps={
        "Convolution1D": early_sequence,
        "BatchNormalization": early_statistics,
        "TimeDistributedMerge": _merge_of_steps,
    },
    absent=dict.fromkeys(_ORDERED, _THEANO),
)
