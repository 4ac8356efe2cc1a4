"""Keras 0.x: how its layers differ from Keras 1's. A layer's class stands in `name`, its arguments beside it."""

from __future__ import annotations

from spec_compiler.dialects.arguments import ANY, Rules
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

RULES = Rules(
    renamed={
        "Reshape": {"dims": "target_shape"},
        "MaxPooling2D": {"poolsize": "pool_size", "stride": "strides"},
        "AveragePooling2D": {"poolsize": "pool_size", "stride": "strides"},
    },
    silent={
        "*": {"truncate_gradient": (-1,), "cache_enabled": (ANY,), "custom_name": (ANY,)},
        "Activation": {"target": (ANY,), "beta": (ANY,)},
        "MaxPooling2D": {"ignore_border": (True,)},
        "AveragePooling2D": {"ignore_border": (True,)},
    },
    steps={"Convolution1D": early_sequence, "BatchNormalization": early_statistics},
    absent=dict.fromkeys(_ORDERED, _THEANO),
)
