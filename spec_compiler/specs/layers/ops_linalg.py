"""Linear algebra, on the last two axes. What they compute: https://keras.io/api/ops/linalg/."""

from __future__ import annotations

from math import inf
from typing import Any, Literal

from spec_compiler.specs.layers.ops_arguments import Axes, Number, Size
from spec_compiler.specs.layers.ops_elementwise import float_dtype
from spec_compiler.specs.layers.ops_table import Module, takes_complex
from spec_compiler.specs.layers.ops_types import (
    axis_in,
    broadcast,
    real_dtype,
    reduced,
    require_held,
    require_one_dtype,
    some_axes_in,
    widened,
)
from spec_compiler.specs.shapes import DTypeError, RankError, Shape, ShapeError, TensorType, merged, show

op = Module("keras.src.ops.linalg")
math = Module("keras.src.ops.math")
numpy = Module("keras.src.ops.numpy")
nn = Module("keras.src.ops.nn")

takes_complex(
    "Cholesky CholeskyInverse Det Eig Eigh Inv Logdet Lstsq LuFactor MatrixRank Norm Pinv Qr SVD Slogdet "
    "Solve SolveTriangular Trace"
)


def _require_matrix(x: TensorType) -> tuple[int | None, int | None]:
    if len(x.shape) < 2:
        raise RankError(f"it takes matrices, tensors of rank 2 or more, got {show(x.shape)}")
    if x.dtype not in ("float32", "float64", "complex64"):
        raise DTypeError(f"it takes float32 or float64, got {x.dtype}", help="cast it to float32 first")
    return x.shape[-2], x.shape[-1]


def _require_square(x: TensorType) -> int | None:
    rows, columns = _require_matrix(x)
    if rows is not None and columns is not None and rows != columns:
        raise ShapeError(f"it takes square matrices, got {show(x.shape)}")
    return merged(rows, columns)


def square(x: TensorType) -> TensorType:
    _require_square(x)
    return x


def number_of_square(x: TensorType) -> TensorType:
    _require_square(x)
    return TensorType(x.shape[:-2], x.dtype)


op.each("Inv", square)
op.each("Det", number_of_square)
math.each("Logdet", number_of_square)


@op
def Cholesky(x: TensorType, *, upper: bool = False) -> TensorType:
    return square(x)


@op
def CholeskyInverse(x: TensorType, *, upper: bool = False) -> TensorType:
    return square(x)


@numpy
def Slogdet(x: TensorType) -> list[TensorType]:
    """Sign and logarithm of the absolute determinant."""
    sign = number_of_square(x)
    return [sign, TensorType(sign.shape, real_dtype(x.dtype))]


@op
def Eig(x: TensorType) -> list[TensorType]:
    """Eigenvalues and eigenvectors, complex numbers."""
    _require_square(x)
    return [TensorType(x.shape[:-1], "complex64"), TensorType(x.shape, "complex64")]


@op
def Eigh(x: TensorType) -> list[TensorType]:
    """Eigenvalues and eigenvectors of symmetric matrices."""
    _require_square(x)
    return [TensorType(x.shape[:-1], real_dtype(x.dtype)), x]


@op
def LuFactor(x: TensorType) -> list[TensorType]:
    """The two triangles in one matrix, and the pivots, counted from 0."""
    shorter = _shorter(*_require_matrix(x))
    return [x, TensorType((*x.shape[:-2], shorter), "int32")]


def _shorter(rows: int | None, columns: int | None) -> int | None:
    return None if rows is None or columns is None else min(rows, columns)


@op
def Qr(x: TensorType, *, mode: Literal["reduced", "complete"] = "reduced") -> list[TensorType]:
    rows, columns = _require_matrix(x)
    inner = rows if mode == "complete" else _shorter(rows, columns)
    batch = x.shape[:-2]
    return [TensorType((*batch, rows, inner), x.dtype), TensorType((*batch, inner, columns), x.dtype)]


@op.having(function="svd")
def SVD(x: TensorType, *, full_matrices: bool = True, compute_uv: bool = True) -> TensorType | list[TensorType]:
    rows, columns = _require_matrix(x)
    inner, batch = _shorter(rows, columns), x.shape[:-2]
    values = TensorType((*batch, inner), real_dtype(x.dtype))
    if not compute_uv:
        return values
    left: Shape = (*batch, rows, rows if full_matrices else inner)
    right: Shape = (*batch, columns if full_matrices else inner, columns)
    return [TensorType(left, x.dtype), values, TensorType(right, x.dtype)]


@op
def Solve(a: TensorType, b: TensorType) -> TensorType:
    return _solution(a, b)


@op
def SolveTriangular(a: TensorType, b: TensorType, *, lower: bool = False) -> TensorType:
    return _solution(a, b)


def _solution(a: TensorType, b: TensorType) -> TensorType:
    """What solves `a @ x = b`, for systems in a batch too, whose axes are stretched to each other's."""
    n = _require_square(a)
    require_one_dtype(a, b)
    if len(b.shape) not in (len(a.shape), len(a.shape) - 1):
        raise ShapeError(f"b is of the rank of a, {len(a.shape)}, or one less, got {show(b.shape)}")
    rows = b.shape[-2] if len(b.shape) == len(a.shape) else b.shape[-1]
    if n is not None and rows is not None and n != rows:
        raise ShapeError(f"a has {n} rows, b {rows}")
    matrices = len(a.shape) - 2
    return TensorType((*broadcast(a.shape[:-2], b.shape[:matrices]), *b.shape[matrices:]), b.dtype)


@op
def Lstsq(a: TensorType, b: TensorType, *, rcond: Number | None = None) -> TensorType:
    """The x that brings `a @ x` closest to `b`."""
    if len(a.shape) != 2 or len(b.shape) not in (1, 2):
        raise RankError("a is of rank 2, b of rank 1 or 2")
    _require_matrix(a)
    require_one_dtype(a, b)
    merged(a.shape[0], b.shape[0])
    return TensorType((a.shape[1], *b.shape[1:]), a.dtype)


@op
def MatrixRank(x: TensorType, *, tol: Number | None = None) -> TensorType:
    _require_matrix(x)
    return TensorType(x.shape[:-2], "int32")


@op
def Pinv(x: TensorType, *, rcond: Number | None = None) -> TensorType:
    rows, columns = _require_matrix(x)
    return TensorType((*x.shape[:-2], columns, rows), x.dtype)


@op
def Norm(x: TensorType, *, ord: Any = None, axis: Axes = None, keepdims: bool = False) -> TensorType:
    axes = some_axes_in(axis, len(x.shape))
    matrix = ("fro", "nuc", 1, -1, 2, -2, inf, -inf)
    if ord is not None and not (isinstance(ord, (int, float)) or ord in ("fro", "nuc")):
        raise ShapeError(f"ord must be a number, 'fro' or 'nuc', got {ord!r}")
    if len(axes) == 2 and ord not in (None, *matrix):
        raise ShapeError(f"there is no norm of matrices of order {ord!r}")
    if (ord in ("fro", "nuc") and len(axes) != 2) or (ord is not None and len(axes) > 2):
        raise ShapeError(f"a norm of order {ord!r} is taken over one axis or two, got {len(axes)}")
    if len(axes) == 2 and ord in (2, -2, "nuc") and x.dtype in ("float16", "bfloat16"):
        raise ShapeError(
            f"a norm of order {ord!r} takes float32 or float64, got {x.dtype}", help="cast it to float32 first"
        )
    return TensorType(reduced(x.shape, axis, keepdims), float_dtype(x))


@nn
def Normalize(x: TensorType, *, axis: Axes = -1, order: Size = 2, epsilon: Number | None = None) -> TensorType:
    """`x` divided by its norm along the axes."""
    axes = some_axes_in(axis, len(x.shape))
    require_held(float_dtype(x), epsilon)
    if order != 2 and (len(axes) > 2 or (len(axes) == 2 and order != 1)):
        raise ShapeError(f"a norm of order {order} is taken over one axis, got {len(axes)}")
    return TensorType(x.shape, float_dtype(x))


@numpy
def Trace(x: TensorType, *, offset: int = 0, axis1: int = 0, axis2: int = 1) -> TensorType:
    axes = (axis_in(axis1, len(x.shape)), axis_in(axis2, len(x.shape)))
    return TensorType(reduced(x.shape, axes), widened(x.dtype))
