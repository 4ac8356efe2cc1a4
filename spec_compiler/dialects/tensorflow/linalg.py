"""TensorFlow's products of tensors and linear algebra."""

from __future__ import annotations

from typing import Any

from spec_compiler.dialects.tensorflow.builder import Builder
from spec_compiler.dialects.tensorflow.elementwise import known_dtype
from spec_compiler.dialects.tensorflow.folding import require_small
from spec_compiler.dialects.tensorflow.folding import shape as shape_of_constant
from spec_compiler.dialects.tensorflow.table import tf
from spec_compiler.dialects.tensorflow.values import Refusal, Tensor, axes, is_tensor, number, tensors_in, whole
from spec_compiler.specs.layers.merging import Dot


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


@tf("tensordot")
def tensordot(to: Builder, a: Any, b: Any, axes: Any) -> Any:
    if any(True for _ in tensors_in([axes])):
        raise Refusal("the axes must be known beforehand")
    return to.op("Tensordot", a, b, axes=axes)


@tf("einsum linalg.einsum")
def einsum(to: Builder, equation: Any, inputs: Any = None, optimize: Any = None) -> Any:
    if not isinstance(equation, str) or not isinstance(inputs, list) or not inputs:
        raise Refusal("the file holds only the equation, not the tensors: tf.keras leaves them out")
    return to.op("Einsum", *inputs, subscripts=equation)


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


@tf("linalg.cross")
def cross(to: Builder, a: Any, b: Any) -> Any:
    return to.op("Cross", a, b)


@tf("linalg.matrix_transpose linalg.adjoint")
def matrix_transpose(to: Builder, a: Any, conjugate: Any = False) -> Any:
    return turned(to, a)


@tf("linalg.trace")
def trace(to: Builder, x: Any) -> Any:
    return to.op("Trace", x, axis1=-2, axis2=-1)


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


@tf("linalg.inv")
def inv(to: Builder, input: Any, adjoint: Any = False) -> Any:
    return to.op("Inv", turned(to, input) if adjoint else input)


@tf("linalg.det")
def det(to: Builder, input: Any) -> Any:
    return to.op("Det", input)


@tf("linalg.logdet")
def logdet(to: Builder, matrix: Any) -> Any:
    return to.op("Logdet", matrix)


@tf("linalg.slogdet")
def slogdet(to: Builder, input: Any) -> Any:
    return to.ops("Slogdet", input)


@tf("linalg.cholesky")
def cholesky(to: Builder, input: Any) -> Any:
    return to.op("Cholesky", input)


@tf("linalg.solve")
def solve(to: Builder, matrix: Any, rhs: Any, adjoint: Any = False) -> Any:
    return to.op("Solve", turned(to, matrix) if adjoint else matrix, rhs)


@tf("linalg.triangular_solve")
def triangular_solve(to: Builder, matrix: Any, rhs: Any, lower: Any = True, adjoint: Any = False) -> Any:
    return to.op("SolveTriangular", turned(to, matrix) if adjoint else matrix, rhs, lower=bool(lower) != bool(adjoint))


@tf("linalg.pinv")
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


@tf("linalg.eigh")
def eigh(to: Builder, tensor: Any) -> Any:
    return to.ops("Eigh", tensor)


@tf("linalg.eigvalsh")
def eigvalsh(to: Builder, tensor: Any) -> Any:
    return to.ops("Eigh", tensor)[0]


@tf("linalg.matrix_rank")
def matrix_rank(to: Builder, a: Any, tol: Any = None, validate_args: Any = False) -> Any:
    return to.op("MatrixRank", a, tol=None if tol is None else number(tol, "tol"))
