"""What TensorFlow's functions are called on: tensors, constants, and lengths that only the data tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.model import Ref
from spec_compiler.specs.shapes import TensorType

BATCH = 101
"""Stands for the length of the batch where types are worked out to find what else is as long: a prime, as few lengths are."""


class Refusal(Exception):
    """A call that cannot be said in `keras.ops`; the message says why."""


@dataclass(slots=True, eq=False)
class Made:
    """One call in the graph that is being made, of an operation or of a layer of the file."""

    layer: LayerSpec
    args: tuple[Any, ...] = ()
    """Tensors, plain data, and lists of them."""
    kwargs: dict[str, Any] = field(default_factory=dict)
    number: int = 0
    """Which of the layer's calls it is."""
    types: list[TensorType] | None = None
    """Of the outputs; None: not worked out yet."""
    with_batch: list[TensorType] | None = None
    """The same, were the batch of length BATCH."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """An output of a call."""

    made: Made
    index: int = 0

    @property
    def ref(self) -> Ref:
        """How a model names it."""
        return Ref(str(self.made.layer.name), self.made.number, self.index)


@dataclass(frozen=True, slots=True)
class Dim:
    """The length of an axis that only the data tell."""

    with_batch: int | None
    """What it would be, were the batch of length BATCH."""
    tensor: Tensor | None = None
    """What it is a length of, if it is not worked out from others."""
    axis: int = 0

    @property
    def is_batch(self) -> bool:
        """Whether it is the number of samples."""
        return self.with_batch == BATCH


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Every tensor in lists, tuples and mappings, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from tensors_in(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from tensors_in(item)


def map_tensors(f: Callable[[Tensor], Any], value: Any) -> Any:
    """`value` with `f` applied to every tensor in it."""
    if isinstance(value, Tensor):
        return f(value)
    if isinstance(value, (list, tuple)):
        return type(value)(map_tensors(f, item) for item in value)
    if isinstance(value, dict):
        return {key: map_tensors(f, item) for key, item in value.items()}
    return value


def is_tensor(value: Any) -> bool:
    """Whether `value` is a tensor."""
    return isinstance(value, Tensor)


# Arguments that have to be known beforehand.


def whole(value: Any, what: str) -> int:
    """A whole number that is known."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise Refusal(f"{what} must be a whole number that is known beforehand")


def wholes(value: Any, what: str) -> list[int]:
    """Whole numbers that are known; one alone is a list of one."""
    return [whole(item, what) for item in value] if isinstance(value, list) else [whole(value, what)]


def axes(value: Any) -> int | list[int] | None:
    """The argument `axis` of a reduction: one, several, or None for all."""
    if value is None or isinstance(value, Tensor):
        if value is not None:
            raise Refusal("the axis must be known beforehand")
        return None
    return wholes(value, "axis") if isinstance(value, list) else whole(value, "axis")


def number(value: Any, what: str) -> float:
    """A number that is known."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    raise Refusal(f"{what} must be a number that is known beforehand")


_DTYPES = {"half": "float16", "float": "float32", "double": "float64", "int": "int32", "long": "int64"}


def dtype_name(value: Any) -> str | None:
    """The name of a dtype: `float32` of `DT_FLOAT`; None for None."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise Refusal("a dtype is given by its name")
    name = value.lower().removeprefix("dt_").removeprefix("tf.").removesuffix("_ref")
    return _DTYPES.get(name, name)
