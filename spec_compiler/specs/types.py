"""Field types. The type carries the domain, so that no layer needs a validator of its own."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError, core_schema

MAX_SIZE = 2**31 - 1
"""No length, count or size in a file may be larger: beyond it torch's own arithmetic overflows."""

MAX_FLOAT = (2 - 2**-23) * 2.0**127
"""The largest float32; torch takes no number of a file beyond it."""


class Before:
    """Pass a value through `function` before the type looks at it: pydantic's BeforeValidator, less its inspection.

    pydantic asks for the signature of every validator of every field of every class, a good part of what it costs to
    make one; ours all take the value alone.
    """

    __slots__ = ("function",)

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        return core_schema.no_info_before_validator_function(self.function, handler(source))


def _exact_int(value: Any) -> int:
    """An integer, or a float that is one (JSON writers turn 3 into 3.0); numpy's integers too. Never a bool or a string."""
    if isinstance(value, bool):
        raise PydanticCustomError("int_type", "expected an integer, got a boolean")
    if isinstance(value, float) and value.is_integer() and abs(value) <= MAX_SIZE:
        return int(value)
    try:
        return operator.index(value)
    except TypeError:
        raise PydanticCustomError("int_type", "expected an integer") from None


def _exact_float(value: Any) -> float:
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        raise PydanticCustomError("float_type", "expected a number")
    try:
        number = float(value)
    except OverflowError:
        number = MAX_FLOAT * 2
    if MAX_FLOAT < abs(number) < float("inf"):
        raise PydanticCustomError("float_type", "expected a number that float32 can hold")
    return number


def _exact_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise PydanticCustomError("bool_type", "expected true or false")


Bool = Annotated[bool, Before(_exact_bool)]
Int = Annotated[int, Before(_exact_int), Field(ge=-MAX_SIZE, le=MAX_SIZE)]
PositiveInt = Annotated[int, Before(_exact_int), Field(gt=0, le=MAX_SIZE)]
NonNegativeInt = Annotated[int, Before(_exact_int), Field(ge=0, le=MAX_SIZE)]
Float = Annotated[float, Before(_exact_float), Field(allow_inf_nan=False)]
PositiveFloat = Annotated[float, Before(_exact_float), Field(gt=0, allow_inf_nan=False)]
NonNegativeFloat = Annotated[float, Before(_exact_float), Field(ge=0, allow_inf_nan=False)]
Rate = Annotated[float, Before(_exact_float), Field(ge=0, le=1)]
"""A fraction, 0 to 1."""
OpenRate = Annotated[float, Before(_exact_float), Field(ge=0, lt=1)]
"""A fraction, 0 to less than 1."""
NullableEpsilon = NonNegativeFloat | None
"""What is added before a root is taken; null: Keras's `epsilon()`, 1e-7."""

MAX_ITERATIONS = 1000
Iterations = Annotated[int, Before(_exact_int), Field(gt=0, le=MAX_ITERATIONS)]
"""How often something is done in each training step: it takes time and no memory, so that the budget cannot see it."""

Seed = Annotated[int, Before(_exact_int)] | None
"""None: drawn from the global generator, which `set_random_seed` sets."""


NoAdapter = Annotated[None, Before(lambda v: None if v == 0 else v), WithJsonSchema({"enum": [0, None]})]
"""The rank of adapters to a kernel, of which there are none."""
NoAdapterScale = Annotated[None, Before(lambda v: None if isinstance(v, (int, float)) else v)]
"""The scale of adapters that there are not, so that any number will do."""


def _repeated(n: int) -> Callable[[Any], Any]:
    def repeat(value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            # Keras takes (3,) for 3 in every dimension count's place that has one element.
            return tuple(value) * n if len(value) == 1 else tuple(value)
        return (value,) * n

    return repeat


def _sizes_schema(n: int, minimum: int) -> WithJsonSchema:
    one = {"type": "integer", "minimum": minimum}
    return WithJsonSchema({"anyOf": [one, {"type": "array", "items": one, "minItems": n, "maxItems": n}]})


Single = Annotated[tuple[PositiveInt], Before(_repeated(1)), _sizes_schema(1, 1)]
Pair = Annotated[tuple[PositiveInt, PositiveInt], Before(_repeated(2)), _sizes_schema(2, 1)]
Triple = Annotated[tuple[PositiveInt, PositiveInt, PositiveInt], Before(_repeated(3)), _sizes_schema(3, 1)]
"""One size an axis; a single integer stands for all of them."""

SingleFromZero = Annotated[tuple[NonNegativeInt], Before(_repeated(1)), _sizes_schema(1, 0)]
PairFromZero = Annotated[tuple[NonNegativeInt, NonNegativeInt], Before(_repeated(2)), _sizes_schema(2, 0)]
TripleFromZero = Annotated[
    tuple[NonNegativeInt, NonNegativeInt, NonNegativeInt], Before(_repeated(3)), _sizes_schema(3, 0)
]
"""The same, where zero is a size."""

Axes = Annotated[
    tuple[Int, ...],
    Before(lambda v: tuple(v) if isinstance(v, (list, tuple)) else (v,)),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer"}}]}),
]
"""One axis or several."""


Sizes = Annotated[
    tuple[PositiveInt, ...],
    Before(lambda v: tuple(v) if isinstance(v, (list, tuple)) else (v,)),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "array", "items": {"type": "integer", "minimum": 1}}]}
    ),
]
"""One size or several."""


def _one_or_several(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        if not value:
            raise PydanticCustomError("axis_type", "expected an axis, or a list of at least one")
        return tuple(_exact_int(axis) for axis in value)
    return _exact_int(value)


AxisOrAxes = Annotated[
    Any,
    Before(_one_or_several),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer"}, "minItems": 1}]}),
]
"""One axis or several, kept as stated: an int stays an int."""

ShapeField = Annotated[
    tuple[PositiveInt | None, ...],
    Before(lambda v: tuple(v) if isinstance(v, list) else v),
    WithJsonSchema({"type": "array", "items": {"type": ["integer", "null"], "minimum": 1}}),
]

Layout = Literal["keras", "channels_first", "any"]
"""An order of axes: Keras's, or with the last axis moved behind the batch axis, where torch's kernels want it."""

DataFormat = Literal["channels_last", "channels_first"]
ImageFormat = Annotated[DataFormat, Before(lambda v: "channels_last" if v in (None, "default") else v)]
"""Where the channels are; null, or old Keras's "default", is `channels_last`."""

# Keras takes these in capitals too, as TensorFlow writes them.
_lowered = Before(lambda v: v.lower() if isinstance(v, str) else v)
Padding = Annotated[Literal["valid", "same"], _lowered]
CausalPadding = Annotated[Literal["valid", "same", "causal"], _lowered]


DTYPES = [
    "float16",
    "float32",
    "float64",
    "bfloat16",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "bool",
    "string",
    "complex64",
    "mixed_float16",
    "mixed_bfloat16",
]
TENSOR_DTYPES = [dtype for dtype in DTYPES if dtype != "string" and not dtype.startswith("mixed_")]
"""Those that a tensor may be of; the others say what a layer computes in."""
_QUANTIZED = "a quantized layer cannot be built"


def _dtype(value: Any) -> str:
    # Keras 3 writes the policy as an object, Keras 2.4 and later as {"class_name": "Policy", ...}.
    if isinstance(value, dict) and isinstance(value.get("config"), dict):
        config = value["config"]
        if "mode" in config:
            raise ValueError(_QUANTIZED)
        if config.get("policy_map"):
            raise ValueError("a layer with dtypes for single parts of it cannot be built")
        value = config.get("name", config.get("default_policy"))
    if value is None:
        return "float32"
    if isinstance(value, str) and value in DTYPES:
        return value
    if isinstance(value, str) and "_from_" in value:  # as Keras 3.3 writes it
        raise ValueError(_QUANTIZED)
    raise PydanticCustomError("invalid_dtype", "expected a dtype, one of {dtypes}", {"dtypes": ", ".join(DTYPES)})


DType = Annotated[str, Before(_dtype), WithJsonSchema({"enum": DTYPES})]


_KEPT_AS = {"uint16": "int32", "uint32": "int64"}


def kept_as(dtype: str) -> str:
    """What numbers of the dtype are kept in: torch has hardly a kernel for uint16 and uint32, so Keras widens them too."""
    return _KEPT_AS.get(dtype, dtype)


def kept_dtype(compute_dtype: str, dtype: str) -> str:
    """Dtype of what a layer only moves about: Keras brings floats to the layer's own, and leaves the rest."""
    return compute_dtype if "float" in dtype else dtype


def _activation(value: Any) -> Any:
    from spec_compiler.specs.activations import resolve

    return resolve(value)


Activation = Annotated[Any, Before(_activation), WithJsonSchema({"$ref": "#/$defs/activation"})]
"""A name in the closed table of `specs/activations.py`, or an activation layer (`LeakyReLU(0.1)`)."""


def _one_of(kind: str) -> Before:
    def resolve(value: Any) -> Any:
        from spec_compiler.specs.objects import resolve

        return resolve(kind, value)

    return Before(resolve)


def _schema_of(kind: str) -> WithJsonSchema:
    return WithJsonSchema({"$ref": f"#/$defs/{kind}"})


InitializerField = Annotated[Any, _one_of("initializer"), _schema_of("initializer")]
RegularizerField = Annotated[Any, _one_of("regularizer"), _schema_of("regularizer")]
ConstraintField = Annotated[Any, _one_of("constraint"), _schema_of("constraint")]
"""A name (`glorot_uniform`), an object, or Keras's `{class_name, config}`; None stays None."""


def _layer(value: Any) -> Any:
    from spec_compiler.specs.base import LayerSpec

    layer = getattr(value, "spec", value)  # a Model is the layer that its spec is
    if isinstance(layer, LayerSpec):
        return layer
    raise PydanticCustomError("layer_type", "expected a layer")


LayerField = Annotated[Any, AfterValidator(_layer), WithJsonSchema({"$ref": "#/$defs/layer"})]
"""A layer inside a layer. A dialect's reader builds it before the layer around it."""
