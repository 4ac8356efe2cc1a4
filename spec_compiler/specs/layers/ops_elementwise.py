"""Operations on each element: arithmetic, comparison, logic, functions of one number; casts.

What they compute: https://keras.io/api/ops/numpy/ and https://keras.io/api/ops/core/.
"""

from __future__ import annotations

from spec_compiler.specs.layers.ops_arguments import DType, Number
from spec_compiler.specs.layers.ops_table import Module, takes_complex
from spec_compiler.specs.layers.ops_types import (
    Operand,
    dtype_of,
    elementwise,
    floating,
    is_float,
    is_int,
    promoted,
    real_dtype,
    require_fitting,
    require_held,
    require_ints,
    require_numbers,
    shape_of,
    together,
)
from spec_compiler.specs.shapes import DTypeError, ShapeError, TensorType

op = Module("keras.src.ops.numpy")
math = Module("keras.src.ops.math")
core = Module("keras.src.ops.core")

takes_complex(
    "Abs Absolute Add AllClose Angle Arccos Arccosh Arcsin Arcsinh Arctan Arctanh Array Cast Conj Conjugate "
    "ConvertToTensor Copy Cos Cosh Divide DivideNoNan EmptyLike Equal Exp Exp2 Expm1 FullLike Imag Isclose "
    "Isfinite Isinf Isnan Isreal Ldexp Log Log10 Log1p Log2 Logaddexp LogicalAnd LogicalNot LogicalOr "
    "LogicalXor Multiply NanToNum Negative NotEqual OnesLike Power Real Reciprocal Rsqrt Select Sin Sinc Sinh "
    "Sqrt Square StopGradient Subtract Tan Tanh TrueDivide View ViewAsReal Where ZerosLike"
)


# Functions of one number.


def kept(x: TensorType) -> TensorType:
    return x


def kept_number(x: TensorType) -> TensorType:
    require_numbers(x)
    return x


def made_float(x: TensorType) -> TensorType:
    return TensorType(x.shape, floating(x))


def made_bool(x: TensorType) -> TensorType:
    return TensorType(x.shape, "bool")


def kept_bits(x: TensorType) -> TensorType:
    require_ints(x, or_bools=True)
    return x


op.each("Conjugate Conj Copy Trunc Sign", kept, "any")
op.each("Negative", kept_number, "any")
op.each(
    "Arccos Arccosh Arcsin Arcsinh Arctan Arctanh Cbrt Ceil Cos Cosh Deg2rad Rad2deg Exp Exp2 Expm1 Fabs Floor I0 Log "
    "Log10 Log1p Log2 Reciprocal Sin Sinc Sinh Sqrt Tan Tanh",
    made_float,
    "any",
)
math.each("Rsqrt Erf Erfc Erfinv", made_float, "any")
op.each("Isfinite Isinf Isnan Isneginf Isposinf Isreal LogicalNot Signbit", made_bool, "any")
op.each("BitwiseInvert BitwiseNot", kept_bits, "any")


@op.having("any")
def Square(x: TensorType) -> TensorType:
    return TensorType(x.shape, "int32" if x.dtype == "bool" else x.dtype)


@op.having("any")
def Round(x: TensorType, *, decimals: int = 0) -> TensorType:
    require_numbers(x)
    return x


@op.having("any")
def NanToNum(
    x: TensorType, *, nan: Number = 0.0, posinf: Number | None = None, neginf: Number | None = None
) -> TensorType:
    return x


@op.having("any")
def Clip(x: TensorType, *, x_min: Number, x_max: Number) -> TensorType:
    dtype = promoted(*("int32" if x.dtype == "bool" else x.dtype, dtype_of(x_min), dtype_of(x_max)))
    require_held(dtype, x_min, x_max)
    return TensorType(x.shape, dtype)


# Complex numbers.


def magnitude(x: TensorType) -> TensorType:
    return TensorType(x.shape, real_dtype(x.dtype))


op.each("Absolute Abs Real", magnitude, "any")


@op.having("any")
def Angle(x: TensorType) -> TensorType:
    return TensorType(x.shape, real_dtype(floating(x)))


@op.having("any")
def Imag(x: TensorType) -> TensorType:
    if x.dtype != "complex64":
        raise DTypeError(f"it takes complex numbers, got {x.dtype}")
    return TensorType(x.shape, "float32")


@math
def ViewAsComplex(x: TensorType) -> TensorType:
    if not x.shape or x.shape[-1] not in (2, None):
        raise ShapeError("the last axis must be of length 2: the real and the imaginary parts")
    return TensorType(x.shape[:-1], "complex64")


@math
def ViewAsReal(x: TensorType) -> TensorType:
    if x.dtype != "complex64":
        raise DTypeError(f"it takes complex numbers, got {x.dtype}")
    return TensorType((*x.shape, 2), "float32")


@Module("keras.src.ops.nn").having("any")
def Polar(abs_: TensorType, angle: TensorType) -> TensorType:
    return TensorType(elementwise(abs_, angle), "complex64")


# Functions of two numbers.


def arithmetic(x1: Operand, x2: Operand) -> TensorType:
    dtype = together(x1, x2)
    require_fitting(dtype, x1, x2)
    return TensorType(elementwise(x1, x2), dtype)


def arithmetic_of_numbers(x1: Operand, x2: Operand) -> TensorType:
    require_numbers(x1, x2)
    return arithmetic(x1, x2)


def division(x1: Operand, x2: Operand) -> TensorType:
    return TensorType(elementwise(x1, x2), floating(x1, x2))


def remainder(x1: Operand, x2: Operand) -> TensorType:
    dtype = together(x1, x2)
    _require_divisor(x2, dtype)
    require_fitting(dtype, x1, x2)
    return TensorType(elementwise(x1, x2), "int32" if dtype == "bool" else dtype)


def whole_division(x1: Operand, x2: Operand) -> TensorType:
    _require_divisor(x2, together(x1, x2))
    return arithmetic_of_numbers(x1, x2)


def _require_divisor(x: Operand, dtype: str) -> None:
    if is_int(dtype) and isinstance(x, int) and x == 0:
        raise ShapeError("integers cannot be divided by 0")


def comparison(x1: Operand, x2: Operand) -> TensorType:
    require_fitting(together(x1, x2), x1, x2)
    return TensorType(elementwise(x1, x2), "bool")


def on_bits(x: Operand, y: Operand) -> TensorType:
    require_ints(x, y, or_bools=True)
    return arithmetic(x, y)


def shift(x: Operand, y: Operand) -> TensorType:
    return on_integers(x, y)


def on_integers(x1: Operand, x2: Operand) -> TensorType:
    found = arithmetic(x1, x2)
    require_ints(found)
    return found


def float_of_numbers(x1: Operand, x2: Operand) -> TensorType:
    require_numbers(x1, x2)
    return division(x1, x2)


op.each("Add Multiply Maximum Minimum Fmax Fmin", arithmetic, "any")
op.each("Subtract", arithmetic_of_numbers, "any")
op.each("FloorDivide", whole_division, "any")
op.each("Divide TrueDivide DivideNoNan Logaddexp Logaddexp2", division, "any")
op.each("Hypot Heaviside", float_of_numbers, "any")
op.each("Mod Fmod", remainder, "any")
op.each("Greater GreaterEqual Less LessEqual Equal NotEqual LogicalAnd LogicalOr LogicalXor", comparison, "any")
op.each("BitwiseAnd BitwiseOr BitwiseXor", on_bits, "any")
op.each("BitwiseLeftShift LeftShift BitwiseRightShift RightShift", shift, "any")
op.each("Gcd Lcm", on_integers, "any")


@op.having("any")
def Power(x1: Operand, x2: Operand) -> TensorType:
    found = arithmetic_of_numbers(x1, x2)
    require_held(found.dtype, x2)
    if is_int(found.dtype) and isinstance(x2, int) and x2 < 0:
        raise DTypeError("integers have no negative powers among integers", help="cast them to float32 first")
    return found


@op.having("any")
def Arctan2(x1: Operand, x2: Operand) -> TensorType:
    # A number is of float32 here, whatever it meets.
    dtypes = ("float32" if isinstance(x, (int, float)) else dtype_of(x) for x in (x1, x2))
    return TensorType(elementwise(x1, x2), promoted(*dtypes, "float"))


@op.having("any")
def Nextafter(x1: Operand, x2: Operand) -> TensorType:
    dtypes = ("float32" if isinstance(x, float) else dtype_of(x) for x in (x1, x2))
    return TensorType(elementwise(x1, x2), promoted(*dtypes, "float"))


@op.having("any")
def Ldexp(x1: Operand, x2: Operand) -> TensorType:
    require_ints(x2)
    return TensorType(elementwise(x1, x2), floating(x1, x2))


@op.having("any", order="x1 x2 rtol atol equal_nan")
def Isclose(
    x1: Operand, x2: Operand, rtol: Number = 1e-05, atol: Number = 1e-08, *, equal_nan: bool = False
) -> TensorType:
    _require_tolerances(rtol, atol)
    return comparison(x1, x2)


def _require_tolerances(*tolerances: Number) -> None:
    if min(tolerances) < 0:
        raise ShapeError(f"tolerances must not be negative, got {min(tolerances)}")


@op.having(function="allclose")
def AllClose(
    x1: TensorType, x2: TensorType, *, rtol: Number = 1e-05, atol: Number = 1e-08, equal_nan: bool = False
) -> TensorType:
    _require_tolerances(rtol, atol)
    elementwise(x1, x2)
    return TensorType((), "bool")


@op.having(function="isin")
def IsIn(x1: TensorType, x2: TensorType, *, assume_unique: bool = False, invert: bool = False) -> TensorType:
    return TensorType(x1.shape, "bool")


@op.having("any")
def Where(condition: TensorType, x1: Operand | None = None, x2: Operand | None = None) -> TensorType:
    if x1 is None or x2 is None:
        raise ShapeError("how many places a condition holds at is known only from the data", help="give both x1 and x2")
    require_fitting(together(x1, x2), x1, x2)
    return TensorType(elementwise(condition, x1, x2), together(x1, x2))


@op
def Select(condlist: list[TensorType], choicelist: list[TensorType], default: Operand = 0) -> TensorType:
    if len(condlist) != len(choicelist):
        raise ShapeError(f"it takes as many conditions as choices, got {len(condlist)} and {len(choicelist)}")
    dtype = together(*choicelist, default)
    require_held(dtype, default)
    return TensorType(elementwise(*condlist, *choicelist, default), dtype)


# Dtypes, constants, gradients.


@core.having("any")
def Cast(x: TensorType, *, dtype: DType) -> TensorType:
    return TensorType(x.shape, dtype or x.dtype)


@core.having("any")
def SaturateCast(x: TensorType, *, dtype: DType) -> TensorType:
    if "complex" in x.dtype or "complex" in (dtype or ""):
        raise DTypeError("complex numbers have no range to be clipped to")
    return TensorType(x.shape, dtype or x.dtype)


@core.having("any")
def ConvertToTensor(
    x: TensorType, *, dtype: DType = None, sparse: bool | None = None, ragged: bool | None = None
) -> TensorType:
    if sparse or ragged:
        raise ShapeError("sparse and ragged tensors cannot be built")
    return TensorType(x.shape, dtype or x.dtype)


@core.having("any")
def StopGradient(variable: TensorType) -> TensorType:
    return variable


@op.having("any")
def Array(x: TensorType, *, dtype: DType = None) -> TensorType:
    return TensorType(x.shape, dtype or x.dtype)


@op
def View(x: TensorType, *, dtype: DType = None) -> TensorType:
    """The same bytes read as another dtype."""
    dtype = dtype or x.dtype
    have, want = _bytes(x.dtype), _bytes(dtype)
    if have == want:
        return TensorType(x.shape, dtype)
    if not x.shape:
        raise ShapeError(f"a single {x.dtype} cannot be read as {dtype}, which is of another size")
    n = x.shape[-1]
    if n is not None and n * have % want:
        raise ShapeError(f"{n} numbers of {have} bytes cannot be read as numbers of {want} bytes")
    return TensorType((*x.shape[:-1], None if n is None else n * have // want), dtype)


def _bytes(dtype: str) -> int:
    return 1 if dtype == "bool" else int("".join(c for c in dtype if c.isdigit())) // 8


def like(x: TensorType, *, dtype: DType = None) -> TensorType:
    return TensorType(x.shape, dtype or x.dtype)


op.each("OnesLike ZerosLike EmptyLike", like, "any")


@op.having("any", order="x fill_value dtype")
def FullLike(x: TensorType, fill_value: Operand, *, dtype: DType = None) -> TensorType:
    if elementwise(x, fill_value) != x.shape and None not in x.shape:
        raise ShapeError(f"values of shape {shape_of(fill_value)} do not fill a tensor of shape {x.shape}")
    require_held(dtype or x.dtype, fill_value)
    return TensorType(x.shape, dtype or x.dtype)


def float_dtype(x: TensorType) -> str:
    """The tensor's dtype, float32 for integers."""
    return x.dtype if is_float(x.dtype) else "float32"
