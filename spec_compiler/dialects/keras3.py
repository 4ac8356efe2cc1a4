"""Keras 3: arguments that it writes and nothing depends on."""

from __future__ import annotations

from spec_compiler.dialects.arguments import ANY, Rules

_SEPARABLE = {"groups": (1,), "kernel_initializer": (ANY,), "kernel_regularizer": (None,), "kernel_constraint": (None,)}
_ONE_GROUP = {"groups": (1,)}
_CHANNELS_LAST = {"data_format": ("channels_last", None)}

RULES = Rules(
    classes={"AvgPool1D": "AveragePooling1D", "AvgPool2D": "AveragePooling2D", "AvgPool3D": "AveragePooling3D"}
    | {f"MaxPool{n}D": f"MaxPooling{n}D" for n in (1, 2, 3)}
    | {f"GlobalAvgPool{n}D": f"GlobalAveragePooling{n}D" for n in (1, 2, 3)}
    | {f"GlobalMaxPool{n}D": f"GlobalMaxPooling{n}D" for n in (1, 2, 3)}
    | {f"Convolution{n}D": f"Conv{n}D" for n in (1, 2, 3)}
    | {f"Convolution{n}DTranspose": f"Conv{n}DTranspose" for n in (1, 2, 3)}
    | {f"SeparableConvolution{n}D": f"SeparableConv{n}D" for n in (1, 2)},
    silent={
        "*": {"quantization_config": (None,), "lora_rank": (None, 0), "lora_alpha": (ANY,)},
        "SeparableConv1D": _SEPARABLE,
        "SeparableConv2D": _SEPARABLE,
        "DepthwiseConv1D": _ONE_GROUP,
        "DepthwiseConv2D": _ONE_GROUP,
        "Conv1DTranspose": _ONE_GROUP,
        "Conv2DTranspose": _ONE_GROUP,
        "Conv3DTranspose": _ONE_GROUP,
        "SpatialDropout1D": {"noise_shape": (None,)},
        "SpatialDropout2D": {"noise_shape": (None,)},
        "SpatialDropout3D": {"noise_shape": (None,)},
        "AutoContrast": _CHANNELS_LAST,
        "RandomBrightness": _CHANNELS_LAST,
        "RandomContrast": _CHANNELS_LAST,
        "Solarization": _CHANNELS_LAST,
        # Until 3.5; nothing read it.
        "RandomRotation": {"value_range": (ANY,)},
        # RMSNormalization took its place.
        "LayerNormalization": {"rms_scaling": (False,)},
    },
)
