"""Which operations take complex numbers: those that Keras computes of them on torch; the others refuse them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from spec_compiler.specs.layers.ops_types import Array
from spec_compiler.specs.shapes import DTypeError, TensorType

TAKES_COMPLEX = frozenset(
    name
    for names in (
        # ops_elementwise
        "Abs Absolute Add AllClose Angle Arccos Arccosh Arcsin Arcsinh Arctan Arctanh Array Cast Conj "
        "Conjugate ConvertToTensor Copy Cos Cosh Divide DivideNoNan EmptyLike Equal Exp Exp2 Expm1 FullLike "
        "Imag Isclose Isfinite Isinf Isnan Isreal Ldexp Log Log10 Log1p Log2 Logaddexp LogicalAnd LogicalNot "
        "LogicalOr LogicalXor Multiply NanToNum Negative NotEqual OnesLike Power Real Reciprocal Rsqrt Select "
        "Sin Sinc Sinh Sqrt Square StopGradient Subtract Tan Tanh TrueDivide View ViewAsReal Where ZerosLike",
        # ops_activations
        "Sigmoid Silu Softsign Squareplus TanhShrink",
        # ops_reductions
        "All Any Average CountNonzero Cumprod Cumsum Diff Logsumexp Mean Nancumprod Nancumsum Nanprod Prod "
        "Sum Trapezoid",
        # ops_arranging, ops_joining, ops_grids, ops_einops
        "Append ArraySplit BroadcastTo Concatenate Diag Diagflat Diagonal Dsplit Dstack ExpandDims Flip "
        "Fliplr Flipud Full Hsplit Hstack Meshgrid Moveaxis Pad Ravel Rearrange Repeat Reshape Roll Rot90 "
        "Split Squeeze Stack Swapaxes Tile Transpose Tril Triu Unstack Vsplit Vstack",
        # ops_indexing, ops_counting
        "GetItem Nonzero Scatter Size Slice SliceUpdate Take TakeAlongAxis",
        # ops_products, ops_linalg
        "CDist Cholesky CholeskyInverse Cross Det Dot Eig Eigh Einsum Inner Inv Kron Logdet Lstsq LuFactor "
        "MatrixRank Matmul Norm Outer Pinv Qr SVD Slogdet Solve SolveTriangular Tensordot Trace Vdot",
        # ops_convolutions, ops_nn, ops_image, ops_signal
        "Conv ConvTranspose CropImages DepthToSpace DepthwiseConv ExtractPatches ExtractSequences PadImages "
        "SeparableConv SpaceToDepth",
    )
    for name in names.split()
)


def require_real(operation: str, inputs: dict[str, Any]) -> None:
    """DTypeError when the operation is called on complex numbers and does not take them."""
    if operation not in TAKES_COMPLEX and "complex64" in _dtypes(inputs.values()):
        raise DTypeError("it takes no complex numbers", help="take their real or imaginary part, or the absolute value")


def _dtypes(values: Any) -> Iterator[str]:
    for value in values:
        if isinstance(value, (TensorType, Array)):
            yield value.dtype
        elif isinstance(value, (list, tuple)):
            yield from _dtypes(value)
