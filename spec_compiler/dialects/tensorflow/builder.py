"""Makes the calls that stand for a call of a function of TensorFlow's."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from spec_compiler.diagnostics import Diagnostic, Reporter
from spec_compiler.dialects.tensorflow.folding import folded
from spec_compiler.dialects.tensorflow.folding import shape as shape_of_constant
from spec_compiler.dialects.tensorflow.values import (
    BATCH,
    Dim,
    Made,
    Refusal,
    Tensor,
    is_tensor,
    map_tensors,
    tensors_in,
)
from spec_compiler.ir import Graph, Node, Value, build_graph
from spec_compiler.passes.infer_shapes import infer_shapes
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.layers.core import InputLayer
from spec_compiler.specs.layers.ops import OpSpec
from spec_compiler.specs.layers.ops_table import find
from spec_compiler.specs.layers.ops_types import Array, array_of, dtype_of, is_float, is_int
from spec_compiler.specs.model import ModelSpec
from spec_compiler.specs.shapes import Shape, ShapeError, TensorType


class Untyped(Exception):
    """A call before this one has a fault, so that its type is not known."""

    def __init__(self, faults: Sequence[Diagnostic] = ()) -> None:
        self.faults = faults


class Builder:
    """The calls of one function, as they are made, and what is known of the tensors."""

    def __init__(self) -> None:
        self.made: list[Made] = []

    # Making calls.

    def op(self, name: str, *args: Any, **settings: Any) -> Any:
        """A call of Keras's operation `name`: its output, worked out at once where no argument is a tensor."""
        settings = _stated(name, settings)
        if not any(True for _ in tensors_in(args)):
            return folded(name, args, settings)
        # What stands between brackets is no tensor.
        stated = {"op": name, "arguments": settings}
        return self.layer(OpSpec, stated, *(arg if name == "GetItem" else self._operand(arg, args) for arg in args))

    def ops(self, name: str, *args: Any, **settings: Any) -> list[Tensor]:
        """A call of an operation with several outputs."""
        first = self.op(name, *args, **settings)
        return [Tensor(first.made, i) for i in range(len(self._types(first.made, marked=False)))]

    def layer(self, cls: type[LayerSpec], arguments: dict[str, Any], *args: Any) -> Tensor:
        """A call of a layer, or of an operation, on what it takes as it stands."""
        if not any(True for _ in tensors_in(args)):
            raise Refusal("it depends on no input of the model")
        try:
            layer = cls.model_validate(arguments)
        except ValidationError as error:
            raise Refusal(error.errors()[0]["msg"].removeprefix("Value error, ")) from None
        self.made.append(Made(layer, args))
        return Tensor(self.made[-1])

    def _operand(self, value: Any, args: tuple[Any, ...]) -> Any:
        if isinstance(value, Dim):
            raise Refusal("it computes with a length that is known only from the data")
        if not isinstance(value, list) or not value:
            return value
        if any(map(is_tensor, value)):
            return [self._operand(item, args) if is_tensor(item) else self._array(item, value) for item in value]
        return self._array(value, args)

    def _array(self, value: Any, args: Any) -> Array:
        """A constant, of the dtype of the tensors it meets: TensorFlow promotes none."""
        if any(isinstance(item, Dim) for item in (value if isinstance(value, list) else [value])):
            raise Refusal("it computes with a length that is known only from the data")
        try:
            array = array_of(value)
        except ShapeError as error:
            raise Refusal(str(error)) from None
        for tensor in tensors_in(args):
            dtype = self.dtype(tensor)
            if is_float(dtype) if is_float(array.dtype) else is_float(dtype) or is_int(dtype):
                return array_of(value, dtype)
        return array

    # Types.

    def type(self, x: Any) -> TensorType:
        """The type of a tensor, or of a constant."""
        if isinstance(x, Tensor):
            return _output(x, self._types(x.made, marked=False))
        if isinstance(x, list):
            try:
                return TensorType(tuple(shape_of_constant(x)), array_of(x).dtype)
            except ShapeError as error:
                raise Refusal(str(error)) from None
        if not isinstance(x, (int, float)):
            raise Refusal("it takes tensors and numbers")
        return TensorType((), dtype_of(x))

    def dtype(self, x: Any) -> str:
        """The dtype of a tensor or constant."""
        return self.type(x).dtype

    def shape(self, x: Any) -> Shape:
        """The shape of a tensor or constant."""
        return self.type(x).shape

    def rank(self, x: Any) -> int:
        """The number of axes of a tensor or constant."""
        return len(self.shape(x))

    def lengths(self, x: Any) -> list[int | Dim]:
        """The length of each axis: a number, or what stands for one."""
        shape = self.shape(x)
        if not isinstance(x, Tensor) or None not in shape:
            return list(shape)  # type: ignore[arg-type]
        marked: Shape = (None,) * len(shape)
        with suppress(Untyped):
            # What goes for a batch of any length may fail for one of length BATCH: then it says nothing.
            marked = _output(x, self._types(x.made, marked=True)).shape
        return [Dim(m, x, i) if n is None else n for i, (n, m) in enumerate(zip(shape, marked, strict=True))]

    def _types(self, made: Made, marked: bool) -> list[TensorType]:
        """Types of a call's outputs, and of all it needs, without recursion."""
        stack = [made]
        while stack:
            last = stack[-1]
            needed = [t.made for t in tensors_in((last.args, last.kwargs)) if _known(t.made, marked) is None]
            if needed and _known(last, marked) is None:
                stack += needed
                continue
            stack.pop()
            if _known(last, marked) is None:
                types = _inferred(last, marked)
                last.with_batch, last.types = (types, last.types) if marked else (last.with_batch, types)
        found = _known(made, marked)
        assert found is not None
        return found


def _output(tensor: Tensor, types: list[TensorType]) -> TensorType:
    if tensor.index >= len(types):
        raise Refusal(f"'{tensor.made.layer.name}' has {len(types)} outputs, so there is no output {tensor.index}")
    return types[tensor.index]


def _known(made: Made, marked: bool) -> list[TensorType] | None:
    return made.with_batch if marked else made.types


def _inferred(made: Made, marked: bool) -> list[TensorType]:
    layer = made.layer
    if isinstance(layer, InputLayer):
        batch, *rest = layer.batch_shape
        return [TensorType((BATCH if batch is None and marked else batch, *rest), layer.dtype)]

    def value(tensor: Tensor) -> Value:
        types = _known(tensor.made, marked)
        assert types is not None  # worked out before
        of = _output(tensor, types)
        return Value(str(tensor.made.layer.name), shape=of.shape, dtype=of.dtype)

    reporter = Reporter()
    body = build_graph(layer, reporter) if isinstance(layer, ModelSpec) else None
    node = Node(str(layer.name), layer, map_tensors(value, made.args), map_tensors(value, made.kwargs), body=body)
    infer_shapes(Graph(layer, [], None, [node]), reporter)  # type: ignore[arg-type]
    if reporter.error_count or any(output.shape is None for output in node.outputs) or not node.outputs:
        raise Untyped(reporter.diagnostics)
    return [TensorType(output.shape or (), output.dtype) for output in node.outputs]


def _stated(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """The settings that are not the operation's defaults."""
    operation = find(name)
    assert operation is not None, name
    defaults = {p.name: p.default for p in operation.settings}
    return {key: value for key, value in settings.items() if value is not None and value != defaults[key]}
