"""Keras 3's arguments in Keras 2's words: the tables behind `keras2_writer`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spec_compiler.diagnostics import show
from spec_compiler.dialects.known import words
from spec_compiler.dialects.typed import Built
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.model import inside
from spec_compiler.specs.serialization import plain

Refuse = Callable[[LayerSpec, str], None]

ACTIVATIONS = {"silu": "swish", "hard_sigmoid": "hard_sigmoid of Keras 3", "hard_sigmoid_keras2": "hard_sigmoid"}
"""Keras 3's names and Keras 2's. The two hard sigmoids are different functions, and Keras 2 has not the newer."""

KERAS2_ACTIVATIONS = words(
    """
    elu exponential gelu hard_sigmoid leaky_relu linear log_softmax mish relu relu6 selu sigmoid softmax softplus
    softsign swish tanh
    """
)

OBJECT_ARGUMENTS_OF_3 = ("input_axes", "output_axes")
"""Arguments of initializers that Keras 2 lacks."""

NOT_IN_2 = words(
    """
    AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D AdaptiveMaxPooling1D
    AdaptiveMaxPooling2D AdaptiveMaxPooling3D AugMix AutoContrast ContrastLimitedAdaptiveHistogramEqualization CutMix
    Equalization GroupQueryAttention MaxNumBoundingBoxes MelSpectrogram MixUp Pipeline RMSNormalization RandAugment
    RandomColorDegeneration RandomColorJitter RandomElasticTransform RandomErasing RandomGaussianBlur RandomGrayscale
    RandomHue RandomInvert RandomPerspective RandomPosterization RandomSaturation RandomSharpness RandomShear
    ReversibleEmbedding STFTSpectrogram Solarization Highway MaxoutDense ParametricSoftplus SReLU
    Deconvolution2D LayerScale CustomScaleLayer
    """
)
"""Layers that Keras 2 does not have."""

NOT_FOUND_IN_2 = ("SpectralNormalization",)
"""Layers that tf_keras has, and leaves out of the table that it looks names in files up in."""

CALL_ARGUMENTS_OF_3 = {"MultiHeadAttention": ("query_mask", "value_mask", "key_mask")}
"""Arguments of calls that Keras 2 lacks."""

_RECURRENT = ("LSTM", "GRU", "SimpleRNN", "RNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")
_SEPARABLE = {
    "groups": 1,
    "kernel_initializer": {"class_name": "GlorotUniform", "config": {"seed": None}},
    "kernel_regularizer": None,
    "kernel_constraint": None,
}
_STRIDED_OR_DILATED = ("DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D")
_ONE_DILATION = ("Conv2DTranspose",)
_RENAMED = {
    "InputLayer": {"batch_shape": "batch_input_shape"},
    "LeakyReLU": {"negative_slope": "alpha"},
}
_GONE: dict[str, dict[str, tuple[Any, ...]]] = {
    "*": {"quantization_config": (None,)},
    "InputLayer": {"optional": (False,)},
    # The name of the class says it: `class_name`.
    "BatchNormalization": {"synchronized": (False, True)},
    "LSTMCell": {"seed": (None,)},
    "GRUCell": {"seed": (None,)},
    "SimpleRNNCell": {"seed": (None,)},
    "LayerNormalization": {"rms_scaling": (False,)},
    "MultiHeadAttention": {"seed": (None,), "sliding_window": (None,), "use_gate": (False,)},
    "Attention": {"seed": (None,)},
    "AdditiveAttention": {"seed": (None,)},
    "AlphaDropout": {"noise_shape": (None,)},
    "Resizing": {
        "pad_to_aspect_ratio": (False,),
        "fill_mode": ("constant",),
        "fill_value": (0.0,),
        "antialias": (False,),
        "data_format": ("channels_last",),
    },
    "UpSampling2D": {"half_pixel_centers": (True,)},
    **{name: {"data_format": ("channels_last",)} for name in ("CenterCrop", "RandomFlip", "RandomRotation")},
    "Conv3DTranspose": {"dilation_rate": ([1, 1, 1],)},
    "ZeroPadding1D": {"data_format": ("channels_last", None)},
    "SpatialDropout1D": {"data_format": ("channels_last", None)},
    **{name: {"seed": (None,)} for name in _RECURRENT},
    **{f"ConvLSTM{n}D": {"seed": (None,), "unroll": (False,)} for n in (1, 2, 3)},
}
"""Arguments that Keras 2 lacks, and the values that it would have taken for granted."""

_ADDED: dict[str, dict[str, Any]] = {
    "Dense": {"activity_regularizer": None},
    "LSTM": {"time_major": False, "implementation": 2},
    "GRU": {"time_major": False, "implementation": 2},
    "SimpleRNN": {"time_major": False},
    "RNN": {"time_major": False},
    "LSTMCell": {"implementation": 2},
    "GRUCell": {"implementation": 2},
    "MultiHeadAttention": {"softmax_robust_masking": False},
    **{f"ConvLSTM{n}D": {"time_major": False, "unroll": False} for n in (1, 2, 3)},
    **{f"SpatialDropout{n}D": {"noise_shape": None} for n in (1, 2, 3)},
    **{f"Conv{n}DTranspose": {"groups": 1} for n in (1, 2, 3)},
    **{f"DepthwiseConv{n}D": {"groups": 1} for n in (1, 2)},
    **{f"SeparableConv{n}D": _SEPARABLE for n in (1, 2)},
}
"""Arguments that Keras 2 writes and Keras 3 no longer has."""


def from_keras3(layer: LayerSpec, config: dict[str, Any], refuse: Refuse) -> None:
    """Put a layer's Keras 3 config into Keras 2's words; `refuse` is told of what there are no words for."""
    name = type(layer).__name__
    if name in NOT_IN_2:
        refuse(layer, f"Keras 2 has no {name}")
    if name in _STRIDED_OR_DILATED and _steps(config["strides"]) and _steps(config["dilation_rate"]):
        refuse(layer, f"Keras 2's {name} has strides or a dilation_rate, not both")
    if name in _ONE_DILATION and len(set(config["dilation_rate"])) > 1:
        refuse(layer, f"Keras 2's {name} has one dilation for all axes, not {show(config['dilation_rate'])}")
    for scope in ("*", name):
        for key, harmless in _GONE.get(scope, {}).items():
            if key in config and (value := config.pop(key)) not in harmless:
                refuse(layer, f"Keras 2's {name} has no {key}={show(value)}")
    for new, old in _RENAMED.get(name, {}).items():
        config[old] = config.pop(new)
    if config.get("interpolation") == "bicubic":
        refuse(layer, f"Keras 2's {name} has another bicubic interpolation, TensorFlow's")
    if name == "BatchNormalization":
        config["axis"] = [config["axis"]]
    if name == "RandomRotation" and config["factor"][0] == -config["factor"][1]:
        config["factor"] = config["factor"][1]
    if config.get("renorm") is False:
        for key in ("renorm", "renorm_clipping", "renorm_momentum"):
            config.pop(key, None)
    if name in _RECURRENT and not config.get("zero_output_for_mask"):
        config.pop("zero_output_for_mask", None)
    if name == "Bidirectional":
        _one_direction(config)


def class_name(layer: LayerSpec) -> str:
    """Keras 2's name of the layer."""
    return "SyncBatchNormalization" if getattr(layer, "synchronized", False) else layer.class_name


def _steps(value: Any) -> bool:
    """Whether strides, or dilations, are any but 1."""
    return any(step != 1 for step in value)


def _one_direction(config: dict[str, Any]) -> None:
    """Leave out the backward layer where it is the forward one turned round, as Keras 2 makes it."""
    forward, backward = config["layer"]["config"], config.pop("backward_layer")
    own_name = forward["name"].removeprefix("forward_")
    if backward is not None:
        turned = {**forward, "name": f"backward_{own_name}", "go_backwards": not forward["go_backwards"]}
        if backward["config"] != turned:
            config["backward_layer"] = backward
            return
    forward["name"] = own_name
    # Keras 2 sets it by itself.
    forward.pop("zero_output_for_mask", None)


def add_constants(layer: LayerSpec, config: dict[str, Any], built: Built | None) -> None:
    """Add what Keras 2 writes besides the layer's arguments."""
    for key, value in _ADDED.get(type(layer).__name__, {}).items():
        config.setdefault(key, value)
    # What a layer has in layers that are made inside it trains where it does not, in Keras 3 alone.
    config["trainable"] = layer.trains
    if type(layer).__name__ == "InputLayer":
        del config["trainable"]
    if type(layer).__name__ == "Embedding":
        config |= {"input_length": None, "batch_input_shape": [None, None]}
    if type(layer).__name__ == "MultiHeadAttention" and built is not None:
        query, *others = (plain(shape) for shape in built.args)
        named = {key: plain(built.kwargs[key]) for key in ("value", "key") if built.kwargs.get(key) is not None}
        value_shape = others[0] if others else named.get("value")
        key_shape = others[1] if len(others) > 1 else named.get("key", value_shape)
        config |= {"query_shape": query, "value_shape": value_shape, "key_shape": key_shape}


def zeroes_in_vain(layer: LayerSpec) -> bool:
    """Whether it is a ConvLSTM, or goes both ways with one, whose `zero_output_for_mask` Keras 2 passes over."""
    return any(
        type(one).__name__.startswith("ConvLSTM") and getattr(one, "zero_output_for_mask", False)
        for one in (layer, *inside(layer))
    )


def unrolls_without_end(layer: LayerSpec, built: Built | None) -> bool:
    """Whether a recurrent layer is to unroll as many steps as only the data tell."""
    unrolled = any(getattr(one, "unroll", False) for one in (layer, *inside(layer)))
    first = built.first if built is not None else None
    return unrolled and isinstance(first, tuple) and len(first) > 1 and first[1] is None


def scales_the_value(layer: LayerSpec, built: Built | None) -> bool:
    """Whether the scale of the keys' features, which Keras 2 makes as long as the values, is of another length."""
    if type(layer).__name__ != "AdditiveAttention" or not getattr(layer, "use_scale", False) or built is None:
        return False
    first = built.first
    return isinstance(first, list) and len(first) == 3 and first[1][-1] != first[2][-1]


def dtype(policy: str) -> Any:
    """A dtype, or the mixed policy of that name."""
    if not policy.startswith("mixed_"):
        return policy
    return {"class_name": "Policy", "config": {"name": policy}}
