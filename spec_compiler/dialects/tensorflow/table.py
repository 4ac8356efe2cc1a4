"""The table of TensorFlow's functions, and what each is in `keras.ops`.

A function is stated under its names in files, with TensorFlow's arguments:

```python
@tf("math.reduce_mean")
def reduce_mean(to: Builder, input_tensor: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return to.op("Mean", input_tensor, axis=axes(axis), keepdims=keepdims)
```

Where a function is what Keras 2 says for an operation, that is stated in the same place: `@tf("transpose", writes="Transpose",
perm="axes")` is enough where one call is the other, its arguments by position and the operation's settings by name (here
TensorFlow's `perm` is Keras's `axes`). Whether it is the same for the arguments at hand is found by reading it again. What
takes more is a function of its own, with the operation's arguments:

```python
@writes("Ravel")
def ravel_in_keras2(to: Recorder, x: Any) -> Any:
    return to.call("reshape", x, shape=[-1])
```

What they compute: https://www.tensorflow.org/api_docs/python/tf. The table is closed: a name in a file is found here or
refused.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any, TypeVar

from spec_compiler.dialects.tensorflow.values import Dim, Refusal, Tensor

F = TypeVar("F", bound=Callable[..., Any])

FAMILIES = [
    "elementwise", "reductions", "arrays", "indexing", "shapes", "linalg", "nn", "convolutions", "image", "composed",
]  # fmt: skip
"""The files of the table."""

_RANDOM = "it is random in inference too"
_DATA = "the length of what it gives is known only from the data"
_PYTHON = "it runs functions that are not in the file"

REFUSED = {
    **dict.fromkeys((
        "boolean_mask", "unique", "unique_with_counts", "dynamic_partition", "image.non_max_suppression", "Where",
        "Unique", "UniqueV2", "NonMaxSuppressionV3", "NonMaxSuppressionV4", "DynamicPartition",
    ), _DATA),
    **dict.fromkeys((
        "map_fn", "vectorized_map", "while_loop", "cond", "scan", "foldl", "foldr", "switch_case", "py_function",
        "numpy_function", "PyFunc", "EagerPyFunc", "While", "If", "StatelessWhile",
    ), _PYTHON),
    **dict.fromkeys((
        "RandomStandardNormal", "RandomUniform", "TruncatedNormal", "Multinomial", "RandomShuffle",
    ), _RANDOM),
}  # fmt: skip
"""Functions and raw operations that cannot be built, and why."""


def refusal(name: str) -> str | None:
    """Why a function cannot be built; None where there is nothing more to say than that it is not in the table."""
    if "random" in name.split(".") or name.rpartition(".")[2].startswith(
        ("random_", "stateless_random", "truncated_normal")
    ):
        return _RANDOM
    return REFUSED.get(name.removeprefix("compat.v1."))


_functions: dict[str, Callable[..., Any]] = {}


@dataclass(frozen=True, slots=True)
class Writing:
    """How Keras 2 writes an operation of `keras.ops`."""

    function: str = ""
    """The function that is called."""
    meet: str = ""
    """Which dtype the operands meet in, one of `recorder.MEETINGS`; empty: each keeps its own."""
    renamed: dict[str, str] = field(default_factory=dict)
    """The operation's settings that the function calls otherwise."""
    by: Callable[..., Any] | None = None
    """What makes the calls, where they are more than one of `function`."""


_writings: dict[str, Writing] = {}

_SYNONYMS = {
    "keep_dims": "keepdims",
    "reduction_indices": "axis",
    "dimension": "axis",
    "squeeze_dims": "axis",
    "dim": "axis",
    "filter": "filters",
    "stride": "strides",
    "dilation_rate": "dilations",
    "concat_dim": "axis",
}
"""Arguments of TensorFlow 1, and what they are called since."""


def tf(names: str, writes: str = "", meet: str = "", **renamed: str) -> Callable[[F], F]:
    """Register a function under names separated by spaces; the first is what Keras 2 says for the operations it `writes`."""

    def register(function: F) -> F:
        known = names.split()
        for name in known:
            assert name not in _functions, name
            _functions[name] = function
        said = Writing(known[0], meet, {keras: name for name, keras in renamed.items()})
        for op in writes.split():
            assert op not in _writings, op
            _writings[op] = said
        return function

    return register


def writes(ops: str) -> Callable[[F], F]:
    """Register what makes the calls that Keras 2 says for operations, names separated by spaces."""

    def register(function: F) -> F:
        for op in ops.split():
            assert op not in _writings, op
            _writings[op] = Writing(by=function)
        return function

    return register


def writing(op: str) -> Writing | None:
    """How Keras 2 writes Keras's operation `op`; None: it does not."""
    _load()
    return _writings.get(op)


def parameters(name: str) -> list[str]:
    """The names of a function's arguments."""
    return list(inspect.signature(_functions[name]).parameters)[1:]


def find(name: str) -> Callable[..., Any] | None:
    """The function of that name; those of TensorFlow 1, under `compat.v1.`, are mostly the ones of that name since."""
    _load()
    today = name.removeprefix("compat.v1.")
    return _functions.get(name) or _functions.get(today) or _functions.get(f"math.{today}")


def names() -> list[str]:
    """The names of every function."""
    _load()
    return list(_functions)


def bound(function: Callable[..., Any], first: list[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The call's arguments by name: `first` by position, the others by keyword; Refusal where they do not suit."""
    parameters = list(inspect.signature(function).parameters.values())[1:]
    if len(first) > len(parameters):
        raise Refusal(f"it takes {len(parameters)} arguments, is called with {len(first)}")
    found = {p.name: value for p, value in zip(parameters, first, strict=False)}
    known = {p.name for p in parameters}
    for key, value in kwargs.items():
        name = key if key in known else _SYNONYMS.get(key, key)
        if key == "name" or (value is None and name not in known):
            continue
        if name not in known:
            raise Refusal(f"its argument '{key}' is not known")
        if name in found and value is not None:
            raise Refusal(f"it is given '{key}' twice")
        if name not in found:
            found[name] = value
    for name, value in found.items():
        if name != "slice_spec" and not _is_plain(value):
            raise Refusal(f"its argument '{name}' is of an unknown form")
    for parameter in parameters:
        if parameter.name not in found and parameter.default is parameter.empty:
            raise Refusal(f"it needs the argument '{parameter.name}'")
    return found


def _is_plain(value: Any) -> bool:
    """Whether an argument is a tensor, a length, a number, a text, nothing, or a list of these."""
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (Tensor, Dim, int, float, str))


@cache
def _load() -> None:
    for family in FAMILIES:
        import_module(f"spec_compiler.dialects.tensorflow.{family}")
