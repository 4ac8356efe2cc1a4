"""Records the calls of TensorFlow's functions that stand for a call of an operation of `keras.ops`.

Each call is translated as it is made, by the function of the table that reading it would use: so its type is known, and
what is written is what will be read.
"""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass
from typing import Any

from spec_compiler.dialects.tensorflow import table
from spec_compiler.dialects.tensorflow.builder import Builder
from spec_compiler.dialects.tensorflow.values import BATCH, Made, Refusal, Tensor, tensors_in
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.layers.ops_types import Array, is_float, together
from spec_compiler.specs.shapes import Shape, TensorType

MEETINGS = {
    "output": "the dtype that comes out",
    "numbers": "the same, which is not bool",
    "real": "the same, which is neither bool nor complex",
    "signed": "the same, which is neither bool nor unsigned",
    "together": "what the operands' dtypes are promoted to",
    "ordered": "the same, which is neither bool nor complex",
    "bool": "bool",
}
"""What the operands of a function are cast to before they meet: TensorFlow promotes no dtypes."""


@dataclass(slots=True)
class Called:
    """A call of a function, or of a raw operation."""

    function: str
    first: Any
    kwargs: dict[str, Any]
    outputs: list[Any]
    node_def: dict[str, Any] | None = None
    """Of a raw operation, which is called on the list of its inputs."""


class Recorder:
    """The calls of one operation, as they are made."""

    def __init__(self, outputs: list[TensorType]) -> None:
        self.outputs = outputs
        """The types that the operation gives."""
        self.calls: list[Called] = []
        self._to = Builder()

    def call(self, name: str, first: Any, **kwargs: Any) -> Any:
        """A call of TensorFlow's function `name`: its output, or a list of them. Arguments at their defaults are left out."""
        function = table.find(name)
        assert function is not None, name
        usual = {p.name: p.default for p in inspect.signature(function).parameters.values()}
        stated = {key: value for key, value in kwargs.items() if not _same(value, usual.get(key))}
        result = function(self._to, **table.bound(function, [first], stated))
        if not any(True for _ in tensors_in([result])):
            raise Refusal("it is called on a constant alone")
        self.calls.append(Called(name, first, stated, flat(result)))
        return result

    def einsum(self, subscripts: str, operands: list[Any]) -> Any:
        """A raw operation: in a file, the function would have lost its tensors."""
        result = self._to.op("Einsum", *operands, subscripts=subscripts)
        self.calls.append(
            Called("Einsum", operands, {}, [result], _einsum(subscripts, self.dtype(result), len(operands)))
        )
        return result

    # Types.

    def type(self, x: Any) -> TensorType:
        """The type of a tensor."""
        return self._to.type(x)

    def dtype(self, x: Any) -> str:
        """The dtype of a tensor."""
        return self.type(x).dtype

    def shape(self, x: Any) -> Shape:
        """The shape of a tensor."""
        return self.type(x).shape

    def rank(self, x: Any) -> int:
        """The number of axes of a tensor."""
        return len(self.shape(x))

    def axis(self, axis: int, x: Any) -> int:
        """An axis of a tensor, counted from the front."""
        return axis % self.rank(x)

    # Dtypes.

    def cast(self, x: Any, dtype: str) -> Any:
        """A tensor, or numbers, of that dtype."""
        if isinstance(x, Tensor):
            return x if self.dtype(x) == dtype else self.call("cast", x, dtype=dtype)
        return numbers(x, dtype)

    def meeting(self, operands: list[Any], how: str = "numbers") -> list[Any]:
        """The operands in one dtype: see MEETINGS."""
        if how == "bool":
            dtype = "bool"
        elif how in ("together", "ordered"):
            dtype = together(*(self.type(x) if isinstance(x, Tensor) else x for x in operands))
        else:
            # Of complex numbers the operands' dtype tells: absolute values are of another.
            dtypes = {self.type(x).dtype for x in operands if isinstance(x, Tensor)}
            dtype = "complex64" if "complex64" in dtypes else self.outputs[0].dtype
        none = dtype == "bool" and how in ("numbers", "real", "signed", "ordered")
        none = none or (dtype == "complex64" and how in ("real", "ordered"))
        if none or (how == "signed" and dtype.startswith("u")):
            raise Refusal(f"TensorFlow does not compute it for {dtype}")
        met = [self.cast(x, dtype) for x in operands]
        if met and not isinstance(met[0], Tensor) and dtype not in ("float32", "int32", "bool"):
            # A constant in the first place would be of TensorFlow's own choice of dtype.
            like = self.call("zeros_like", next(tensors_in(met)))
            met[0] = self.call("math.add", like, y=met[0])
        return met


def given(type: TensorType) -> Tensor:
    """A tensor of that type, made elsewhere."""
    batch, *rest = type.shape or (1,)
    marked = TensorType((BATCH, *rest), type.dtype) if batch is None else type
    return Tensor(Made(LayerSpec(), types=[type], with_batch=[marked]))


def flat(result: Any) -> list[Any]:
    """The outputs of a call."""
    if isinstance(result, list) and any(True for _ in tensors_in(result)):
        return [one for item in result for one in flat(item)]
    return [result]


def numbers(value: Any, dtype: str) -> Any:
    """A number, or nested lists of them, of the dtype's kind."""
    if isinstance(value, Array):
        value = value.values
    if isinstance(value, (list, tuple)):
        return [numbers(item, dtype) for item in value]
    if not math.isfinite(value):
        raise Refusal(f"files hold no {value}")
    return float(value) if is_float(dtype) else bool(value) if dtype == "bool" else int(value)


def _same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and a == b


def _einsum(subscripts: str, dtype: str, count: int) -> dict[str, Any]:
    from base64 import b64encode

    types = {"float16": "DT_HALF", "float32": "DT_FLOAT", "float64": "DT_DOUBLE", "bfloat16": "DT_BFLOAT16"}
    if dtype not in types:
        raise Refusal(f"TensorFlow's Einsum of {dtype}")
    equation = b64encode(subscripts.replace(" ", "").encode()).decode()
    attributes = {"N": {"i": count}, "T": {"type": types[dtype]}, "equation": {"s": equation}}
    return {"op": "Einsum", "input": [f"input_{i}" for i in range(count)], "attr": attributes}
