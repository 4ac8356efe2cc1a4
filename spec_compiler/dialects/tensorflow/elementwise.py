"""TensorFlow's functions of each element: arithmetic, comparison, logic, casts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spec_compiler.dialects.tensorflow.builder import Builder
from spec_compiler.dialects.tensorflow.table import tf, writes
from spec_compiler.dialects.tensorflow.values import Refusal, dtype_name, is_tensor, tensors_in
from spec_compiler.specs.layers.ops_types import is_float
from spec_compiler.specs.types import TENSOR_DTYPES

if TYPE_CHECKING:
    from spec_compiler.dialects.tensorflow.recorder import Recorder

ALSO = {
    "Absolute": "Abs",
    "Conjugate": "Conj",
    "BitwiseInvert": "BitwiseNot",
    "BitwiseLeftShift": "LeftShift",
    "BitwiseRightShift": "RightShift",
}
"""Keras's other names for some operations."""

MEETINGS = {
    **dict.fromkeys(("LogicalNot", "LogicalAnd", "LogicalOr", "LogicalXor"), "bool"),
    **dict.fromkeys(("Copy", "StopGradient"), "output"),
    **dict.fromkeys(("Absolute", "Sign", "Power"), "signed"),
    **dict.fromkeys(("Equal", "NotEqual"), "together"),
    **dict.fromkeys(("Greater", "GreaterEqual", "Less", "LessEqual"), "ordered"),
}
"""What operands meet in, where that is not just any numbers."""

ONE = {
    "math.abs abs __operators__.abs keras.backend.abs": "Absolute",
    "math.negative negative __operators__.neg": "Negative",
    "math.sign sign keras.backend.sign": "Sign",
    "math.exp exp keras.backend.exp": "Exp",
    "math.expm1": "Expm1",
    "math.log keras.backend.log": "Log",
    "math.log1p": "Log1p",
    "math.sqrt sqrt": "Sqrt",
    "math.rsqrt": "Rsqrt",
    "math.square square keras.backend.square": "Square",
    "math.reciprocal": "Reciprocal",
    "math.sin sin keras.backend.sin": "Sin",
    "math.cos cos keras.backend.cos": "Cos",
    "math.tan tan": "Tan",
    "math.sinh sinh": "Sinh",
    "math.cosh cosh": "Cosh",
    "math.tanh tanh nn.tanh keras.backend.tanh": "Tanh",
    "math.asin asin": "Arcsin",
    "math.acos acos": "Arccos",
    "math.atan atan": "Arctan",
    "math.asinh asinh": "Arcsinh",
    "math.acosh acosh": "Arccosh",
    "math.atanh atanh": "Arctanh",
    "math.floor floor": "Floor",
    "math.ceil ceil": "Ceil",
    "math.round round math.rint keras.backend.round": "Round",
    "math.erf": "Erf",
    "math.erfc": "Erfc",
    "math.erfinv": "Erfinv",
    "math.bessel_i0": "I0",
    "math.is_nan": "Isnan",
    "math.is_inf": "Isinf",
    "math.is_finite": "Isfinite",
    "math.logical_not __operators__.invert __operators__.logical_not": "LogicalNot",
    "math.conj": "Conjugate",
    "bitwise.invert": "BitwiseInvert",
    "identity keras.backend.identity": "Copy",
    "stop_gradient keras.backend.stop_gradient": "StopGradient",
}

TWO = {
    "math.add add __operators__.add __operators__.radd": "Add",
    "math.subtract subtract __operators__.sub __operators__.subtract": "Subtract",
    "math.multiply multiply __operators__.mul __operators__.multiply __operators__.rmul": "Multiply",
    "math.floordiv __operators__.floordiv": "FloorDivide",
    "math.floormod math.mod __operators__.mod": "Mod",
    "math.pow pow __operators__.pow": "Power",
    "math.maximum maximum keras.backend.maximum": "Maximum",
    "math.minimum minimum keras.backend.minimum": "Minimum",
    "math.divide_no_nan": "DivideNoNan",
    "math.greater greater __operators__.gt keras.backend.greater": "Greater",
    "math.greater_equal greater_equal __operators__.ge keras.backend.greater_equal": "GreaterEqual",
    "math.less less __operators__.lt keras.backend.less": "Less",
    "math.less_equal less_equal __operators__.le keras.backend.less_equal": "LessEqual",
    "math.equal equal keras.backend.equal": "Equal",
    "math.not_equal not_equal keras.backend.not_equal": "NotEqual",
    "math.logical_and __operators__.logical_and __operators__.and": "LogicalAnd",
    "math.logical_or __operators__.logical_or __operators__.or": "LogicalOr",
    "math.logical_xor __operators__.logical_xor __operators__.xor": "LogicalXor",
    "bitwise.bitwise_and": "BitwiseAnd",
    "bitwise.bitwise_or": "BitwiseOr",
    "bitwise.bitwise_xor": "BitwiseXor",
    "bitwise.left_shift": "BitwiseLeftShift",
    "bitwise.right_shift": "BitwiseRightShift",
}


def _one(names: str, op: str) -> None:
    # What asks whether numbers are finite is below.
    tf(names, writes="" if op.startswith("Is") else _both(op), meet=MEETINGS.get(op, "numbers"))(
        lambda to, x: to.op(op, x)
    )


def _two(names: str, op: str) -> None:
    tf(names, writes=_both(op), meet=MEETINGS.get(op, "numbers"))(lambda to, x, y: to.op(op, x, y))


def _both(op: str) -> str:
    return f"{op} {ALSO[op]}" if op in ALSO else op


for _names, _op in ONE.items():
    _one(_names, _op)
for _names, _op in TWO.items():
    _two(_names, _op)


def _asks(op: str, function: str) -> None:
    @writes(op)
    def asked(to: Recorder, x: Any) -> Any:
        return to.call(function, to.cast(x, to.dtype(x) if is_float(to.dtype(x)) else "float32"))


for _op, _function in (("Isnan", "math.is_nan"), ("Isinf", "math.is_inf"), ("Isfinite", "math.is_finite")):
    _asks(_op, _function)


@tf("math.atan2 atan2", writes="Arctan2", meet="numbers")
def atan2(to: Builder, y: Any, x: Any) -> Any:
    return to.op("Arctan2", y, x)


@tf("keras.backend.pow")
def backend_pow(to: Builder, x: Any, a: Any) -> Any:
    return to.op("Power", x, a)


@tf("__operators__.eq")
def eq(to: Builder, x: Any, other: Any) -> Any:
    return to.op("Equal", x, other)


@tf("__operators__.ne")
def ne(to: Builder, x: Any, other: Any) -> Any:
    return to.op("NotEqual", x, other)


@tf("__operators__.rsub")
def rsub(to: Builder, x: Any, y: Any) -> Any:
    return to.op("Subtract", y, x)


@tf(
    "math.truediv truediv math.divide divide __operators__.truediv __operators__.div", writes="TrueDivide Divide",
    meet="numbers",
)  # fmt: skip
def truediv(to: Builder, x: Any, y: Any) -> Any:
    # Whole numbers of 32 bits and more make float64.
    tensors = list(tensors_in([x, y]))
    if tensors and not is_float(dtype := to.dtype(tensors[0])):
        wide = "float32" if dtype in ("int8", "uint8", "int16", "uint16") else "float64"
        x, y = (to.op("Cast", one, dtype=wide) for one in (x, y))
    return to.op("TrueDivide", x, y)


@tf("__operators__.rtruediv __operators__.rdiv")
def rtruediv(to: Builder, x: Any, y: Any) -> Any:
    return truediv(to, y, x)


@tf("math.reciprocal_no_nan")
def reciprocal_no_nan(to: Builder, x: Any) -> Any:
    return to.op("DivideNoNan", 1.0, x)


@tf("math.multiply_no_nan")
def multiply_no_nan(to: Builder, x: Any, y: Any) -> Any:
    return to.op("Where", to.op("Equal", y, 0.0), 0.0, to.op("Multiply", x, y))


@tf("math.xlogy")
def xlogy(to: Builder, x: Any, y: Any) -> Any:
    # Where x is 0 the logarithm is of 1, so that its gradient is a number too.
    zero = to.op("Equal", x, 0.0)
    return to.op("Multiply", x, to.op("Log", to.op("Where", zero, 1.0, y)))


@tf("math.xdivy")
def xdivy(to: Builder, x: Any, y: Any) -> Any:
    zero = to.op("Equal", x, 0.0)
    return to.op("TrueDivide", x, to.op("Where", zero, 1.0, y))


@tf("truncatediv")
def truncatediv(to: Builder, x: Any, y: Any) -> Any:
    tensor = next(tensors_in([x, y]), None)
    if tensor is None or is_float(to.dtype(tensor)):
        return to.op("Trunc", to.op("TrueDivide", x, y))
    wide = to.op("TrueDivide", *(to.op("Cast", one, dtype="float64") for one in (x, y)))
    return to.op("Cast", wide, dtype=to.dtype(tensor))


@tf("truncatemod", writes="Fmod", meet="signed")
def truncatemod(to: Builder, x: Any, y: Any) -> Any:
    return to.op("Fmod", x, y)


@tf("math.squared_difference")
def squared_difference(to: Builder, x: Any, y: Any) -> Any:
    return to.op("Square", to.op("Subtract", x, y))


@tf("math.add_n math.accumulate_n")
def add_n(to: Builder, inputs: Any) -> Any:
    total, *others = inputs if isinstance(inputs, list) else [inputs]
    for one in others:
        total = to.op("Add", total, one)
    return total if others else to.op("Copy", total)


@tf("clip_by_value", writes="Clip", meet="numbers", clip_value_min="x_min", clip_value_max="x_max")
def clip_by_value(to: Builder, t: Any, clip_value_min: Any, clip_value_max: Any) -> Any:
    least, most = clip_value_min, clip_value_max
    if is_tensor(t) and all(type(end) in (int, float) for end in (least, most)) and least <= most:
        return to.op("Clip", t, x_min=least, x_max=most)
    return to.op("Maximum", to.op("Minimum", t, most), least)


@tf("keras.backend.clip")
def backend_clip(to: Builder, x: Any, min_value: Any, max_value: Any) -> Any:
    return clip_by_value(to, x, min_value, max_value)


@tf("cast dtypes.cast keras.backend.cast", writes="Cast")
def cast(to: Builder, x: Any, dtype: Any) -> Any:
    return to.op("Cast", x, dtype=known_dtype(dtype))


@tf("dtypes.saturate_cast")
def saturate_cast(to: Builder, value: Any, dtype: Any) -> Any:
    return to.op("SaturateCast", value, dtype=known_dtype(dtype))


@writes("SaturateCast")
def saturate_cast_in_keras2(to: Recorder, x: Any, *, dtype: Any) -> Any:
    wanted = to.outputs[0].dtype
    if to.dtype(x) == "bool":
        return to.cast(x, wanted)
    if wanted == "bool":
        raise Refusal("TensorFlow knows no range of booleans")
    return to.call("dtypes.saturate_cast", x, dtype=wanted)


def known_dtype(dtype: Any) -> str:
    """The name of one of our dtypes."""
    name = dtype_name(dtype)
    if name not in TENSOR_DTYPES:
        raise Refusal(f"there is no dtype '{name}'")
    return name


@writes("ConvertToTensor")
def convert_in_keras2(to: Recorder, x: Any, *, dtype: Any, sparse: Any, ragged: Any) -> Any:
    return to.cast(x, to.outputs[0].dtype)


@tf("convert_to_tensor")
def convert_to_tensor(to: Builder, value: Any, dtype: Any = None, dtype_hint: Any = None) -> Any:
    return to.op("ConvertToTensor", value, dtype=None if dtype is None else known_dtype(dtype))


@tf("where where_v2")
def where(to: Builder, condition: Any, x: Any = None, y: Any = None) -> Any:
    if x is None or y is None:
        raise Refusal("how many places a condition holds at is known only from the data")
    return to.op("Where", condition, x, y)


@writes("Where")
def where_in_keras2(to: Recorder, condition: Any, x1: Any = None, x2: Any = None) -> Any:
    if x1 is None or x2 is None:
        raise Refusal("how many places a condition holds at is known only from the data")
    dtype = to.outputs[0].dtype
    x, y = (
        to.meeting([x1, x2], "output") if is_tensor(x1) or is_tensor(x2) else (to.cast(x1, dtype), to.cast(x2, dtype))
    )
    return to.cast(to.call("where", to.cast(condition, "bool"), x=x, y=y), dtype)


@tf("compat.v1.where")
def where_v1(to: Builder, condition: Any, x: Any = None, y: Any = None) -> Any:
    # TensorFlow 1 picks whole rows where the condition has one axis and the others have more.
    if is_tensor(condition) and to.rank(condition) == 1 and is_tensor(x) and to.rank(x) > 1:
        condition = to.op("Reshape", condition, newshape=[-1, *[1] * (to.rank(x) - 1)])
    return where(to, condition, x, y)


@tf("zeros_like keras.backend.zeros_like", writes="ZerosLike")
def zeros_like(to: Builder, input: Any, dtype: Any = None, optimize: Any = True) -> Any:
    return to.op("ZerosLike", input, dtype=None if dtype is None else known_dtype(dtype))


@tf("ones_like keras.backend.ones_like", writes="OnesLike")
def ones_like(to: Builder, input: Any, dtype: Any = None, optimize: Any = True) -> Any:
    return to.op("OnesLike", input, dtype=None if dtype is None else known_dtype(dtype))


@writes("FullLike")
def full_like_in_keras2(to: Recorder, x: Any, fill_value: Any, *, dtype: Any) -> Any:
    like, value = to.meeting([to.call("zeros_like", x), fill_value])
    return to.call("math.add", like, y=value)


@tf("dtypes.complex complex")
def complex_(to: Builder, real: Any, imag: Any) -> Any:
    return to.op("ViewAsComplex", to.op("Stack", [real, imag], axis=-1))


@tf("math.real", writes="Real")
def real(to: Builder, input: Any) -> Any:
    return to.op("Real", input)


@tf("math.imag", writes="Imag")
def imag(to: Builder, input: Any) -> Any:
    return to.op("Imag", input)


@tf("math.angle", writes="Angle")
def angle(to: Builder, input: Any) -> Any:
    return to.op("Angle", input)


def _casts(name: str, dtype: str) -> None:
    tf(f"compat.v1.to_{name}")(lambda to, x: to.op("Cast", x, dtype=dtype))


for _name, _dtype in (("float", "float32"), ("double", "float64"), ("int32", "int32"), ("int64", "int64")):
    _casts(_name, _dtype)


@tf("compat.v1.div")
def div(to: Builder, x: Any, y: Any) -> Any:
    # Python 2's division: whole numbers give whole numbers.
    tensor = next(tensors_in([x, y]), None)
    return to.op("TrueDivide" if tensor is None or is_float(to.dtype(tensor)) else "FloorDivide", x, y)


@tf("math.polyval")
def polyval(to: Builder, coeffs: Any, x: Any) -> Any:
    total, *others = coeffs if isinstance(coeffs, list) else [coeffs]
    for one in others:
        total = to.op("Add", to.op("Multiply", total, x), one)
    return total


@tf("ensure_shape")
def ensure_shape(to: Builder, x: Any, shape: Any) -> Any:
    return to.op("Copy", x)
