"""Products of tensors: matrix products, contractions, outer products, distances.

What they compute: https://keras.io/api/ops/numpy/ and https://keras.io/api/ops/core/.
"""

from __future__ import annotations

import re
from typing import Any, Literal

from spec_compiler.specs.layers.ops_table import Module, on_the_way, takes_complex
from spec_compiler.specs.layers.ops_types import (
    axes_in,
    axis_in,
    broadcast,
    floating,
    promoted,
    require_numbers,
    together,
)
from spec_compiler.specs.shapes import RankError, Shape, ShapeError, TensorType, product, show

op = Module("keras.src.ops.numpy")
math = Module("keras.src.ops.math")

takes_complex("CDist Cross Dot Einsum Inner Kron Matmul Outer Tensordot Vdot")


def contracted(a: int | None, b: int | None, shapes: tuple[Shape, ...]) -> None:
    """ShapeError unless two axes that are summed over are of one length."""
    if a is not None and b is not None and a != b:
        raise ShapeError(
            f"shapes {' and '.join(map(show, shapes))} do not go together: lengths {a} and {b} are summed over"
        )


def _of_int8(x1: TensorType, x2: TensorType) -> str:
    return "int32" if x1.dtype == x2.dtype == "int8" else together(x1, x2)


@op
def Matmul(x1: TensorType, x2: TensorType) -> TensorType:
    if not x1.shape or not x2.shape:
        raise RankError("it takes tensors of rank 1 or more", help="to scale a tensor by a number, use multiply")
    left = x1.shape if len(x1.shape) > 1 else (1, *x1.shape)
    right = x2.shape if len(x2.shape) > 1 else (*x2.shape, 1)
    contracted(left[-1], right[-2], (x1.shape, x2.shape))
    rows = left[-2:-1] if len(x1.shape) > 1 else ()
    columns = right[-1:] if len(x2.shape) > 1 else ()
    return TensorType((*broadcast(left[:-2], right[:-2]), *rows, *columns), _of_int8(x1, x2))


@on_the_way("Matmul")
def _stretched(x1: TensorType, x2: TensorType) -> list[Shape]:
    """Both operands, over all the matrices of either."""
    batch = broadcast(x1.shape[:-2], x2.shape[:-2])
    return [(*batch, *x.shape[-2:]) for x in (x1, x2)]


@op
def Dot(x1: TensorType, x2: TensorType) -> TensorType:
    """numpy's dot: the last axis of `x1` with the last but one of `x2`."""
    if not x1.shape or not x2.shape:
        return TensorType(x1.shape or x2.shape, together(x1, x2))
    place = max(len(x2.shape) - 2, 0)
    contracted(x1.shape[-1], x2.shape[place], (x1.shape, x2.shape))
    return TensorType((*x1.shape[:-1], *x2.shape[:place], *x2.shape[place + 1 :]), together(x1, x2))


@op
def Inner(x1: TensorType, x2: TensorType) -> TensorType:
    if not x1.shape or not x2.shape:
        return TensorType(x1.shape or x2.shape, together(x1, x2))
    contracted(x1.shape[-1], x2.shape[-1], (x1.shape, x2.shape))
    return TensorType((*x1.shape[:-1], *x2.shape[:-1]), together(x1, x2))


@op
def Vdot(x1: TensorType, x2: TensorType) -> TensorType:
    contracted(product(x1.shape), product(x2.shape), (x1.shape, x2.shape))
    return TensorType((), together(x1, x2))


@op
def Outer(x1: TensorType, x2: TensorType) -> TensorType:
    return TensorType((product(x1.shape), product(x2.shape)), together(x1, x2))


@op
def Kron(x1: TensorType, x2: TensorType) -> TensorType:
    rank = max(len(x1.shape), len(x2.shape))
    shapes = [(1,) * (rank - len(x.shape)) + x.shape for x in (x1, x2)]
    return TensorType(tuple(product(pair) for pair in zip(*shapes, strict=True)), together(x1, x2))


@op
def Cross(
    x1: TensorType, x2: TensorType, *, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> TensorType:
    require_numbers(x1, x2)
    axes = (axisa, axisb, axisc) if axis is None else (axis,) * 3
    shape = broadcast(x1.shape, x2.shape)
    places = {axis_in(axis, len(shape)) for axis in axes}
    if len(places) > 1:
        raise ShapeError("the vectors' axis must be the same in both tensors and in the product")
    (place,) = places
    for x in (x1, x2):
        if len(x.shape) < len(shape) - place or x.shape[place - len(shape)] != 3:
            raise ShapeError(f"vectors are of length 3, got axis {place - len(shape)} of {show(x.shape)}")
    return TensorType(shape, together(x1, x2))


@op
def Tensordot(x1: TensorType, x2: TensorType, *, axes: Any = 2) -> TensorType:
    first, second = contracted_axes(axes, len(x1.shape), len(x2.shape))
    for i, j in zip(first, second, strict=True):
        contracted(x1.shape[i], x2.shape[j], (x1.shape, x2.shape))
    left = [n for i, n in enumerate(x1.shape) if i not in first]
    right = [n for i, n in enumerate(x2.shape) if i not in second]
    return TensorType((*left, *right), together(x1, x2))


def contracted_axes(axes: Any, rank1: int, rank2: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The axes of either tensor that are summed over; a number stands for the last of the one, the first of the other."""
    if isinstance(axes, int) and not isinstance(axes, bool):
        if not 0 <= axes <= min(rank1, rank2):
            raise ShapeError(f"{axes} axes cannot be summed over in tensors of rank {rank1} and {rank2}")
        return tuple(range(rank1 - axes, rank1)), tuple(range(axes))
    if not isinstance(axes, (list, tuple)) or len(axes) != 2:
        raise ShapeError("axes are a number, or a list of axes for each tensor")
    pair = [[a] if isinstance(a, int) else a for a in axes]
    lists = all(isinstance(a, (list, tuple)) and all(type(i) is int for i in a) for a in pair)
    if not lists or len(pair[0]) != len(pair[1]):
        raise ShapeError("axes are a number, or a list of axes for each tensor, as many for one as for the other")
    return axes_in(pair[0], rank1), axes_in(pair[1], rank2)


@op.having(order="subscripts")
def Einsum(*operands: TensorType, subscripts: str) -> TensorType:
    inputs, output = subscripts_of(subscripts, [len(x.shape) for x in operands])
    lengths: dict[str, int | None] = {}
    for letters, x in zip(inputs, operands, strict=True):
        own: dict[str, int] = {}
        for letter, n in zip(letters, x.shape, strict=True):
            if n is not None and own.setdefault(letter, n) != n:
                raise ShapeError(f"'{letter}' of '{subscripts}' is a diagonal of lengths {own[letter]} and {n}")
            known = lengths.get(letter, 1)
            if n is not None and n != 1 and known not in (1, None, n):
                raise ShapeError(f"'{letter}' of '{subscripts}' stands for lengths {known} and {n}")
            lengths[letter] = n if known in (1, None) and n != 1 else known
    dtype = "int32" if all(x.dtype == "int8" for x in operands) else promoted(*(x.dtype for x in operands))
    return TensorType(tuple(lengths[letter] for letter in output), dtype)


@on_the_way("Einsum")
def _products(*operands: TensorType, subscripts: str) -> list[Shape]:
    """The products of the first two operands, of the first three, and so on, summed over what stands nowhere else."""
    inputs, output = subscripts_of(subscripts, [len(x.shape) for x in operands])
    lengths: dict[str, int | None] = {}
    for letters, x in zip(inputs, operands, strict=True):
        lengths |= {
            letter: n for letter, n in zip(letters, x.shape, strict=True) if lengths.get(letter, 1) in (1, None)
        }
    found = []
    for i in range(2, len(inputs)):
        later = {*output, *"".join(inputs[i:])}
        found.append(tuple(lengths[letter] for letter in lengths if letter in later and letter in "".join(inputs[:i])))
    return found


_MORE = "".join(map(chr, range(0x0391, 0x0391 + 64)))
"""Letters for the axes that an ellipsis stands for."""


def subscripts_of(subscripts: str, ranks: list[int]) -> tuple[list[str], str]:
    """A letter for each axis of each operand, and for those of the result, ellipses spelt out."""
    text = subscripts.replace(" ", "")
    left, arrow, output = text.partition("->")
    inputs = left.split(",")
    if len(inputs) != len(ranks):
        raise ShapeError(f"'{subscripts}' takes {len(inputs)} tensors, got {len(ranks)}")
    if not all(re.fullmatch(r"[A-Za-z]*(\.\.\.)?[A-Za-z]*", part) for part in (*inputs, output)):
        raise ShapeError(f"'{subscripts}' is no Einstein sum: letters, commas, '...' and one '->'")
    found = []
    widest = 0
    for part, rank in zip(inputs, ranks, strict=True):
        letters = part.replace("...", "")
        more = rank - len(letters)
        if more < 0 or (more and "..." not in part) or more > len(_MORE):
            raise ShapeError(f"'{part}' of '{subscripts}' names {len(letters)} axes, the tensor has rank {rank}")
        widest = max(widest, more)
        found.append(part.replace("...", _MORE[:more][::-1]))
    if not arrow:
        # Without an arrow: the letters that stand once, in order.
        once = [letter for letter in sorted(set(left) - set(".,")) if left.count(letter) == 1]
        output = ("..." if "..." in left else "") + "".join(once)
    output = output.replace("...", _MORE[:widest][::-1])
    if len(set(output)) < len(output) or not set(output) <= set("".join(found)):
        raise ShapeError(f"the result of '{subscripts}' names an axis twice, or one that no tensor has")
    return found, output


@math.having(function="cdist")
def CDist(x: TensorType, y: TensorType) -> TensorType:
    """Euclidean distances of rows: (..., n, d), (..., m, d) -> (..., n, m)."""
    if len(x.shape) < 2 or len(y.shape) < 2:
        raise RankError("it takes tensors of rank 2 or more")
    contracted(x.shape[-1], y.shape[-1], (x.shape, y.shape))
    require_numbers(x, y)
    return TensorType((*broadcast(x.shape[:-2], y.shape[:-2]), x.shape[-2], y.shape[-2]), floating(x, y))


@on_the_way("CDist")
def _differences(x: TensorType, y: TensorType) -> list[Shape]:
    return [(*CDist(x, y).shape, x.shape[-1])]


@op
def Correlate(x1: TensorType, x2: TensorType, *, mode: Literal["valid", "same", "full"] = "valid") -> TensorType:
    if len(x1.shape) != 1 or len(x2.shape) != 1:
        raise RankError("it takes tensors of rank 1")
    n, m = x1.shape[0], x2.shape[0]
    dtype = floating(x1, x2)
    if 0 in (n, m):
        raise ShapeError("there are no correlations of no numbers")
    if m is None:
        raise ShapeError("the length of the second must be known")
    if n is None:
        return TensorType((None,), dtype)
    return TensorType(({"valid": abs(n - m) + 1, "same": max(n, m), "full": n + m - 1}[mode],), dtype)
