"""Weights that start as one value, or as the values of an array."""

from typing import Annotated, Any

from pydantic import WithJsonSchema
from pydantic_core import PydanticCustomError

from spec_compiler.specs.initializers.base import Initializer
from spec_compiler.specs.shapes import ShapeError, show
from spec_compiler.specs.types import MAX_FLOAT, Before

_MAX_RANK = 8


def array_shape(value: Any, rank: int = 0) -> tuple[int, ...]:
    """Shape of nested lists of numbers; () for a number."""
    if not isinstance(value, (list, tuple)):
        # Comparing, unlike `isfinite`, takes integers of any size; NaN compares false.
        most = 2**63 - 1 if isinstance(value, int) else MAX_FLOAT
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= most:
            raise PydanticCustomError(
                "array_type", "expected a finite number that torch can hold, or nested lists of them"
            )
        return ()
    if rank == _MAX_RANK:
        raise PydanticCustomError("array_type", "expected at most {rank} levels of lists", {"rank": _MAX_RANK})
    shapes = {array_shape(item, rank + 1) for item in value}
    if len(shapes) > 1:
        raise PydanticCustomError("array_type", "expected nested lists of equal lengths")
    return (len(value), *(shapes.pop() if shapes else ()))


def array_value(value: Any) -> Any:
    """A number, nested lists of numbers, a numpy array, or Keras's `{"class_name": "__numpy__", ...}` of one.

    Arrays of numpy become the dict that Keras 3 writes for them; what a file says is kept as it is.
    """
    if getattr(value, "ndim", 0) > 0 and hasattr(value, "dtype") and hasattr(value, "tolist"):
        value = {"class_name": "__numpy__", "config": {"value": value.tolist(), "dtype": str(value.dtype)}}
    if isinstance(value, dict):
        config = value.get("config")
        if value.get("class_name") not in ("__numpy__", "__tensor__") or not isinstance(config, dict):
            raise PydanticCustomError("array_type", "expected a finite number, or nested lists of them")
        array_shape(config.get("value"))
        return value
    value = value.item() if hasattr(value, "item") else value
    array_shape(value)
    return value


Array = Annotated[Any, Before(array_value), WithJsonSchema({"type": ["number", "array", "object"]})]


class Zeros(Initializer):
    """All 0."""


class Ones(Initializer):
    """All 1."""


class Constant(Initializer):
    """All one value, or the values of an array that broadcasts to the weight's shape."""

    value: Array = 0.0
    """A number; or an array, as nested lists."""

    @property
    def array(self) -> Any:
        """The value as a number or nested lists, whatever form it was stated in."""
        return self.value["config"]["value"] if isinstance(self.value, dict) else self.value

    def check_shape(self, shape: tuple[int, ...]) -> None:
        own = array_shape(self.array)
        lengths = zip(reversed(own), reversed(shape), strict=False)
        if len(own) > len(shape) or any(n not in (1, m) for n, m in lengths):
            raise ShapeError(f"Constant's array of shape {show(own)} does not fit a weight of shape {show(shape)}")
