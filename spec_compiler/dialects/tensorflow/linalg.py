"""TensorFlow's products of tensors and linear algebra."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spec_compiler.dialects.tensorflow.builder import Builder
from spec_compiler.dialects.tensorflow.elementwise import known_dtype
from spec_compiler.dialects.tensorflow.folding import require_small
from spec_compiler.dialects.tensorflow.folding import shape as shape_of_constant
from spec_compiler.dialects.tensorflow.table import tf, writes
from spec_compiler.dialects.tensorflow.values import Refusal, Tensor, axes, is_tensor, number, tensors_in, whole
from spec_compiler.specs.layers.merging import Dot

if TYPE_CHECKING:
    from spec_compiler.dialects.tensorflow.recorder import Recorder


def turned(to: Builder, x: Any) -> Any:
    """The last two axes swapped."""
    if isinstance(x, Tensor):
        return to.op("Swapaxes", x, axis1=-2, axis2=-1)
    if len(shape_of_constant(x)) != 2:
        raise Refusal("a constant of such a rank is not transposed")
    return [list(column) for column in zip(*x, strict=True)]


@tf("linalg.matmul matmul __operators__.matmul")
def matmul(
    to: Builder, a: Any, b: Any, transpose_a: Any = False, transpose_b: Any = False, adjoint_a: Any = False,
    adjoint_b: Any = False, a_is_sparse: Any = False, b_is_sparse: Any = False, output_type: Any = None,
    grad_a: Any = False, grad_b: Any = False,
) -> Any:  # fmt: skip
    a = turned(to, a) if transpose_a or adjoint_a else a
    b = turned(to, b) if transpose_b or adjoint_b else b
    product = to.op("Matmul", a, b)
    return product if output_type is None else to.op("Cast", product, dtype=known_dtype(output_type))


@writes("Matmul")
def matmul_in_keras2(to: Recorder, x1: Any, x2: Any) -> Any:
    a, b = to.meeting([x1, x2], "signed")
    if to.rank(a) < 2 or to.rank(b) < 2:
        return to.call("tensordot", a, b=b, axes=[[to.rank(a) - 1], [max(0, to.rank(b) - 2)]])
    return to.call("linalg.matmul", a, b=b)


@writes("Dot")
def dot_in_keras2(to: Recorder, x1: Any, x2: Any) -> Any:
    """The sum over the last axis of one and the last but one of the other."""
    a, b = to.meeting([x1, x2], "signed")
    if not to.rank(a) or not to.rank(b):
        return to.call("math.multiply", a, y=b)
    return to.call("tensordot", a, b=b, axes=[[to.rank(a) - 1], [max(0, to.rank(b) - 2)]])


@tf("__operators__.rmatmul")
def rmatmul(to: Builder, x: Any, y: Any) -> Any:
    return matmul(to, y, x)


@tf("linalg.matvec")
def matvec(
    to: Builder, a: Any, b: Any, transpose_a: Any = False, adjoint_a: Any = False, a_is_sparse: Any = False,
    b_is_sparse: Any = False,
) -> Any:  # fmt: skip
    a = turned(to, a) if transpose_a or adjoint_a else a
    return to.op("Squeeze", to.op("Matmul", a, to.op("ExpandDims", b, axis=-1)), axis=-1)


@tf("tensordot", writes="Tensordot", meet="signed")
def tensordot(to: Builder, a: Any, b: Any, axes: Any) -> Any:
    if any(True for _ in tensors_in([axes])):
        raise Refusal("the axes must be known beforehand")
    return to.op("Tensordot", a, b, axes=axes)


@tf("einsum linalg.einsum")
def einsum(to: Builder, equation: Any, inputs: Any = None, optimize: Any = None) -> Any:
    if not isinstance(equation, str) or not isinstance(inputs, list) or not inputs:
        raise Refusal("the file holds only the equation, not the tensors: tf.keras leaves them out")
    return to.op("Einsum", *inputs, subscripts=equation)


@writes("Einsum")
def einsum_in_keras2(to: Recorder, *operands: Any, subscripts: str) -> Any:
    if "->" not in subscripts or len(operands) > 2:
        raise Refusal("an equation that does not say what comes out, or of more than two tensors")
    met = to.meeting(list(operands))
    lengths: dict[str, int] = {}
    for term, x in zip(subscripts.partition("->")[0].replace(" ", "").split(","), met, strict=True):
        for letter, n in zip(term, to.shape(x), strict=False) if "." not in term else ():
            if n is not None and lengths.setdefault(letter, n) != n:
                raise Refusal(f"an equation in which {letter} is {lengths[letter]} and {n}")
    return to.einsum(subscripts, met)


@tf("keras.backend.dot")
def dot(to: Builder, x: Any, y: Any) -> Any:
    return to.op("Dot", x, y)


@tf("keras.backend.batch_dot")
def batch_dot(to: Builder, x: Any, y: Any, axes: Any = None) -> Any:
    if axes is None:
        axes = [to.rank(x) - 1, to.rank(y) - (1 if to.rank(y) == 2 else 2)]
    if not is_tensor(x) or not is_tensor(y):
        raise Refusal("a product with a constant")
    return to.layer(Dot, {"axes": axes}, [x, y])


@writes("Cross")
def cross_in_keras2(to: Recorder, x1: Any, x2: Any, *, axisa: int, axisb: int, axisc: int, axis: int | None) -> Any:
    a, b = to.meeting([x1, x2])
    if not is_tensor(x1) or not is_tensor(x2) or to.shape(a) != to.shape(b) or to.shape(a)[-1] != 3:
        raise Refusal("vectors of another length than 3, or stretched")
    if (axis, axisa, axisb, axisc) not in ((None, -1, -1, -1), (-1, -1, -1, -1)):
        raise Refusal("vectors along another axis than the last")
    return to.call("linalg.cross", a, b=b)


@tf("linalg.cross")
def cross(to: Builder, a: Any, b: Any) -> Any:
    return to.op("Cross", a, b)


@tf("linalg.matrix_transpose linalg.adjoint")
def matrix_transpose(to: Builder, a: Any, conjugate: Any = False) -> Any:
    return turned(to, a)


@tf("linalg.trace")
def trace(to: Builder, x: Any) -> Any:
    return to.op("Trace", x, axis1=-2, axis2=-1)


@writes("Trace")
def trace_in_keras2(to: Recorder, x: Any, *, offset: int, axis1: int, axis2: int) -> Any:
    x = _matrices(to, to.meeting([x])[0], axis1, axis2)
    if offset:
        return to.call("math.reduce_sum", to.call("linalg.diag_part", x, k=offset), axis=-1)
    return to.call("linalg.trace", x)


@writes("Diagonal")
def diagonal_in_keras2(to: Recorder, x: Any, *, offset: int, axis1: int, axis2: int) -> Any:
    return to.call("linalg.diag_part", _matrices(to, x, axis1, axis2), k=offset)


def _matrices(to: Recorder, x: Any, axis1: int, axis2: int) -> Any:
    """The tensor with those two axes at its end."""
    last = [to.axis(axis1, x), to.axis(axis2, x)]
    order = [*(i for i in range(to.rank(x)) if i not in last), *last]
    return x if order == sorted(order) else to.call("transpose", x, perm=order)


@tf("linalg.diag_part")
def diag_part(to: Builder, input: Any, k: Any = 0, padding_value: Any = 0, align: Any = "RIGHT_LEFT") -> Any:
    offset = whole(k, "k")
    return to.op("Diagonal", input, offset=offset, axis1=-2, axis2=-1)


@tf("linalg.tensor_diag_part")
def tensor_diag_part(to: Builder, input: Any) -> Any:
    if to.rank(input) != 2:
        raise Refusal("a diagonal of more than two axes")
    return to.op("Diagonal", input)


@tf("linalg.diag")
def diag(
    to: Builder, diagonal: Any, k: Any = 0, num_rows: Any = -1, num_cols: Any = -1, padding_value: Any = 0,
    align: Any = "RIGHT_LEFT",
) -> Any:  # fmt: skip
    n = to.lengths(diagonal)[-1]
    if (k, num_rows, num_cols, padding_value) != (0, -1, -1, 0) or not isinstance(n, int):
        raise Refusal("a diagonal beside the main one, or of a length that only the data tell")
    require_small([n, n])
    unit = [[float(i == j) for j in range(n)] for i in range(n)]
    return to.op("Multiply", to.op("ExpandDims", diagonal, axis=-1), to.op("Cast", unit, dtype=to.dtype(diagonal)))


@tf("linalg.band_part")
def band_part(to: Builder, input: Any, num_lower: Any, num_upper: Any) -> Any:
    lower, upper = whole(num_lower, "num_lower"), whole(num_upper, "num_upper")
    if lower >= 0:
        input = to.op("Triu", input, k=-lower)
    return to.op("Tril", input, k=upper) if upper >= 0 else to.op("Copy", input) if lower < 0 else input


@writes("Tril")
def tril_in_keras2(to: Recorder, x: Any, *, k: int) -> Any:
    if k < 0:
        raise Refusal("a triangle that starts below the diagonal")
    return to.call("linalg.band_part", x, num_lower=-1, num_upper=k)


@writes("Triu")
def triu_in_keras2(to: Recorder, x: Any, *, k: int) -> Any:
    if k > 0:
        raise Refusal("a triangle that starts above the diagonal")
    return to.call("linalg.band_part", x, num_lower=-k, num_upper=-1)


@tf("linalg.inv", writes="Inv", meet="numbers")
def inv(to: Builder, input: Any, adjoint: Any = False) -> Any:
    return to.op("Inv", turned(to, input) if adjoint else input)


@tf("linalg.det", writes="Det", meet="numbers")
def det(to: Builder, input: Any) -> Any:
    return to.op("Det", input)


@tf("linalg.logdet", writes="Logdet", meet="numbers")
def logdet(to: Builder, matrix: Any) -> Any:
    return to.op("Logdet", matrix)


@tf("linalg.slogdet", writes="Slogdet", meet="real")
def slogdet(to: Builder, input: Any) -> Any:
    return to.ops("Slogdet", input)


@tf("linalg.cholesky", writes="Cholesky", meet="numbers")
def cholesky(to: Builder, input: Any) -> Any:
    return to.op("Cholesky", input)


@writes("Solve")
def solve_in_keras2(to: Recorder, a: Any, b: Any) -> Any:
    if to.shape(a)[:-2] != to.shape(b)[:-2]:
        raise Refusal("matrices and right sides of other shapes, which TensorFlow does not stretch")
    return to.call("linalg.solve", a, rhs=_of_one_rank(to, a, b))


@writes("SolveTriangular")
def solve_triangular_in_keras2(to: Recorder, a: Any, b: Any, *, lower: bool) -> Any:
    return to.call("linalg.triangular_solve", a, rhs=_of_one_rank(to, a, b), lower=lower)


def _of_one_rank(to: Recorder, a: Any, b: Any) -> Any:
    if to.rank(a) != to.rank(b) or to.dtype(a) != to.dtype(b):
        raise Refusal("a right side of another rank or dtype")
    return b


@tf("linalg.solve")
def solve(to: Builder, matrix: Any, rhs: Any, adjoint: Any = False) -> Any:
    return to.op("Solve", turned(to, matrix) if adjoint else matrix, rhs)


@tf("linalg.triangular_solve")
def triangular_solve(to: Builder, matrix: Any, rhs: Any, lower: Any = True, adjoint: Any = False) -> Any:
    return to.op("SolveTriangular", turned(to, matrix) if adjoint else matrix, rhs, lower=bool(lower) != bool(adjoint))


@tf("linalg.pinv", writes="Pinv", meet="real")
def pinv(to: Builder, a: Any, rcond: Any = None, validate_args: Any = False) -> Any:
    return to.op("Pinv", a, rcond=None if rcond is None else number(rcond, "rcond"))


@tf("norm linalg.norm")
def norm(to: Builder, tensor: Any, ord: Any = "euclidean", axis: Any = None, keepdims: Any = False) -> Any:
    found = axes(axis)
    if ord == "euclidean" or (ord == "fro" and isinstance(found, list)):
        # Frobenius' norm too: of all elements along the axes, however many.
        return to.op("Sqrt", to.op("Sum", to.op("Square", tensor), axis=found, keepdims=bool(keepdims)))
    if ord in (1, "inf") and not (isinstance(found, list) and len(found) == 2):
        size = to.op("Absolute", tensor)
        return to.op("Sum" if ord == 1 else "Max", size, axis=found, keepdims=bool(keepdims))
    if isinstance(ord, (int, float)) and ord > 0 and not (isinstance(found, list) and len(found) == 2):
        powers = to.op("Sum", to.op("Power", to.op("Absolute", tensor), ord), axis=found, keepdims=bool(keepdims))
        return to.op("Power", powers, 1 / ord)
    raise Refusal(f"a norm of order {ord!r} along these axes")


@tf("math.l2_normalize linalg.l2_normalize nn.l2_normalize")
def l2_normalize(to: Builder, x: Any, axis: Any = None, epsilon: Any = 1e-12) -> Any:
    squares = to.op("Sum", to.op("Square", x), axis=axes(axis), keepdims=True)
    return to.op("Multiply", x, to.op("Rsqrt", to.op("Maximum", squares, number(epsilon, "epsilon"))))


@tf("keras.backend.l2_normalize")
def backend_l2_normalize(to: Builder, x: Any, axis: Any = None) -> Any:
    return l2_normalize(to, x, axis)


@writes("Norm")
def norm_in_keras2(to: Recorder, x: Any, *, ord: Any, axis: Any, keepdims: bool) -> Any:
    if ord not in (None, 2) or (ord == 2 and not isinstance(axis, int)):
        raise Refusal(f"a norm of order {ord!r}")
    return to.call("norm", *to.meeting([x]), axis=axes(axis), keepdims=keepdims)


@writes("Normalize")
def normalize_in_keras2(to: Recorder, x: Any, *, axis: Any, order: int, epsilon: float | None) -> Any:
    if order != 2:
        raise Refusal(f"a norm of order {order}")
    # TensorFlow's is held to the square of the norm.
    least = 1e-7 if epsilon is None else epsilon
    return to.call("math.l2_normalize", *to.meeting([x]), axis=axes(axis), epsilon=least * least)


@tf("clip_by_norm")
def clip_by_norm(to: Builder, t: Any, clip_norm: Any, axes: Any = None) -> Any:
    length = norm(to, t, axis=axes, keepdims=True)
    return to.op("TrueDivide", to.op("Multiply", t, clip_norm), to.op("Maximum", length, clip_norm))


@tf("linalg.normalize")
def normalize(to: Builder, tensor: Any, ord: Any = "euclidean", axis: Any = None) -> Any:
    length = norm(to, tensor, ord, axis, True)
    return [to.op("TrueDivide", tensor, length), length]


@tf("linalg.qr")
def qr(to: Builder, input: Any, full_matrices: Any = False) -> Any:
    return to.ops("Qr", input, mode="complete" if full_matrices else "reduced")


@tf("linalg.svd")
def svd(to: Builder, tensor: Any, full_matrices: Any = False, compute_uv: Any = True) -> Any:
    if not compute_uv:
        return to.op("SVD", tensor, compute_uv=False)
    left, values, right = to.ops("SVD", tensor, full_matrices=bool(full_matrices))
    return [values, left, turned(to, right)]


@writes("SVD")
def svd_in_keras2(to: Recorder, x: Any, *, full_matrices: bool, compute_uv: bool) -> Any:
    if not compute_uv:
        return to.call("linalg.svd", x, compute_uv=False)
    values, left, right = to.call("linalg.svd", x, full_matrices=full_matrices)
    return [left, values, to.call("linalg.matrix_transpose", right)]


@writes("Qr")
def qr_in_keras2(to: Recorder, x: Any, *, mode: str) -> Any:
    return to.call("linalg.qr", x, full_matrices=mode == "complete")


@tf("linalg.eigh", writes="Eigh", meet="numbers")
def eigh(to: Builder, tensor: Any) -> Any:
    return to.ops("Eigh", tensor)


@tf("linalg.eigvalsh")
def eigvalsh(to: Builder, tensor: Any) -> Any:
    return to.ops("Eigh", tensor)[0]


@tf("linalg.matrix_rank", writes="MatrixRank", meet="ordered")
def matrix_rank(to: Builder, a: Any, tol: Any = None, validate_args: Any = False) -> Any:
    return to.op("MatrixRank", a, tol=None if tol is None else number(tol, "tol"))
