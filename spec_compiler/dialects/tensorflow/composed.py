"""Operations of `keras.ops` that no function of TensorFlow's is, as Keras 2 writes them: made of several."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from spec_compiler.dialects.tensorflow.table import writes
from spec_compiler.dialects.tensorflow.values import Refusal, axes, is_tensor
from spec_compiler.specs.layers.ops_types import is_float

if TYPE_CHECKING:
    from spec_compiler.dialects.tensorflow.recorder import Recorder


def _logarithm(op: str, base: int) -> None:
    @writes(op)
    def logarithm(to: Recorder, x: Any) -> Any:
        return to.call("math.multiply", to.call("math.log", *to.meeting([x])), y=1 / math.log(base))


_logarithm("Log2", 2)
_logarithm("Log10", 10)


@writes("Fabs")
def fabs_in_keras2(to: Recorder, x: Any) -> Any:
    return to.call("math.abs", *to.meeting([x]))


@writes("Trunc")
def trunc_in_keras2(to: Recorder, x: Any) -> Any:
    (x,) = to.meeting([x])
    if not is_float(to.dtype(x)):
        return x
    below = to.call("math.less", x, y=0.0)
    return to.call("where", below, x=to.call("math.ceil", x), y=to.call("math.floor", x))


@writes("HardSigmoid")
def hard_sigmoid_in_keras2(to: Recorder, x: Any) -> Any:
    (x,) = to.meeting([x])
    return to.call("math.multiply", to.call("nn.relu6", to.call("math.add", x, y=3.0)), y=1 / 6)


@writes("HardSilu")
def hard_silu_in_keras2(to: Recorder, x: Any) -> Any:
    (x,) = to.meeting([x])
    return to.call("math.multiply", x, y=hard_sigmoid_in_keras2(to, x))


@writes("HardTanh")
def hard_tanh_in_keras2(to: Recorder, x: Any) -> Any:
    return to.call("clip_by_value", *to.meeting([x]), clip_value_min=-1.0, clip_value_max=1.0)


@writes("TanhShrink")
def tanh_shrink_in_keras2(to: Recorder, x: Any) -> Any:
    (x,) = to.meeting([x])
    return to.call("math.subtract", x, y=to.call("math.tanh", x))


@writes("Squareplus")
def squareplus_in_keras2(to: Recorder, x: Any, *, b: float) -> Any:
    (x,) = to.meeting([x])
    root = to.call("math.sqrt", to.call("math.add", to.call("math.square", x), y=float(b)))
    return to.call("math.multiply", to.call("math.add", x, y=root), y=0.5)


@writes("Celu")
def celu_in_keras2(to: Recorder, x: Any, *, alpha: float) -> Any:
    (x,) = to.meeting([x])
    if not alpha:
        raise Refusal("a slope of no length")
    below = to.call("math.multiply", to.call("math.expm1", to.call("math.multiply", x, y=1 / alpha)), y=float(alpha))
    return to.call("where", to.call("math.greater", x, y=0.0), x=x, y=below)


@writes("Glu")
def glu_in_keras2(to: Recorder, x: Any, *, axis: int) -> Any:
    value, gate = to.call("split", x, num_or_size_splits=2, axis=axis)
    return to.call("math.multiply", value, y=to.call("math.sigmoid", gate))


@writes("Average")
def average_in_keras2(to: Recorder, x: Any, weights: Any = None, *, axis: int | None) -> Any:
    if weights is not None:
        raise Refusal("an average of weighted numbers")
    return to.call("math.reduce_mean", *to.meeting([x]), axis=axis)


@writes("Ptp")
def ptp_in_keras2(to: Recorder, x: Any, *, axis: Any, keepdims: bool) -> Any:
    (x,) = to.meeting([x])
    ends = [to.call(f"math.reduce_{end}", x, axis=axes(axis), keepdims=keepdims) for end in ("max", "min")]
    return to.call("math.subtract", ends[0], y=ends[1])


@writes("Append")
def append_in_keras2(to: Recorder, x1: Any, x2: Any, *, axis: int | None) -> Any:
    both = to.meeting([x1, x2], "output")
    if axis is None:
        both, axis = [to.call("reshape", x, shape=[-1]) for x in both], 0
    return to.call("concat", both, axis=axis)


@writes("Hstack")
def hstack_in_keras2(to: Recorder, xs: list[Any]) -> Any:
    xs = to.meeting(xs, "output")
    return to.call("concat", xs, axis=min(1, to.rank(xs[0]) - 1))


@writes("Vstack")
def vstack_in_keras2(to: Recorder, xs: list[Any]) -> Any:
    return to.call("concat" if to.rank(xs[0]) > 1 else "stack", to.meeting(xs, "output"), axis=0)


@writes("Fliplr")
def fliplr_in_keras2(to: Recorder, x: Any) -> Any:
    return to.call("reverse", x, axis=[1])


@writes("Flipud")
def flipud_in_keras2(to: Recorder, x: Any) -> Any:
    return to.call("reverse", x, axis=[0])


@writes("Outer")
def outer_in_keras2(to: Recorder, x1: Any, x2: Any) -> Any:
    met = to.meeting([x1, x2], "signed")
    a, b = (to.call("reshape", x, shape=[-1]) if is_tensor(x) else x for x in met)
    return to.call("tensordot", a, b=b, axes=0)
