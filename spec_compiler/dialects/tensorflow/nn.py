"""TensorFlow's activations, normalizations and losses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spec_compiler.dialects.tensorflow.arrays import order_of_axes
from spec_compiler.dialects.tensorflow.builder import Builder
from spec_compiler.dialects.tensorflow.folding import require_small, reshaped
from spec_compiler.dialects.tensorflow.table import tf, writes
from spec_compiler.dialects.tensorflow.values import Refusal, Tensor, number, whole
from spec_compiler.specs.layers.regularization import Dropout

if TYPE_CHECKING:
    from spec_compiler.dialects.tensorflow.recorder import Recorder

ONE = {
    "nn.relu keras.activations.relu": "Relu",
    "nn.relu6": "Relu6",
    "nn.selu keras.activations.selu": "Selu",
    "nn.softsign math.softsign keras.activations.softsign": "Softsign",
    "nn.softplus math.softplus keras.activations.softplus keras.backend.softplus": "Softplus",
    "math.sigmoid nn.sigmoid sigmoid keras.activations.sigmoid keras.backend.sigmoid": "Sigmoid",
    "math.log_sigmoid": "LogSigmoid",
    "keras.activations.tanh": "Tanh",
    "keras.activations.exponential": "Exp",
    "keras.activations.swish keras.activations.silu": "Silu",
}


def _one(names: str, op: str) -> None:
    # TensorFlow has others by a name of its own.
    tf(names, writes="" if op in ("Tanh", "Exp", "Silu") else op, meet="numbers")(lambda to, x: to.op(op, x))


for _names, _op in ONE.items():
    _one(_names, _op)


@tf("nn.leaky_relu", writes="LeakyRelu", meet="numbers", alpha="negative_slope")
def leaky_relu(to: Builder, features: Any, alpha: Any = 0.2) -> Any:
    return to.op("LeakyRelu", features, negative_slope=number(alpha, "alpha"))


@tf("nn.elu keras.backend.elu keras.activations.elu")
def elu(to: Builder, features: Any, alpha: Any = 1.0) -> Any:
    return to.op("Elu", features, alpha=number(alpha, "alpha"))


@writes("Elu")
def elu_in_keras2(to: Recorder, x: Any, *, alpha: float) -> Any:
    (x,) = to.meeting([x])
    if alpha == 1:
        return to.call("nn.elu", x)
    below = to.call("math.multiply", to.call("math.expm1", x), y=float(alpha))
    return to.call("where", to.call("math.greater", x, y=0.0), x=x, y=below)


@tf("nn.gelu keras.activations.gelu", writes="Gelu", meet="numbers")
def gelu(to: Builder, features: Any, approximate: Any = False) -> Any:
    return to.op("Gelu", features, approximate=bool(approximate))


@tf("nn.silu nn.swish", writes="Silu", meet="numbers")
def silu(to: Builder, features: Any, beta: Any = 1.0) -> Any:
    if beta == 1:
        return to.op("Silu", features)
    return to.op("Multiply", features, to.op("Sigmoid", to.op("Multiply", features, beta)))


@tf("nn.crelu")
def crelu(to: Builder, features: Any, axis: Any = -1) -> Any:
    both = to.op("Concatenate", [features, to.op("Negative", features)], axis=whole(axis, "axis"))
    return to.op("Relu", both)


@tf("keras.backend.hard_sigmoid keras.activations.hard_sigmoid")
def hard_sigmoid(to: Builder, x: Any) -> Any:
    # Keras 2's slope of 0.2.
    return to.op("Clip", to.op("Add", to.op("Multiply", x, 0.2), 0.5), x_min=0.0, x_max=1.0)


@tf("keras.backend.relu")
def backend_relu(to: Builder, x: Any, alpha: Any = 0.0, max_value: Any = None, threshold: Any = 0.0) -> Any:
    if threshold != 0 or (alpha and max_value is not None):
        raise Refusal("a threshold, or a slope together with a limit")
    if alpha:
        return leaky_relu(to, x, alpha)
    if max_value is None:
        return to.op("Relu", x)
    return to.op("Clip", x, x_min=0.0, x_max=number(max_value, "max_value"))


@tf("nn.softmax keras.activations.softmax keras.backend.softmax", writes="Softmax", meet="numbers")
def softmax(to: Builder, logits: Any, axis: Any = -1) -> Any:
    return to.op("Softmax", logits, axis=-1 if axis is None else whole(axis, "axis"))


@tf("nn.log_softmax", writes="LogSoftmax", meet="numbers")
def log_softmax(to: Builder, logits: Any, axis: Any = -1) -> Any:
    return to.op("LogSoftmax", logits, axis=-1 if axis is None else whole(axis, "axis"))


@tf("nn.bias_add")
def bias_add(to: Builder, value: Any, bias: Any, data_format: Any = None) -> Any:
    rank = to.rank(value)
    if order_of_axes(data_format) == "channels_first" and rank > 2:
        lengths = [-1, *[1] * (rank - 2)]
        bias = to.op("Reshape", bias, newshape=lengths) if isinstance(bias, Tensor) else reshaped(bias, lengths)
    return to.op("Add", value, bias)


@tf("keras.backend.bias_add")
def backend_bias_add(to: Builder, x: Any, bias: Any, data_format: Any = None) -> Any:
    return bias_add(to, x, bias, "NCHW" if data_format == "channels_first" else None)


@tf("nn.dropout")
def dropout(
    to: Builder, x: Any, rate: Any = None, noise_shape: Any = None, seed: Any = None, keep_prob: Any = None
) -> Any:
    """Keras's layer, which drops in training alone; the function by itself would drop whenever it is called."""
    if rate is None:
        rate = 0.0 if keep_prob is None else 1 - number(keep_prob, "keep_prob")
    if noise_shape is not None:
        raise Refusal("a noise_shape")
    return to.layer(Dropout, {"rate": number(rate, "rate")}, x)


@tf("keras.backend.dropout")
def backend_dropout(to: Builder, x: Any, level: Any, noise_shape: Any = None, seed: Any = None) -> Any:
    return dropout(to, x, level, noise_shape)


@tf("nn.moments", writes="Moments", meet="numbers")
def moments(to: Builder, x: Any, axes: Any, shift: Any = None, keepdims: Any = False) -> Any:
    found = [whole(axis, "axis") for axis in axes] if isinstance(axes, list) else whole(axes, "axis")
    return to.ops("Moments", x, axes=found, keepdims=bool(keepdims))


@tf("nn.batch_normalization")
def batch_normalization(
    to: Builder, x: Any, mean: Any, variance: Any, offset: Any, scale: Any, variance_epsilon: Any
) -> Any:
    factor = to.op("Rsqrt", to.op("Add", variance, number(variance_epsilon, "variance_epsilon")))
    factor = factor if scale is None else to.op("Multiply", factor, scale)
    y = to.op("Multiply", to.op("Subtract", x, mean), factor)
    return y if offset is None else to.op("Add", y, offset)


@tf("nn.local_response_normalization nn.lrn")
def local_response_normalization(
    to: Builder, input: Any, depth_radius: Any = 5, bias: Any = 1, alpha: Any = 1, beta: Any = 0.5
) -> Any:
    radius = whole(depth_radius, "depth_radius")
    n = to.lengths(input)[-1]
    if not isinstance(n, int) or radius > 32:
        raise Refusal("a number of channels that only the data tell, or a radius of more than 32")
    require_small([n, n])
    # Channels within the radius: a product with a banded matrix of ones.
    band = [[float(abs(i - j) <= radius) for j in range(n)] for i in range(n)]
    squares = to.op("Matmul", to.op("Square", input), band)
    size = to.op("Add", to.op("Multiply", squares, number(alpha, "alpha")), number(bias, "bias"))
    return to.op("TrueDivide", input, to.op("Power", size, number(beta, "beta")))


@tf("nn.l2_loss")
def l2_loss(to: Builder, t: Any) -> Any:
    return to.op("Multiply", to.op("Sum", to.op("Square", t)), 0.5)


# Losses, from scores.


@tf("nn.softmax_cross_entropy_with_logits")
def softmax_cross_entropy(to: Builder, labels: Any, logits: Any, axis: Any = -1) -> Any:
    place = whole(axis, "axis")
    likely = to.op("Multiply", labels, to.op("LogSoftmax", logits, axis=place))
    return to.op("Negative", to.op("Sum", likely, axis=place))


@tf("nn.sparse_softmax_cross_entropy_with_logits")
def sparse_softmax_cross_entropy(to: Builder, labels: Any, logits: Any) -> Any:
    return to.op("SparseCategoricalCrossentropy", labels, logits, from_logits=True)


@tf("nn.sigmoid_cross_entropy_with_logits")
def sigmoid_cross_entropy(to: Builder, labels: Any = None, logits: Any = None) -> Any:
    return to.op("BinaryCrossentropy", labels, logits, from_logits=True)


@tf("keras.backend.sqrt")
def backend_sqrt(to: Builder, x: Any) -> Any:
    # Keras takes no roots of negative numbers.
    return to.op("Sqrt", to.op("Maximum", x, 0.0))


@tf("keras.backend.softsign")
def backend_softsign(to: Builder, x: Any) -> Any:
    return to.op("Softsign", x)
