"""Operations that count, or list what they find: how long their outputs are, the data alone say.

What they compute: https://keras.io/api/ops/numpy/.
"""

from __future__ import annotations

from typing import Any

from spec_compiler.specs.layers.ops_arguments import Count, Number, Size
from spec_compiler.specs.layers.ops_table import Module, on_the_way, takes_complex
from spec_compiler.specs.layers.ops_types import array_of, axis_in, promoted, require_held, require_ints
from spec_compiler.specs.shapes import RankError, Shape, ShapeError, TensorType, merged, show

op = Module("keras.src.ops.numpy")

takes_complex("Nonzero Size")


def number_of_elements(x: TensorType) -> TensorType:
    return TensorType((), "int32")


op.each("Size", number_of_elements)


@op
def Nonzero(x: TensorType) -> list[TensorType]:
    """Where `x` is not zero: the places on each axis."""
    if not x.shape:
        raise RankError("it takes a tensor of rank 1 or more")
    return [TensorType((None,), "int32")] * len(x.shape)


@op
def Bincount(x: TensorType, *, weights: Any = None, minlength: Count = 0, sparse: bool = False) -> TensorType:
    """How often each number from 0 on occurs, or what its weights add up to: (..., n) -> (..., numbers)."""
    require_ints(x)
    if sparse:
        raise ShapeError("sparse tensors cannot be built")
    if len(x.shape) not in (1, 2):
        raise RankError(f"it takes a tensor of rank 1 or 2, got {show(x.shape)}")
    if weights is None:
        return TensorType((*x.shape[:-1], None), "int32")
    found = array_of(weights)
    if len(found.shape) != len(x.shape):
        raise ShapeError(f"weights are of the shape of x, {show(x.shape)}, got {show(found.shape)}")
    for a, b in zip(found.shape, x.shape, strict=True):
        merged(a, b)
    return TensorType((*x.shape[:-1], None), promoted(x.dtype, found.dtype))


@on_the_way("Bincount")
def _counted(x: TensorType, *, minlength: Count, **_: Any) -> list[Shape]:
    return [(*x.shape[:-1], minlength)]


@op
def Unique(
    x: TensorType,
    *,
    sorted: bool = True,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    size: Size | None = None,
    fill_value: Number | None = None,
) -> TensorType | list[TensorType]:
    """The numbers that occur, or the slices along `axis`; where each is first, which each element is, how many are."""
    require_held(x.dtype, fill_value)
    dim = None if axis is None else axis_in(axis, len(x.shape))
    values = (size,) if dim is None else (*x.shape[:dim], size, *x.shape[dim + 1 :])
    found = [TensorType(values, x.dtype)]
    if return_index:
        found.append(TensorType((size,), "int32"))
    if return_inverse:
        found.append(TensorType(x.shape if dim is None else (x.shape[dim],), "int32"))
    if return_counts:
        found.append(TensorType((size,), "int32"))
    return found if len(found) > 1 else found[0]
