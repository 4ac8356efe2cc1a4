"""TensorFlow's raw operations, as TensorFlowOpLayer holds them: which function of the table each is.

`Mean: math.reduce_mean input_tensor axis` says that the inputs of `Mean` are those arguments, in this order; a star marks
the one that takes all inputs that are left. Attributes go by their names, or by what `_RENAMED` says.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from spec_compiler.dialects.known import words
from spec_compiler.dialects.tensorflow import table
from spec_compiler.dialects.tensorflow.builder import Builder
from spec_compiler.dialects.tensorflow.values import Refusal

_SAME_NAME = """
Abs Acos Acosh Add Asin Asinh Atan Atanh Ceil Conj Cos Cosh Erf Erfc Erfinv Exp Expm1 Floor Log Log1p Reciprocal Rint Round
Rsqrt Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Square Tan Tanh
"""
"""Functions of one number, in `math` under the same name in small letters."""

_TABLE = """
Neg: math.negative x
Inv: math.reciprocal x
IsNan: math.is_nan x
IsInf: math.is_inf x
IsFinite: math.is_finite x
LogicalNot: math.logical_not x
Identity: identity x
PreventGradient: stop_gradient x
StopGradient: stop_gradient x
Snapshot: identity x
AddV2: math.add x y
BiasAdd: nn.bias_add value bias
BiasAddV1: nn.bias_add value bias
Sub: math.subtract x y
Mul: math.multiply x y
RealDiv: math.truediv x y
Div: math.truediv x y
DivNoNan: math.divide_no_nan x y
MulNoNan: math.multiply_no_nan x y
FloorDiv: math.floordiv x y
FloorMod: math.floormod x y
TruncateDiv: truncatediv x y
TruncateMod: truncatemod x y
Mod: truncatemod x y
Pow: math.pow x y
Maximum: math.maximum x y
Minimum: math.minimum x y
SquaredDifference: math.squared_difference x y
Xlogy: math.xlogy x y
Xdivy: math.xdivy x y
Atan2: math.atan2 y x
Greater: math.greater x y
GreaterEqual: math.greater_equal x y
Less: math.less x y
LessEqual: math.less_equal x y
Equal: math.equal x y
NotEqual: math.not_equal x y
LogicalAnd: math.logical_and x y
LogicalOr: math.logical_or x y
BitwiseAnd: bitwise.bitwise_and x y
BitwiseOr: bitwise.bitwise_or x y
BitwiseXor: bitwise.bitwise_xor x y
AddN: math.add_n *inputs
AccumulateNV2: math.add_n *inputs
ClipByValue: clip_by_value t clip_value_min clip_value_max
Cast: cast x
Select: compat.v1.where condition x y
SelectV2: where condition x y
ZerosLike: zeros_like input
OnesLike: ones_like input
Sum: math.reduce_sum input_tensor axis
Mean: math.reduce_mean input_tensor axis
Max: math.reduce_max input_tensor axis
Min: math.reduce_min input_tensor axis
Prod: math.reduce_prod input_tensor axis
Any: math.reduce_any input_tensor axis
All: math.reduce_all input_tensor axis
EuclideanNorm: math.reduce_euclidean_norm input_tensor axis
ArgMax: math.argmax input axis
ArgMin: math.argmin input axis
Cumsum: math.cumsum x axis
Cumprod: math.cumprod x axis
TopKV2: math.top_k input k
InTopKV2: math.in_top_k predictions targets k
UnsortedSegmentSum: math.unsorted_segment_sum data segment_ids num_segments
ConcatV2: concat *values axis
Concat: concat axis *values
Pack: stack *values
Unpack: unstack value
Split: split axis value
SplitV: split value num_or_size_splits axis
ExpandDims: expand_dims input axis
Squeeze: squeeze input
Reshape: reshape tensor shape
Transpose: transpose a perm
Tile: tile input multiples
Pad: pad tensor paddings
PadV2: pad tensor paddings constant_values
MirrorPad: pad tensor paddings
ReverseV2: reverse tensor axis
Roll: roll input shift axis
BroadcastTo: broadcast_to input shape
DepthToSpace: nn.depth_to_space input
SpaceToDepth: nn.space_to_depth input
StridedSlice: strided_slice input_ begin end strides
Slice: slice input_ begin size
GatherV2: gather params indices axis
Gather: gather params indices
ResourceGather: gather params indices
GatherNd: gather_nd params indices
TensorScatterUpdate: tensor_scatter_nd_update tensor indices updates
TensorScatterAdd: tensor_scatter_nd_add tensor indices updates
EnsureShape: ensure_shape x
OneHot: one_hot indices depth on_value off_value
ScatterNd: scatter_nd indices updates shape
Shape: shape input
Size: size input
Rank: rank input
Fill: fill dims value
Range: range start limit delta
MatMul: linalg.matmul a b
BatchMatMul: linalg.matmul a b
BatchMatMulV2: linalg.matmul a b
BatchMatMulV3: linalg.matmul a b
Einsum: einsum *inputs
Cross: linalg.cross a b
L2Loss: nn.l2_loss t
MatrixDiag: linalg.diag diagonal
MatrixDiagPart: linalg.diag_part input
MatrixBandPart: linalg.band_part input num_lower num_upper
MatrixInverse: linalg.inv input
MatrixDeterminant: linalg.det input
MatrixSolve: linalg.solve matrix rhs
MatrixTriangularSolve: linalg.triangular_solve matrix rhs
Cholesky: linalg.cholesky input
Relu: nn.relu x
Relu6: nn.relu6 x
LeakyRelu: nn.leaky_relu features
Elu: nn.elu features
Selu: nn.selu x
Softmax: nn.softmax logits
LogSoftmax: nn.log_softmax logits
LRN: nn.local_response_normalization input
Conv2D: nn.conv2d input filters
Conv3D: nn.conv3d input filters
DepthwiseConv2dNative: nn.depthwise_conv2d input filters
Conv2DBackpropInput: nn.conv2d_transpose output_shape filters input
MaxPool: nn.max_pool input
MaxPool3D: nn.max_pool3d input
AvgPool: nn.avg_pool input
AvgPool3D: nn.avg_pool3d input
ExtractImagePatches: image.extract_patches images
ResizeBilinear: compat.v1.image.resize_bilinear images size
ResizeNearestNeighbor: compat.v1.image.resize_nearest_neighbor images size
ResizeBicubic: compat.v1.image.resize_bicubic images size
ResizeArea: compat.v1.image.resize_area images size
RGBToHSV: image.rgb_to_hsv images
HSVToRGB: image.hsv_to_rgb images
AdjustContrastv2: image.adjust_contrast images contrast_factor
"""

_RENAMED = {
    "keep_dims": "keepdims",
    "DstT": "dtype",
    "squeeze_dims": "axis",
    "num_split": "num_or_size_splits",
    "adj_x": "transpose_a",
    "adj_y": "transpose_b",
    "ksizes": "sizes",
}
"""Attributes that the function calls otherwise."""

_SILENT = words(
    """
    T Ta Tb Tout Tidx Tperm Tshape Tpaddings Tmultiples Tdim Tindices Tparams Taxis Tlen SrcT Truncate Index N U index_type
    out_type use_cudnn_on_gpu _output_shapes _class container shared_name TI Tsplits Tblock_shape Toutput_type validate_indices
    Tnumsegments dtype Tk grad_a grad_b incompatible_shape_error
    """
)
"""Attributes that change nothing: dtypes, and how to compute."""


class Raw(NamedTuple):
    """A raw operation."""

    function: str
    inputs: tuple[str, ...]


@cache
def _table() -> dict[str, Raw]:
    found = {name: Raw(f"math.{name.lower()}", ("x",)) for name in _SAME_NAME.split()}
    found["Add"] = Raw("math.add", ("x", "y"))
    for line in _TABLE.strip().splitlines():
        name, _, said = line.partition(": ")
        function, *inputs = said.split()
        found[name] = Raw(function, tuple(inputs))
    return found


def find(op: str) -> Raw | None:
    """What the table says of a raw operation."""
    return _table().get(op)


def names() -> list[str]:
    """The names of every raw operation."""
    return list(_table())


def called(to: Builder, op: str, attributes: dict[str, Any], inputs: list[Any]) -> Any:
    """The operation called on `inputs`."""
    raw = find(op)
    assert raw is not None  # or its layer was refused
    function = table.find(raw.function)
    assert function is not None, raw.function
    arguments = {**_attributes(attributes), **_by_name(raw.inputs, inputs)}
    return function(to, **table.bound(function, [], arguments))


def _by_name(names: tuple[str, ...], inputs: list[Any]) -> dict[str, Any]:
    starred = next((i for i, name in enumerate(names) if name.startswith("*")), None)
    if starred is not None:
        behind = len(names) - starred - 1
        end = len(inputs) - behind
        inputs = [*inputs[:starred], inputs[starred:end], *inputs[end:]]
    if len(inputs) != len(names):
        raise Refusal(f"it takes {len(names)} inputs, is called on {len(inputs)}")
    return {name.removeprefix("*"): value for name, value in zip(names, inputs, strict=True)}


def _attributes(attributes: dict[str, Any]) -> dict[str, Any]:
    """Those that say what to compute; lists that are empty, and so say nothing, left out."""
    return {
        _RENAMED.get(key, key): value
        for key, value in attributes.items()
        if key not in _SILENT and not key.startswith("_") and value != []
    }
