"""Operations about triangles, diagonals and grids; numbers at equal distances.

What they compute: https://keras.io/api/ops/numpy/.
"""

from __future__ import annotations

from typing import Literal

from spec_compiler.specs.layers.ops_arguments import DType, Ints, Lengths, Number, Size
from spec_compiler.specs.layers.ops_table import Module, takes_complex
from spec_compiler.specs.layers.ops_types import (
    Operand,
    axes_in,
    axis_in,
    broadcast,
    dtype_of,
    flat,
    promoted,
    require_ints,
)
from spec_compiler.specs.shapes import RankError, ShapeError, TensorType, product, show

op = Module("keras.src.ops.numpy")

takes_complex("Diag Diagflat Diagonal Full Meshgrid Tril Triu")


@op
def Tril(x: TensorType, *, k: int = 0) -> TensorType:
    axis_in(1, len(x.shape))
    return x


@op
def Triu(x: TensorType, *, k: int = 0) -> TensorType:
    axis_in(1, len(x.shape))
    return x


@op
def Diag(x: TensorType, *, k: int = 0) -> TensorType:
    if len(x.shape) == 1:
        return Diagflat(x, k=k)
    if len(x.shape) != 2:
        raise RankError(f"it takes a tensor of rank 1 or 2, got rank {len(x.shape)}")
    return Diagonal(x, offset=k)


@op
def Diagflat(x: TensorType, *, k: int = 0) -> TensorType:
    (n,) = flat(x.shape)
    side = None if n is None else n + abs(k)
    return TensorType((side, side), x.dtype)


@op
def Diagonal(x: TensorType, *, offset: int = 0, axis1: int = 0, axis2: int = 1) -> TensorType:
    axes = axes_in((axis1, axis2), len(x.shape))
    rows, columns = (x.shape[axis] for axis in axes)
    length = None
    if rows is not None and columns is not None:
        length = max(0, min(rows, columns - offset) if offset > 0 else min(rows + offset, columns))
    return TensorType((*(n for i, n in enumerate(x.shape) if i not in axes), length), x.dtype)


@op.having(order="shape fill_value dtype")
def Full(fill_value: TensorType, *, shape: Lengths, dtype: DType = None) -> TensorType:
    """`fill_value` stretched to `shape`."""
    whole = tuple(shape)
    if -1 in whole or broadcast(fill_value.shape, whole) != whole:
        raise ShapeError(f"a tensor of shape {show(fill_value.shape)} cannot fill one of shape {show(whole)}")
    return TensorType(whole, dtype or "float32")


@op.having(function="vander")
def Vander(x: TensorType, *, N: Size | None = None, increasing: bool = False) -> TensorType:
    """Powers of each number: (n,) -> (n, N)."""
    if len(x.shape) != 1:
        raise RankError(f"it takes a tensor of rank 1, got rank {len(x.shape)}")
    return TensorType((x.shape[0], x.shape[0] if N is None else N), x.dtype)


@op
def Meshgrid(*x: TensorType, indexing: Literal["xy", "ij"] = "xy") -> list[TensorType]:
    sizes = [product(one.shape) for one in x]
    if indexing == "xy" and len(sizes) > 1:
        sizes[:2] = reversed(sizes[:2])
    return [TensorType(tuple(sizes), one.dtype) for one in x]


@op
def UnravelIndex(indices: TensorType, *, shape: Ints) -> list[TensorType]:
    require_ints(indices)
    if not shape or min(shape) < 1:
        raise ShapeError(f"the lengths of {show(shape)} must be from 1 on")
    return [TensorType(indices.shape, indices.dtype)] * len(shape)


def _spaced(start: Operand, stop: Operand, num: int, dtype: str | None, axis: int) -> TensorType:
    shape = broadcast(*(getattr(end, "shape", ()) for end in (start, stop)))
    if axis_in(axis, len(shape) + 1) != 0:
        raise ShapeError("only a first axis of numbers can be made, axis=0")
    return TensorType((num, *shape), dtype or promoted(dtype_of(start), dtype_of(stop), "float"))


@op
def Linspace(
    start: Operand, stop: Operand, *, num: Size = 50, endpoint: bool = True, retstep: bool = False,
    dtype: DType = None, axis: int = 0,
) -> TensorType | list[TensorType]:  # fmt: skip
    found = _spaced(start, stop, num, dtype, axis)
    return [found, TensorType(found.shape[1:], found.dtype)] if retstep else found


@op
def Logspace(
    start: Operand, stop: Operand, *, num: Size = 50, endpoint: bool = True, base: Number = 10, dtype: DType = None,
    axis: int = 0,
) -> TensorType:  # fmt: skip
    return _spaced(start, stop, num, dtype, axis)


@op
def Geomspace(
    start: Operand, stop: Operand, *, num: Size = 50, endpoint: bool = True, dtype: DType = None, axis: int = 0
) -> TensorType:
    return _spaced(start, stop, num, dtype, axis)
