"""Activation functions as operations. What they compute: https://keras.io/api/ops/nn/."""

from __future__ import annotations

from spec_compiler.specs.layers.ops_arguments import Axes, Number
from spec_compiler.specs.layers.ops_elementwise import kept_number, made_float
from spec_compiler.specs.layers.ops_table import Module, takes_complex
from spec_compiler.specs.layers.ops_types import axes_in, axis_in, floating, require_held
from spec_compiler.specs.shapes import DTypeError, ShapeError, TensorType

op = Module("keras.src.ops.nn")

takes_complex("Sigmoid Silu Softsign Squareplus TanhShrink")

op.each("Relu Relu6", kept_number, "any")
op.each(
    "Sigmoid SparseSigmoid Softplus Softsign SparsePlus Silu LogSigmoid HardSigmoid HardSilu Selu TanhShrink",
    made_float,
    "any",
)


@op.having("any")
def HardTanh(x: TensorType) -> TensorType:
    if x.dtype == "uint8":
        raise DTypeError("it clips to -1, which is no uint8", help="cast the numbers to int32 or float32 first")
    return kept_number(x)


@op.having("any")
def SoftShrink(x: TensorType, *, threshold: Number = 0.5) -> TensorType:
    return _shrunk(x, threshold)


@op.having("any")
def HardShrink(x: TensorType, *, threshold: Number = 0.5) -> TensorType:
    return _shrunk(x, threshold)


def _shrunk(x: TensorType, threshold: Number) -> TensorType:
    if threshold < 0:
        raise ShapeError(f"the threshold must not be negative, got {threshold}")
    found = made_float(x)
    require_held(found.dtype, threshold)
    return found


@op.having("any")
def Squareplus(x: TensorType, *, b: Number = 4) -> TensorType:
    return made_float(x)


@op.having("any")
def LeakyRelu(x: TensorType, *, negative_slope: Number = 0.2) -> TensorType:
    return made_float(x)


@op.having("any")
def Elu(x: TensorType, *, alpha: Number = 1.0) -> TensorType:
    return made_float(x)


@op.having("any")
def Celu(x: TensorType, *, alpha: Number = 1.0) -> TensorType:
    if alpha == 0:
        raise ShapeError("alpha must not be 0: it divides the input")
    return made_float(x)


@op.having("any")
def Gelu(x: TensorType, *, approximate: bool = True) -> TensorType:
    return made_float(x)


@op.having("any")
def Threshold(x: TensorType, *, threshold: Number, default_value: Number) -> TensorType:
    require_held(x.dtype, threshold, default_value)
    return kept_number(x)


@op
def Glu(x: TensorType, *, axis: int = -1) -> TensorType:
    axis = axis_in(axis, len(x.shape))
    n = x.shape[axis]
    if n is not None and n % 2:
        raise ShapeError(f"it halves axis {axis}, whose length {n} is odd")
    return TensorType((*x.shape[:axis], None if n is None else n // 2, *x.shape[axis + 1 :]), floating(x))


def along_axes(x: TensorType, *, axis: Axes = -1) -> TensorType:
    axes_in(axis, len(x.shape))
    return made_float(x)


def along_axis(x: TensorType, *, axis: int = -1) -> TensorType:
    axis_in(axis, len(x.shape))
    return made_float(x)


op.each("Softmax LogSoftmax", along_axes, "any")
op.each("Sparsemax", along_axis)
