"""Keras 2.0 to 2.15, keras-team's and tf.keras's: how its layers differ from Keras 3's."""

from __future__ import annotations

from typing import Any

from spec_compiler.diagnostics import show
from spec_compiler.dialects.arguments import ANY, Arguments, Rules
from spec_compiler.dialects.keras1 import LEGACY_WORDS, merge

_RECURRENT = ("LSTM", "GRU", "SimpleRNN", "RNN")
# Another function than Keras 3's of that name.
_OLD_ACTIVATIONS = {"hard_sigmoid": "hard_sigmoid_keras2"}
_ATTENTION = {"causal": (False,)}
_KERNEL = {
    "kernel_initializer": (ANY,),
    "kernel_regularizer": (None,),
    "kernel_constraint": (None,),
    "filters": (None,),
}


def _one_axis(args: Arguments) -> None:
    # tf.keras writes the axis of BatchNormalization as a list of one.
    axis = args.values.get("axis")
    if isinstance(axis, (list, tuple)) and len(axis) == 1:
        args.values["axis"] = axis[0]


def _synchronized(args: Arguments) -> None:
    args.class_name = "BatchNormalization"
    args.put("synchronized", True, "synchronized")


def _cudnn_gru(args: Arguments) -> None:
    args.values.setdefault("reset_after", True)
    _cudnn(args)


def _cudnn(args: Arguments) -> None:
    # The layers that ran on NVIDIA's library alone could do nothing else, so their files do not say it.
    args.values.setdefault("recurrent_activation", "sigmoid")
    args.class_name = args.class_name.removeprefix("CuDNN")
    if args.values.get("time_major") and args.values.get("go_backwards"):
        args.refuse(
            "time_major", f"time_major=true beside go_backwards=true turns the batch round in CuDNN{args.class_name}"
        )


def _resized(args: Arguments) -> None:
    method = args.values.get("interpolation")
    if isinstance(method, str) and method.lower() not in ("nearest", "bilinear"):
        # The names that torch has too are other methods there: its bicubic is of a = -0.75, TensorFlow's of -0.5.
        args.refuse(
            "interpolation", f"interpolation={show(method)} of {args.class_name} cannot be built: torch lacks it"
        )
        del args.values["interpolation"]


def _both_ways(args: Arguments) -> None:
    layer = args.values.get("layer")
    if not isinstance(layer, dict) or not isinstance(layer.get("config"), dict):
        return
    config = layer["config"]
    if str(layer.get("class_name")).startswith("ConvLSTM") and config.get("time_major"):
        args.refuse("layer", "a ConvLSTM with time_major=true has its batch turned round by tf.keras's Bidirectional")
    if config.get("go_backwards") and args.values.get("backward_layer") is None:
        # Keras 3 has both go backwards then, which it refuses.
        turned = {**config, "name": f"backward_{config.get('name', 'layer')}", "go_backwards": False}
        args.put("backward_layer", {**layer, "config": turned}, "layer")


def _to_one(config: dict[str, Any]) -> dict[str, Any]:
    # tf.keras up to TensorFlow 1.12 has TensorFlow's own initializer, 0 to 1, and an Embedding starts from it.
    return {**config, "maxval": 1.0} if config.get("maxval", 1.0) is None else config


RULES = Rules(
    classes={
        "BatchNormalizationV1": "BatchNormalization",
        "BatchNormalizationV2": "BatchNormalization",
        "LSTMV2": "LSTM",
        "GRUV2": "GRU",
        "UnifiedLSTM": "LSTM",
        "UnifiedGRU": "GRU",
        "LayerNormalizationV2": "LayerNormalization",
        "DenseV2": "Dense",
    },
    renamed={
        # Keras 1's layers, which Keras 2 kept until 2.1 (`Merge`) and 2.3 under the old names of their arguments.
        "Highway": LEGACY_WORDS,
        "MaxoutDense": {"output_dim": "units", **LEGACY_WORDS},
        "InputLayer": {"batch_input_shape": "batch_shape", "input_dtype": "dtype"},
        "LeakyReLU": {"alpha": "negative_slope"},
        "CategoryEncoding": {"max_tokens": "num_tokens"},
    },
    silent={
        # The first layer of a Sequential states its input's shape; its reader has taken it from here.
        "*": dict.fromkeys(("batch_input_shape", "input_shape", "input_dtype", "input_length", "input_dim"), (ANY,)),
        "BatchNormalization": {
            "renorm": (False, None),
            "renorm_clipping": (ANY,),
            "renorm_momentum": (ANY,),
            "fused": (ANY,),
            "virtual_batch_size": (None,),
            "adjustment": (None,),
            "experimental_sync": (ANY,),
        },
        **{name: {"implementation": (ANY,)} for name in _RECURRENT},
        **{f"{name}Cell": {"implementation": (ANY,)} for name in ("LSTM", "GRU", "SimpleRNN")},
        # tf.keras's take it and go by it nowhere.
        **{f"ConvLSTM{n}D": {"time_major": (ANY,), "implementation": (ANY,)} for n in (1, 2, 3)},
        "Embedding": {"input_length": (ANY,), "sparse": (False, None)},
        "DepthwiseConv1D": _KERNEL,
        "DepthwiseConv2D": _KERNEL,
        "MultiHeadAttention": {
            "query_shape": (ANY,),
            "key_shape": (ANY,),
            "value_shape": (ANY,),
            # Another way to the same numbers.
            "softmax_robust_masking": (ANY,),
        },
        "Softmax": {"robust_masking": (ANY,)},
        "Attention": _ATTENTION,
        "AdditiveAttention": _ATTENTION,
        **{
            f"Random{name}": {"rng_type": (ANY,), "force_generator": (ANY,)}
            for name in ["Flip", "Rotation", "Zoom", "Translation", "Contrast", "Brightness", "Crop", "Height", "Width"]
        },
    },
    values={"activation": _OLD_ACTIVATIONS, "recurrent_activation": _OLD_ACTIVATIONS},
    absent={"GRU": {"reset_after": False}, "GRUCell": {"reset_after": False}},
    steps={
        "BatchNormalization": _one_axis,
        "Bidirectional": _both_ways,
        "CuDNNGRU": _cudnn_gru,
        "CuDNNLSTM": _cudnn,
        "Merge": merge,
        "Resizing": _resized,
        "SyncBatchNormalization": _synchronized,
        "UpSampling2D": _resized,
    },
    objects={"*": {"dtype": None}},
    object_steps={"RandomUniform": _to_one},
)
