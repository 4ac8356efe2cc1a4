"""Lowerings of `specs.layers.ops_elementwise`."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch

from spec_compiler.lowering.expressions import differing
from spec_compiler.lowering.ops_call import OpCall, lower_each, lowering, torch_dtype
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.specs.layers.ops_types import together

# Functions of one number.


def unary(op: OpCall, function: Callable[..., Any], x: Proxy) -> Any:
    return op.run(function, x)


def unary_of_floats(op: OpCall, function: Callable[..., Any], x: Proxy) -> Any:
    return op.run(function, op.as_float(x))


lower_each(
    {
        "Arccos": torch.acos, "Arccosh": torch.acosh, "Arcsin": torch.asin, "Arcsinh": torch.asinh, "Arctan": torch.atan,
        "Arctanh": torch.atanh, "Cos": torch.cos, "Cosh": torch.cosh, "Deg2rad": torch.deg2rad, "Rad2deg": torch.rad2deg,
        "Exp": torch.exp, "Exp2": torch.exp2, "Expm1": torch.expm1, "I0": torch.i0, "Log": torch.log,
        "Log10": torch.log10, "Log1p": torch.log1p, "Log2": torch.log2, "Reciprocal": torch.reciprocal, "Sin": torch.sin,
        "Sinc": torch.sinc, "Sinh": torch.sinh, "Sqrt": torch.sqrt, "Tan": torch.tan, "Tanh": torch.tanh,
        "Rsqrt": torch.rsqrt, "Erf": torch.erf, "Erfc": torch.erfc, "Erfinv": torch.erfinv, "Angle": torch.angle,
        "Sign": torch.sign, "Isfinite": torch.isfinite, "Isinf": torch.isinf, "Isnan": torch.isnan,
        "Isneginf": torch.isneginf, "Isposinf": torch.isposinf, "Isreal": torch.isreal, "LogicalNot": torch.logical_not,
        "Signbit": torch.signbit, "Negative": operator.neg, "BitwiseInvert": operator.invert,
        "BitwiseNot": operator.invert, "Copy": torch.clone,
    },
    unary,
)  # fmt: skip
lower_each({"Ceil": torch.ceil, "Floor": torch.floor, "Fabs": torch.abs}, unary_of_floats)


def not_of_bools(op: OpCall, function: Callable[..., Any], x: Proxy) -> Any:
    return x if op.type(x).dtype == "bool" else op.run(function, x)


lower_each({"Absolute": torch.abs, "Abs": torch.abs, "Trunc": torch.trunc}, not_of_bools)


@lowering
def Cbrt(op: OpCall, x: Proxy) -> Any:
    x = op.as_float(x)
    return x.sign() * x.abs() ** (1 / 3)


@lowering
def Square(op: OpCall, x: Proxy) -> Any:
    return torch.square(op.cast(x, op.dtype))


@lowering
def Round(op: OpCall, x: Proxy, *, decimals: int) -> Any:
    stated = differing({"decimals": (decimals, 0)})
    return op.run(lambda x: torch.round(x, **stated), op.as_float(x))


@lowering
def NanToNum(op: OpCall, x: Proxy, **settings: float | None) -> Any:
    if "float" not in op.dtype:
        return x
    defaults = {"nan": 0.0, "posinf": None, "neginf": None}
    return torch.nan_to_num(x, **differing({key: (value, defaults[key]) for key, value in settings.items()}))


@lowering
def Clip(op: OpCall, x: Proxy, *, x_min: float, x_max: float) -> Any:
    return op.run(lambda x: torch.clamp(x, x_min, x_max), op.cast(x, op.dtype))


# Complex numbers.


def _conjugate(op: OpCall, function: Callable[..., Any], x: Proxy) -> Any:
    return function(x).resolve_conj() if "complex" in op.dtype else x


lower_each({"Conjugate": torch.conj, "Conj": torch.conj}, _conjugate)


@lowering
def Real(op: OpCall, x: Proxy) -> Any:
    return torch.real(x) if op.type(x).dtype == "complex64" else x


@lowering
def Imag(op: OpCall, x: Proxy) -> Any:
    return torch.imag(x)


@lowering
def ViewAsComplex(op: OpCall, x: Proxy) -> Any:
    x = op.cast(x, "float32")
    return torch.complex(x[..., 0], x[..., 1])


@lowering
def ViewAsReal(op: OpCall, x: Proxy) -> Any:
    return torch.view_as_real(x)


@lowering
def Polar(op: OpCall, abs_: Proxy, angle: Proxy) -> Any:
    return torch.polar(op.cast(abs_, "float32"), op.cast(angle, "float32"))


# Functions of two numbers.


def operands(op: OpCall, function: Callable[..., Any], x1: Any, x2: Any) -> Any:
    """Operators, which take numbers as they are."""
    return op.run(function, *op.meeting(together(*_types(op, x1, x2)), x1, x2))


def of_numbers(op: OpCall, function: Callable[..., Any], x1: Any, x2: Any) -> Any:
    """Operators that take no booleans: those become numbers."""
    dtype = together(*_types(op, x1, x2))
    return operands(op, function, *(_as_number(op, x, dtype) for x in (x1, x2)))


def _as_number(op: OpCall, x: Any, dtype: str) -> Any:
    if isinstance(x, Proxy):
        return op.cast(x, dtype) if op.type(x).dtype == "bool" else x
    return int(x) if isinstance(x, bool) else x


def tensors(op: OpCall, function: Callable[..., Any], x1: Any, x2: Any) -> Any:
    """Functions that take tensors alone."""
    return op.run(function, *_as_tensors(op, together(*_types(op, x1, x2)), x1, x2))


def floats(op: OpCall, function: Callable[..., Any], x1: Any, x2: Any) -> Any:
    """Functions that take tensors of floating-point numbers alone."""
    return op.run(function, *(op.cast(x, op.dtype) for x in _as_tensors(op, op.dtype, x1, x2)))


def _types(op: OpCall, *xs: Any) -> list[Any]:
    return [op.type(x) if isinstance(x, Proxy) else x for x in xs]


def _as_tensors(op: OpCall, dtype: str, *xs: Any) -> list[Any]:
    like = next(x for x in xs if isinstance(x, Proxy))
    return op.meeting(dtype, *(op.tensor(x, like, dtype) for x in xs))


lower_each(
    {
        "Add": operator.add, "Multiply": operator.mul, "Greater": operator.gt, "GreaterEqual": operator.ge, "Less": operator.lt,
        "LessEqual": operator.le, "Equal": operator.eq, "NotEqual": operator.ne, "BitwiseAnd": operator.and_,
        "BitwiseOr": operator.or_, "BitwiseXor": operator.xor, "BitwiseLeftShift": torch.bitwise_left_shift,
        "LeftShift": torch.bitwise_left_shift, "BitwiseRightShift": torch.bitwise_right_shift,
        "RightShift": torch.bitwise_right_shift,
        "Divide": operator.truediv, "TrueDivide": operator.truediv,
    },
    operands,
)  # fmt: skip
lower_each(
    {
        "Maximum": torch.maximum, "Minimum": torch.minimum, "Fmax": torch.fmax, "Fmin": torch.fmin,
        "LogicalAnd": torch.logical_and, "LogicalOr": torch.logical_or, "LogicalXor": torch.logical_xor,
        "Gcd": torch.gcd, "Lcm": torch.lcm,
    },
    tensors,
)  # fmt: skip
lower_each(
    {
        "Arctan2": torch.atan2, "Hypot": torch.hypot, "Logaddexp": torch.logaddexp,
        "Logaddexp2": torch.logaddexp2,
    },
    floats,
)  # fmt: skip


lower_each({"Subtract": operator.sub}, of_numbers)


@lowering
def Power(op: OpCall, x1: Any, x2: Any) -> Any:
    # torch.fx prints -1 ** x, which is -(1 ** x).
    negative = not isinstance(x1, Proxy) and x1 < 0
    return of_numbers(op, torch.pow if negative else operator.pow, x1, x2)


@lowering
def Heaviside(op: OpCall, x1: Any, x2: Any) -> Any:
    # torch has no gradient of it: none goes back.
    return floats(op, lambda a, b: torch.heaviside(a.detach(), b.detach()), x1, x2)


def _remainder(op: OpCall, function: Callable[..., Any], x1: Any, x2: Any) -> Any:
    if not isinstance(x1, Proxy) and (function is torch.fmod or "float" in op.dtype):
        # Of a number by a tensor torch has no gradient, and no fmod.
        x1 = op.tensor(x1, x2, op.dtype)
    return op.run(function, *op.meeting(op.dtype, x1, x2))


lower_each({"Mod": operator.mod, "Fmod": torch.fmod}, _remainder)


@lowering
def FloorDivide(op: OpCall, x1: Any, x2: Any) -> Any:
    if "int" in op.dtype:
        return op.run(operator.floordiv, *op.meeting(op.dtype, x1, x2))
    # torch's floor_divide stops the gradient with an error, this with zeros.
    like = x1 if isinstance(x1, Proxy) else x2
    x1 = op.tensor(x1, like, op.dtype)
    return op.run(lambda a, b: torch.div(a, b, rounding_mode="floor"), *op.meeting(op.dtype, x1, x2))


@lowering
def DivideNoNan(op: OpCall, x1: Any, x2: Any) -> Any:
    if not isinstance(x2, Proxy):
        return op.run(operator.truediv, x1, x2) if x2 else op.cast(x1, op.dtype) * 0
    x1, x2 = op.meeting(op.dtype, x1, op.cast(x2, op.dtype))
    # Divided by 1 where nothing is divided, so that no gradient is lost to 0 / 0.
    return torch.where(x2 == 0, 0.0, x1 / torch.where(x2 == 0, 1.0, x2))


@lowering
def Nextafter(op: OpCall, x1: Any, x2: Any) -> Any:
    like = x1 if isinstance(x1, Proxy) else x2
    # Keras looks for the next float64, whatever the dtype.
    ends = [op.cast(op.tensor(x, like, "float64"), "float64") for x in (x1, x2)]
    return op.run(torch.nextafter, *ends)


_LARGEST_EXPONENT = 1000
"""Python raises 2.0 to no much higher power; a tensor is infinite then."""


@lowering
def Ldexp(op: OpCall, x1: Any, x2: Any) -> Any:
    x1 = op.as_float(x1) if isinstance(x1, Proxy) else x1
    if not isinstance(x2, Proxy) and abs(x2) >= _LARGEST_EXPONENT:
        x2 = op.tensor(x2, x1, "float32")
    return op.run(lambda a, b: a * 2.0**b, x1, x2)


@lowering
def Isclose(op: OpCall, x1: Any, x2: Any, rtol: Any, atol: Any, *, equal_nan: bool) -> Any:
    dtype = together(*_types(op, x1, x2))
    x1, x2 = (op.cast(x, dtype) for x in _as_tensors(op, dtype, x1, x2))
    return _close(dtype, x1, x2, rtol, atol, equal_nan)


@lowering
def AllClose(op: OpCall, x1: Proxy, x2: Proxy, *, rtol: float, atol: float, equal_nan: bool) -> Any:
    dtype = together(*_types(op, x1, x2))
    return _close(dtype, op.cast(x1, dtype), op.cast(x2, dtype), rtol, atol, equal_nan).all()


def _close(dtype: str, x1: Proxy, x2: Proxy, rtol: float, atol: float, equal_nan: bool) -> Any:
    if "float" not in dtype:
        return x1 == x2
    stated = differing({"rtol": (rtol, 1e-5), "atol": (atol, 1e-8), "equal_nan": (equal_nan, False)})
    return torch.isclose(x1, x2, **stated)


@lowering
def IsIn(op: OpCall, x1: Proxy, x2: Proxy, *, assume_unique: bool, invert: bool) -> Any:
    dtype = together(*_types(op, x1, x2))
    dtype = "int32" if dtype == "bool" else dtype
    stated = differing({"assume_unique": (assume_unique, False), "invert": (invert, False)})
    # Flat, for torch fails on a view whose axes lie in another order.
    return torch.isin(op.cast(x1, dtype), op.cast(x2, dtype).flatten(), **stated)


@lowering
def Where(op: OpCall, condition: Proxy, x1: Any, x2: Any) -> Any:
    return op.run(torch.where, op.cast(condition, "bool"), *op.meeting(op.dtype, x1, x2))


@lowering
def Select(op: OpCall, condlist: list[Proxy], choicelist: list[Proxy], default: Any) -> Any:
    found = default
    for condition, choice in reversed(list(zip(condlist, choicelist, strict=True))):
        found = torch.where(op.cast(condition, "bool"), op.cast(choice, op.dtype), found)
    return found


# Dtypes, constants, gradients.


def _cast(op: OpCall, function: Any, x: Proxy, **settings: Any) -> Any:
    return op.cast(x, op.dtype)


lower_each({"Cast": None, "ConvertToTensor": None, "Array": None}, _cast)


@lowering
def SaturateCast(op: OpCall, x: Proxy, *, dtype: str | None) -> Any:
    """Cast, what is out of the dtype's range clipped to it."""
    if op.type(x).dtype == "bool":
        return op.cast(x, op.dtype)  # any dtype holds 0 and 1
    least, most = _limits(op.dtype, op.type(x).dtype)
    return op.cast(op.typed(torch.clamp(x, least, most), op.type(x)), op.dtype)


def _limits(dtype: str, of: str) -> tuple[Any, Any]:
    """The dtype's range as far as numbers of dtype `of` reach, in such numbers."""
    wanted, have = _info(dtype), _info(of)
    least, most = max(wanted.min, have.min), min(wanted.max, have.max)
    if "int" in of:
        return int(least), int(most)
    # 2**31 - 1 is no float32, and the one next to it is out of range.
    highest = torch.tensor(most, dtype=torch_dtype(of), device="cpu")
    if float(highest) > wanted.max:
        highest = torch.nextafter(highest, torch.zeros_like(highest))
    return float(least), float(highest)


class _Bool:
    min, max = 0, 1


def _info(dtype: str) -> Any:
    if dtype == "bool":
        return _Bool
    return torch.finfo(torch_dtype(dtype)) if "float" in dtype else torch.iinfo(torch_dtype(dtype))


@lowering
def StopGradient(op: OpCall, variable: Proxy) -> Any:
    return variable.detach()


@lowering
def View(op: OpCall, x: Proxy, *, dtype: str | None) -> Any:
    return x if op.type(x).dtype == op.dtype else x.contiguous().view(torch_dtype(op.dtype))


def _like(op: OpCall, function: Callable[..., Any], x: Proxy, *, dtype: str | None) -> Any:
    return function(x, **op.stated_dtype(x))


# What is in memory that was not written to is not to be relied upon: zeros.
lower_each({"OnesLike": torch.ones_like, "ZerosLike": torch.zeros_like, "EmptyLike": torch.zeros_like}, _like)


@lowering
def FullLike(op: OpCall, x: Proxy, fill_value: Any, *, dtype: str | None) -> Any:
    if isinstance(fill_value, Proxy):
        return op.cast(fill_value, op.dtype).expand(x.size())
    return torch.full_like(x, fill_value, **op.stated_dtype(x))
