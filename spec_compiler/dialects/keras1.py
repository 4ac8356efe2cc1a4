"""Keras 1.x: how its layers differ from Keras 2's."""

from __future__ import annotations

from typing import Any

from spec_compiler.diagnostics import TRAINS_OTHERWISE, show
from spec_compiler.dialects import keras1_kernels as kernels
from spec_compiler.dialects.arguments import ANY, Arguments, Rules
from spec_compiler.dialects.items import mappings
from spec_compiler.dialects.known import words

LEGACY_WORDS = {
    "W_regularizer": "kernel_regularizer",
    "b_regularizer": "bias_regularizer",
    "W_constraint": "kernel_constraint",
    "b_constraint": "bias_constraint",
    "init": "kernel_initializer",
    "bias": "use_bias",
}
"""What every layer with a kernel and a bias calls them; a few kept these words in Keras 2."""

_DROPOUTS = {"dropout_W": "dropout", "dropout_U": "recurrent_dropout"}
_RECURRENT = {"output_dim": "units", **_DROPOUTS}
_RATE = {"p": "rate"}
_CONVOLUTION = {"nb_filter": "filters", "atrous_rate": "dilation_rate"}
_SIDES = {
    "Conv2D": ("nb_row", "nb_col"),
    "Conv2DTranspose": ("nb_row", "nb_col"),
    "ConvLSTM2D": ("nb_row", "nb_col"),
    "LocallyConnected2D": ("nb_row", "nb_col"),
    "SeparableConv2D": ("nb_row", "nb_col"),
    "Conv3D": ("kernel_dim1", "kernel_dim2", "kernel_dim3"),
}

_ORDERED = words(
    """
    UpSampling2D UpSampling3D ZeroPadding2D ZeroPadding3D Cropping2D Cropping3D MaxPooling2D MaxPooling3D
    AveragePooling2D AveragePooling3D SpatialDropout2D SpatialDropout3D
    """
)

_MERGES = {
    "sum": "Add",
    "mul": "Multiply",
    "concat": "Concatenate",
    "ave": "Average",
    "max": "Maximum",
    "dot": "Dot",
    "cos": "Dot",
}


def _kernel_size(args: Arguments) -> None:
    sides = _SIDES[args.class_name]
    if all(side in args.values for side in sides):
        args.put("kernel_size", [args.values.pop(side) for side in sides], sides[0])


def _convolution(args: Arguments) -> None:
    if args.class_name in _SIDES:
        _kernel_size(args)
    kernels.convolution(args)


def _separable(args: Arguments) -> None:
    _kernel_size(args)
    kernels.separable(args)
    if "kernel_initializer" in args.values:
        start = args.values.pop("kernel_initializer")
        args.put("depthwise_initializer", start, "kernel_initializer")
        args.put("pointwise_initializer", start, "kernel_initializer")


def _transposed(args: Arguments) -> None:
    _kernel_size(args)
    kernels.transposed(args)
    if "output_shape" in args.values and _has_the_usual_size(args.values):
        args.drop("output_shape")
    elif "output_shape" in args.values:
        args.class_name = "Deconvolution2D"


def _has_the_usual_size(values: dict[str, Any]) -> bool:
    """Whether the output is as large as Conv2DTranspose makes it: of the sizes that there are, one in so many strides."""
    shape, kernel, strides = values["output_shape"], values.get("kernel_size"), values.get("strides", (1, 1))
    if not isinstance(shape, (list, tuple)) or len(shape) != 4:
        return True
    lengths = shape[2:] if values.get("data_format") == "channels_first" else shape[1:3]
    for n, k, s in zip(lengths, _pair(kernel), _pair(strides), strict=True):
        if not all(isinstance(number, int) and number > 0 for number in (n, k, s)):
            return True
        if (n if values.get("padding") == "same" else n - max(k, s)) % s:
            return False
    return True


def _pair(value: Any) -> Any:
    return value if isinstance(value, (list, tuple)) and len(value) == 2 else (value, value)


def _conv_lstm(args: Arguments) -> None:
    _kernel_size(args)
    _forget_bias(args)


def _embedding(args: Arguments) -> None:
    dropout = args.values.get("dropout")
    if isinstance(dropout, (int, float)) and not isinstance(dropout, bool):
        del args.values["dropout"]
        if 0 < dropout < 1:
            message = f"dropout={show(dropout)} of an Embedding, of whole words in training, is left out"
            args.warn(TRAINS_OTHERWISE, "dropout", message)


def _forget_bias(args: Arguments) -> None:
    if "forget_bias_init" in args.values:
        start = args.values.pop("forget_bias_init")
        if not isinstance(start, str):
            args.refuse("forget_bias_init", f"forget_bias_init={show(start)} cannot be built, only 'one' and 'zero'")
        elif start not in ("one", "ones", "zero", "zeros"):
            message = f"forget_bias_init={show(start)} is left out: the forget gate's bias starts at 1"
            args.warn(TRAINS_OTHERWISE, "forget_bias_init", message)
        args.put("unit_forget_bias", start not in ("zero", "zeros"), "forget_bias_init")


_PADDED_SIDES = ("top_pad", "bottom_pad", "left_pad", "right_pad")


def _two_sides(args: Arguments) -> None:
    padding = args.values.get("padding")
    if isinstance(padding, dict) and padding.keys() <= set(_PADDED_SIDES[2:]):
        args.values["padding"] = [padding.get(side, 0) for side in _PADDED_SIDES[2:]]


def _four_sides(args: Arguments) -> None:
    padding = args.values.get("padding")
    if isinstance(padding, dict) and padding.keys() <= set(_PADDED_SIDES):
        padding = [padding.get(side, 0) for side in _PADDED_SIDES]
    if isinstance(padding, (list, tuple)) and len(padding) == 4:
        args.values["padding"] = [list(padding[:2]), list(padding[2:])]


def merge(args: Arguments) -> None:
    """Turn `Merge` into the merging layer that its `mode` names."""
    mode = args.values.pop("mode", "sum")
    if not isinstance(mode, str) or mode not in _MERGES or args.values.get("mode_type", "raw") != "raw":
        args.refuse("mode", f"Merge with mode={show(mode)} cannot be built: modes are {', '.join(_MERGES)}")
        mode = "sum"
    args.class_name = _MERGES[mode]
    if mode == "concat":
        args.rename("concat_axis", "axis")
    if mode in ("dot", "cos"):
        args.put("axes", _flat(args.values.get("dot_axes", -1)), "dot_axes")
        args.values["normalize"] = mode == "cos"
    if mode == "cos" and not _are_of_vectors(args.values["axes"]):
        # It divides by products of whole matrices then, which makes no cosines, and has a further axis besides.
        message = (
            f"Merge with mode='cos' over axes {show(args.values['axes'])} cannot be built, only of vectors, over axis 1"
        )
        args.refuse("dot_axes", message)
    for name in ("layers", "concat_axis", "dot_axes", "node_indices", "tensor_indices"):
        args.drop(name)
    for name in ("mode_type", "output_shape", "output_shape_type", "output_mask", "output_mask_type", "arguments"):
        args.drop(name)


def _are_of_vectors(axes: Any) -> bool:
    return all(axis in (1, -1) for axis in (axes if isinstance(axes, list) else [axes]))


def _flat(axes: Any) -> Any:
    if isinstance(axes, (list, tuple)):
        return [one[0] if isinstance(one, (list, tuple)) and len(one) == 1 else one for one in axes]
    return axes


_BEFORE_1_0_7 = [f"1.0.{n}" for n in range(7)]
_STEPS_OF_1_0 = {"Convolution1D": kernels.early_sequence}
_STEPS_BEFORE_1_0_7 = {"BatchNormalization": kernels.early_statistics}


def of_file(data: Any, version: str | None) -> Rules:
    """What the layers of one file do not say themselves.

    Those that only pad, repeat, pool or drop went by the user's settings in their order of axes, which early versions
    did not write: it is that of the rest of the model, or Keras's default at the time.
    """
    early = version is not None and version.startswith("1.0.")
    order = _stated_order(data) or ("th" if early else None)
    return Rules(
        absent={name: {"dim_ordering": order} for name in _ORDERED} if order is not None else {},
        steps={**(_STEPS_OF_1_0 if early else {}), **(_STEPS_BEFORE_1_0_7 if version in _BEFORE_1_0_7 else {})},
    )


def _stated_order(data: Any) -> str | None:
    """The first `dim_ordering` that a layer states."""
    stated = (item.get("dim_ordering") for item in mappings(data))
    return next((order for order in stated if order in ("th", "tf")), None)


def inline_object(value: dict[str, Any]) -> dict[str, Any] | None:
    """`{"name": "MaxNorm", "m": 2}` in the later form `{"class_name": ..., "config": ...}`; None for all else."""
    name = value.get("name")
    if not isinstance(name, str) or "class_name" in value or "config" in value:
        return None
    config = {key: item for key, item in value.items() if key != "name"}
    return {"class_name": _OBJECTS.get(name, name), "config": config}


_OBJECTS = {"WeightRegularizer": "L1L2", "ActivityRegularizer": "L1L2", "L1L2Regularizer": "L1L2"}

RULES = Rules(
    classes={
        **{f"Convolution{n}D": f"Conv{n}D" for n in (1, 2, 3)},
        **{f"AtrousConvolution{n}D": f"Conv{n}D" for n in (1, 2)},
        "Deconvolution2D": "Conv2DTranspose",
        "SeparableConvolution2D": "SeparableConv2D",
        "TimeDistributedDense": "Dense",
    },
    renamed={
        "*": {
            **LEGACY_WORDS,
            "U_regularizer": "recurrent_regularizer",
            "U_constraint": "recurrent_constraint",
            "inner_init": "recurrent_initializer",
            "inner_activation": "recurrent_activation",
            "border_mode": "padding",
            "dim_ordering": "data_format",
            "subsample": "strides",
        },
        "Dense": {"output_dim": "units"},
        "MaxoutDense": {"output_dim": "units"},
        "LSTM": _RECURRENT,
        "GRU": _RECURRENT,
        "SimpleRNN": _RECURRENT,
        "Embedding": {
            "init": "embeddings_initializer",
            "W_regularizer": "embeddings_regularizer",
            "W_constraint": "embeddings_constraint",
        },
        "Conv1D": _CONVOLUTION | {"filter_length": "kernel_size", "subsample_length": "strides"},
        "Conv2D": _CONVOLUTION,
        "Conv3D": _CONVOLUTION,
        "LocallyConnected1D": {"nb_filter": "filters", "filter_length": "kernel_size", "subsample_length": "strides"},
        "LocallyConnected2D": {"nb_filter": "filters"},
        "ConvLSTM2D": {"nb_filter": "filters", **_DROPOUTS},
        "Conv2DTranspose": _CONVOLUTION,
        "SeparableConv2D": _CONVOLUTION,
        **{f"{kind}Pooling1D": {"pool_length": "pool_size", "stride": "strides"} for kind in ("Max", "Average")},
        "UpSampling1D": {"length": "size"},
        "Dropout": _RATE,
        "SpatialDropout1D": _RATE,
        "SpatialDropout2D": _RATE,
        "SpatialDropout3D": _RATE,
        "GaussianDropout": _RATE,
        "GaussianNoise": {"sigma": "stddev"},
        "BatchNormalization": {"beta_init": "beta_initializer", "gamma_init": "gamma_initializer"},
        "PReLU": {"init": "alpha_initializer"},
    },
    silent={
        "*": {"consume_less": (ANY,), "weights": (None,)},
        "Highway": {"transform_bias": (ANY,)},
        "BatchNormalization": {"mode": (0,)},
    },
    values={"data_format": {"th": "channels_first", "tf": "channels_last"}},
    steps={
        "Merge": merge,
        "Conv1D": _convolution,
        "Conv2D": _convolution,
        "Conv3D": _convolution,
        "Conv2DTranspose": _transposed,
        "SeparableConv2D": _separable,
        "Embedding": _embedding,
        "LSTM": _forget_bias,
        "ConvLSTM2D": _conv_lstm,
        "LocallyConnected2D": _kernel_size,
        **{f"{kind}Pooling{n}D": kernels.pooling for kind in ("Max", "Average") for n in (2, 3)},
        "ZeroPadding1D": _two_sides,
        "ZeroPadding2D": _four_sides,
    },
    objects={"MaxNorm": {"m": "max_value"}, "MinMaxNorm": {"low": "min_value", "high": "max_value"}},
)
