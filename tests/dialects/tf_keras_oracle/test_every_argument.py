"""Each argument of each of tf_keras's layers, at a value that is not its default: read, and computed as tf_keras does."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from spec_compiler.loading import parse_spec, validate
from spec_compiler.lowering.lower import lower_spec
from tests.dialects.tf_keras_oracle.oracle import assert_close, outputs_of, run, with_weights_of

tf_keras = pytest.importorskip("tf_keras")
pytestmark = pytest.mark.slow

K, L = tf_keras, tf_keras.layers

IMAGE, SEQUENCE, VOLUME = (9, 8, 4), (9, 4), (6, 5, 4, 3)

BASE: dict[str, tuple[dict[str, Any], Any]] = {
    "Activation": ({"activation": "relu"}, (5, 4)),
    "ActivityRegularization": ({}, (5, 4)),
    **dict.fromkeys(
        ["Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract"], ({}, [(5, 4)] * 2)
    ),
    **dict.fromkeys(["AdditiveAttention", "Attention"], ({}, [(5, 4), (6, 4)])),
    **dict.fromkeys(["AlphaDropout", "Dropout", "GaussianDropout"], ({"rate": 0.25}, (5, 4))),
    **{
        f"{kind}Pooling{n + 1}D": ({}, x)
        for kind in ("Average", "Max")
        for n, x in enumerate([SEQUENCE, IMAGE, VOLUME])
    },
    **{
        f"Global{kind}Pooling{n + 1}D": ({}, x)
        for kind in ("Average", "Max")
        for n, x in enumerate([SEQUENCE, IMAGE, VOLUME])
    },
    "BatchNormalization": ({}, IMAGE),
    "Bidirectional": ({"layer": lambda: L.LSTM(3)}, SEQUENCE),
    "CenterCrop": ({"height": 4, "width": 3}, IMAGE),
    **{f"Conv{n + 1}D": ({"filters": 6, "kernel_size": 3}, x) for n, x in enumerate([SEQUENCE, IMAGE, VOLUME])},
    **{
        f"Conv{n + 1}DTranspose": ({"filters": 6, "kernel_size": 3}, x) for n, x in enumerate([SEQUENCE, IMAGE, VOLUME])
    },
    **{
        f"ConvLSTM{n + 1}D": ({"filters": 3, "kernel_size": 2}, (3, *x))
        for n, x in enumerate([SEQUENCE, IMAGE, VOLUME])
    },
    **{f"Cropping{n + 1}D": ({}, x) for n, x in enumerate([SEQUENCE, IMAGE, VOLUME])},
    "Dense": ({"units": 6}, (5, 4)),
    **{f"DepthwiseConv{n + 1}D": ({"kernel_size": 3}, x) for n, x in enumerate([SEQUENCE, IMAGE])},
    "Dot": ({"axes": 2}, [(5, 4), (6, 4)]),
    "EinsumDense": ({"equation": "abc,cd->abd", "output_shape": (None, 6)}, (5, 4)),
    "ELU": ({}, (5, 4)),
    "Embedding": ({"input_dim": 7, "output_dim": 4}, (5,)),
    "Flatten": ({}, IMAGE),
    **dict.fromkeys(["LSTM", "GRU", "SimpleRNN"], ({"units": 3}, SEQUENCE)),
    "GaussianNoise": ({"stddev": 0.5}, (5, 4)),
    "GroupNormalization": ({"groups": 2}, IMAGE),
    "Identity": ({}, (5, 4)),
    "LayerNormalization": ({}, IMAGE),
    "LeakyReLU": ({}, (5, 4)),
    **{f"LocallyConnected{n + 1}D": ({"filters": 6, "kernel_size": 3}, x) for n, x in enumerate([SEQUENCE, IMAGE])},
    "Masking": ({}, SEQUENCE),
    "MultiHeadAttention": ({"num_heads": 2, "key_dim": 3}, [(5, 4), (6, 4)]),
    "Normalization": ({"mean": 0.5, "variance": 2.0}, (5, 4)),
    "PReLU": ({}, IMAGE),
    "Permute": ({"dims": (2, 1)}, (5, 4)),
    "RandomFlip": ({}, IMAGE),
    "RandomRotation": ({"factor": 0.25}, IMAGE),
    "ReLU": ({}, (5, 4)),
    "RepeatVector": ({"n": 3}, (4,)),
    "Rescaling": ({"scale": 0.5}, IMAGE),
    "Reshape": ({"target_shape": (2, 10)}, (5, 4)),
    "Resizing": ({"height": 4, "width": 5}, IMAGE),
    "RNN": ({"cell": lambda: L.LSTMCell(3)}, SEQUENCE),
    **{f"SeparableConv{n + 1}D": ({"filters": 6, "kernel_size": 3}, x) for n, x in enumerate([SEQUENCE, IMAGE])},
    "Softmax": ({}, (5, 4)),
    **{f"SpatialDropout{n + 1}D": ({"rate": 0.25}, x) for n, x in enumerate([SEQUENCE, IMAGE, VOLUME])},
    "SpectralNormalization": ({"layer": lambda: L.Dense(3)}, (5, 4)),
    "ThresholdedReLU": ({}, (5, 4)),
    "TimeDistributed": ({"layer": lambda: L.Dense(3)}, (5, 4)),
    "UnitNormalization": ({}, IMAGE),
    **{f"UpSampling{n + 1}D": ({}, x) for n, x in enumerate([SEQUENCE, IMAGE, VOLUME])},
    **{f"ZeroPadding{n + 1}D": ({}, x) for n, x in enumerate([SEQUENCE, IMAGE, VOLUME])},
}
"""The arguments that a layer must have, and the shape of its input, or of each of several."""

NOT_HERE = {
    **dict.fromkeys(["CategoryEncoding", "Discretization"], "preprocessing: cannot be built yet"),
    **{f"Random{name}": "cannot be built yet" for name in ["Brightness", "Contrast", "Crop", "Translation", "Zoom"]},
    "AbstractRNNCell": "no layer by itself",
    "DenseFeatures": "TensorFlow's feature columns; Keras 3 dropped it",
    "GRUCell": "in RNN",
    "LSTMCell": "in RNN",
    "SimpleRNNCell": "in RNN",
    "StackedRNNCells": "in RNN",
    "HashedCrossing": "text",
    "Hashing": "text",
    "InputLayer": "in every model",
    "IntegerLookup": "text",
    "StringLookup": "text",
    "TextVectorization": "text",
    "Lambda": "code",
    "Layer": "no layer by itself",
    "Wrapper": "no layer by itself",
    "RandomHeight": "Keras 3 dropped it",
    "RandomWidth": "Keras 3 dropped it",
}

_STARTS = {"class_name": "RandomUniform", "config": {"minval": -0.5, "maxval": 0.5, "seed": 3}}
VALUES: dict[str, list[Any]] = {
    "activation": ["tanh", "hard_sigmoid", "leaky_relu", "swish", lambda: L.LeakyReLU(0.2)],
    "recurrent_activation": ["hard_sigmoid", "sigmoid"],
    "activity_regularizer": ["l2"],
    "use_bias": [False],
    "unit_forget_bias": [False],
    "strides": [2],
    "padding": ["same"],
    "data_format": ["channels_first"],
    "dilation_rate": [2],
    "groups": [2],
    "depth_multiplier": [2],
    "output_padding": [1],
    "implementation": [2, 3],
    "dropout": [0.25],
    "recurrent_dropout": [0.25],
    **{key: [True] for key in ["return_sequences", "return_state", "go_backwards", "unroll", "stateful", "time_major"]},
    "mask_zero": [True],
    "keepdims": [True],
    "reset_after": [False],
    "pool_size": [3, 4],
    "axis": [1, [-1]],
    "epsilon": [0.1],
    "momentum": [0.5],
    "center": [False],
    "scale": [False],
    "synchronized": [True],
    "rate": [0.5],
    "noise_shape": [(None, 1, 4)],
    "seed": [7],
    "alpha": [0.7],
    "shared_axes": [[1], [1, 2]],
    "use_scale": [True, False],
    "score_mode": ["concat"],
    "normalize": [True],
    "l1": [0.1],
    "l2": [0.1],
    "merge_mode": ["sum", "mul", "ave", None],
    "backward_layer": [lambda: L.GRU(3, go_backwards=True)],
    "cropping": [1],
    "bias_axes": ["d"],
    "mask_value": [0.5],
    "value_dim": [5],
    "attention_axes": [(1,)],
    "output_shape": [5],
    "softmax_robust_masking": [True],
    "robust_masking": [True],
    "invert": [True],
    "interpolation": ["nearest", "bilinear"],
    "crop_to_aspect_ratio": [True],
    "offset": [0.5],
    "max_value": [0.5],
    "negative_slope": [0.2],
    "threshold": [0.3],
    "theta": [0.3],
    "power_iterations": [3],
    "size": [2, 3],
    "fill_mode": ["constant", "wrap", "nearest"],
    "fill_value": [0.5],
    "mode": ["horizontal", "vertical"],
    "width_factor": [0.5],
    "input_length": [5],
}
"""What each argument is given, in every layer that has it."""

BESIDE = {"output_padding": {"strides": 2}}
"""What goes with an argument."""

OWN_VALUES: dict[tuple[str, str], list[Any]] = {
    ("Activation", "activation"): ["elu", "exponential", "gelu", "hard_sigmoid", "leaky_relu", "linear", "log_softmax",
                                   "mish", "relu6", "selu", "sigmoid", "softmax", "softplus", "softsign", "swish", "tanh"],
    ("BatchNormalization", "axis"): [1, [2], [-1]],
    ("LayerNormalization", "axis"): [1, [1, 2], [-1]],
    ("GroupNormalization", "axis"): [3, -1],
    ("GroupNormalization", "groups"): [1, 4, -1],
    ("UnitNormalization", "axis"): [1, [1, 2]],
    ("Normalization", "axis"): [None, 1],
    ("Softmax", "axis"): [1, [1, 2]],
    ("Concatenate", "axis"): [1],
    ("Dot", "axes"): [(2, 2)],
    ("Conv1D", "padding"): ["same", "causal"],
    ("Conv3D", "groups"): [3],
    ("SeparableConv1D", "padding"): ["same", "causal"],
    ("LocallyConnected1D", "padding"): [],  # `same` goes with implementation 2 and 3: in test_read_from_tf_keras
    ("LocallyConnected2D", "padding"): [],
    **{(f"ZeroPadding{n}D", "padding"): values for n, values in
       enumerate([[2, (1, 2)], [2, (1, 2), ((1, 2), (0, 1))], [2, (1, 2, 0), ((1, 2), (0, 1), (1, 0))]], 1)},
    **{(f"Cropping{n}D", "cropping"): values for n, values in
       enumerate([[2, (1, 2)], [2, (1, 2), ((1, 2), (0, 1))], [1, (1, 2, 0), ((1, 2), (0, 1), (1, 0))]], 1)},
    ("Rescaling", "scale"): [0.25],
    ("EinsumDense", "output_shape"): [],
    ("Reshape", "target_shape"): [(-1,), (4, -1)],
    ("SpectralNormalization", "layer"): [lambda: L.Conv1D(3, 2)],
    ("RNN", "cell"): [lambda: L.GRUCell(3), lambda: L.GRUCell(3, reset_after=False), lambda: L.SimpleRNNCell(3),
                      lambda: [L.LSTMCell(3), L.GRUCell(2, use_bias=False)],
                      lambda: L.StackedRNNCells([L.SimpleRNNCell(3), L.StackedRNNCells([L.LSTMCell(2)])])],
    ("TimeDistributed", "layer"): [lambda: L.PReLU(), lambda: K.Sequential([L.Input((4,)), L.Dense(3)])],
    ("Embedding", "sparse"): [],  # how its gradient is kept
}  # fmt: skip
TRIVIAL = {
    "initializer": [_STARTS],
    "regularizer": ["l1_l2"],
    "constraint": ["non_neg", "max_norm"],
}
"""By how their names end."""


def cases() -> Iterator[tuple[str, str, Any]]:
    for name, (needed, _) in BASE.items():
        yield name, "", None
        parameters = list(inspect.signature(getattr(L, name).__init__).parameters.values())[1:]
        for parameter in parameters:
            if parameter.kind is parameter.VAR_KEYWORD or parameter.name in ("trainable", "name", "dtype", "dynamic"):
                continue
            found = OWN_VALUES.get((name, parameter.name), VALUES.get(parameter.name))
            if found is None:
                found = next((v for end, v in TRIVIAL.items() if parameter.name.endswith(end)), None)
            if found is None and parameter.name not in needed and parameter.name != "weights":
                raise AssertionError(f"no value for {parameter.name} of {name}")
            for value in found or ():
                yield name, parameter.name, value


CASES = list(cases())


def test_every_layer_is_reached() -> None:
    found = {
        cls.__name__
        for cls in vars(L).values()
        if inspect.isclass(cls) and issubclass(cls, L.Layer) and cls.__name__ in vars(L)
    }
    assert found == BASE.keys() | NOT_HERE.keys()


@pytest.mark.parametrize(
    ("name", "argument", "value"), CASES, ids=[f"{n}-{a}-{i}" for i, (n, a, _) in enumerate(CASES)]
)
def test_layer_computes_what_tf_keras_computes(name: str, argument: str, value: Any) -> None:
    needed, shapes = BASE[name]
    config = {**needed, **BESIDE.get(argument, {}), **({argument: value} if argument else {})}
    config = {key: one() if callable(one) else one for key, one in config.items()}
    stateful = config.get("stateful")
    shapes = shapes if isinstance(shapes, list) else [shapes]
    inputs = [L.Input(batch_shape=(3 if stateful else None, *shape)) for shape in shapes]
    try:
        layer = getattr(L, name)(**config)
        model = K.Model(
            inputs, layer(inputs if name in TAKES_LIST else inputs[0], *inputs[1:][: name == "MultiHeadAttention"])
        )
    except (ValueError, TypeError, NotImplementedError) as error:
        pytest.skip(f"tf_keras refuses it: {error}")
    document = model.to_json()
    lowered = lower_spec(parse_spec(document))
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((3, *shape)).astype("float32") for shape in shapes]
    if name == "Embedding":
        arrays = [np.abs(np.round(2 * array)).clip(0, 4) for array in arrays]
    module = with_weights_of(model, lowered)
    try:
        wanted = outputs_of(model, arrays)
    except Exception as error:
        if "channels_first" in str(config) or "NCHW" in str(error) or "NHWC" in str(error):
            return  # TensorFlow computes them on a GPU alone.
        raise
    assert_close(run(module, arrays), wanted)


@pytest.mark.parametrize("method", ["bicubic", "area", "lanczos3", "lanczos5", "gaussian", "mitchellcubic"])
def test_interpolation_that_torch_lacks_is_refused(method: str) -> None:
    x = L.Input(IMAGE)
    for layer in (L.Resizing(4, 5, interpolation=method), L.UpSampling2D(2, interpolation=method)):
        report = str(validate(json.loads(K.Model(x, layer(x)).to_json())))
        assert f"interpolation='{method}' of {type(layer).__name__} cannot be built" in report


TAKES_LIST = ("Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract", "Dot", "Attention",
              "AdditiveAttention")  # fmt: skip
