"""Operations in the short form: `ops.concatenate: {axis: 1}`, under the names of `keras.ops`.

What a call takes besides the outputs of layers stands under `with`, by the names of the function's arguments: numbers,
constants as lists, places between brackets as Python writes them, `key: [":", "1:4", -1]`.
"""

from __future__ import annotations

import inspect
import re
import sys
from typing import TYPE_CHECKING, Any, TypeGuard

from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.model import CallSpec, Ref, refs_in
from spec_compiler.specs.shapes import ShapeError

if TYPE_CHECKING:
    from spec_compiler.specs.layers.ops import OpSpec
    from spec_compiler.specs.layers.ops_table import Operation
    from spec_compiler.specs.layers.ops_types import Array

# The table of operations is loaded where a document has one, not for those that have none.

PREFIX = "ops."
_SLICE = re.compile(r"(-?\d*):(-?\d*)(?::(-?\d*))?")


class BadConstant(ValueError):
    """A call's argument that states nothing."""


def find(label: Any) -> Operation | None:
    """The operation of the key `ops.concatenate`."""
    if not isinstance(label, str) or not label.startswith(PREFIX):
        return None
    from spec_compiler.specs.layers.ops_table import by_function

    return by_function().get(label.removeprefix(PREFIX))


def is_operation(layer: LayerSpec) -> TypeGuard[OpSpec]:
    """Whether the layer is an operation."""
    module = sys.modules.get("spec_compiler.specs.layers.ops")
    return module is not None and isinstance(layer, module.OpSpec)


def label_of(layer: OpSpec) -> str:
    """The key that stands for the operation."""
    return PREFIX + layer.operation.function


def takes_list(layer: LayerSpec) -> bool:
    """Whether several inputs are one list: of layers that merge, and of operations that do."""
    if is_operation(layer):
        return len(layer.operation.inputs) == 1 and is_list(layer.operation.inputs[0])
    return layer.takes_list


def is_list(parameter: inspect.Parameter) -> bool:
    """Whether the argument is a list of tensors."""
    return str(parameter.annotation).startswith("list[")


# Reading.


def first_argument_stated(label: str, keywords: dict[str, Any]) -> bool:
    """Whether `with` holds an operation's first argument, so that it does not take the layer before."""
    operation = find(label)
    return operation is not None and operation.inputs[0].name in keywords


def bound(
    operation: Operation, args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """A call's arguments as Keras has them: by position, but for those that the function gives by name."""
    parameters = operation.inputs
    values = {key: _decoded(parameters, key, value) for key, value in keywords.items()}
    found = list(args)
    for parameter in parameters[len(args) :]:
        if parameter.name not in values or parameter.name in operation.named:
            break
        value = values.pop(parameter.name)
        found += value if parameter.kind is parameter.VAR_POSITIONAL and isinstance(value, list) else [value]
    return tuple(found), values


def _decoded(parameters: list[inspect.Parameter], name: str, value: Any) -> Any:
    parameter = next((p for p in parameters if p.name == name), None)
    if parameter is None:
        return value
    annotation = str(parameter.annotation)
    if name == "key":
        return [_index(item) for item in value] if isinstance(value, list) else _index(value)
    if is_list(parameter) or parameter.kind is parameter.VAR_POSITIONAL:
        return [_constant(item) for item in value] if isinstance(value, list) else value
    return _constant(value) if annotation.startswith(("Operand", "TensorType")) else value


def _constant(value: Any) -> Any:
    from spec_compiler.specs.layers.ops_types import array_of

    try:
        if isinstance(value, dict) and value.keys() == {"constant", "dtype"}:
            return array_of(value["constant"], str(value["dtype"]))
        if isinstance(value, list) and not any(True for _ in refs_in(value)):
            return array_of(value)
    except ShapeError as error:
        raise BadConstant(str(error)) from None
    return value


def _index(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value.strip() == "...":
        return ...
    found = _SLICE.fullmatch(value.replace(" ", ""))
    if found is None:
        raise BadConstant(f"'{value}' is no slice; write them as Python does, '1:4' or '::2'")
    return slice(*(int(end) if end not in (None, "") else None for end in found.groups()))


# Writing.


def arguments(operation: Operation, call: CallSpec) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What stands under `from`, tensors and lists of them, and what stands under `with`."""
    parameters = operation.inputs
    starred = parameters[-1].kind is inspect.Parameter.VAR_POSITIONAL
    args = list(call.args)
    while args and args[-1] is None:
        args.pop()
    if starred and not all(isinstance(arg, Ref) for arg in args):
        return (), {parameters[-1].name: args, **call.kwargs}
    lead = next((i for i, arg in enumerate(args) if not _is_tensors(arg)), len(args))
    names = [p.name for p in parameters]
    named = dict(zip(names[lead:], args[lead:], strict=False)) if not starred else {}
    return tuple(args[:lead]), {**named, **call.kwargs}


def _is_tensors(value: Any) -> bool:
    if isinstance(value, Ref):
        return True
    return isinstance(value, (list, tuple)) and bool(value) and all(isinstance(item, Ref) for item in value)


def encoded(value: Any) -> Any:
    """Constants, slices and the ellipsis as plain data; other values as they are."""
    from spec_compiler.specs.layers.ops_types import Array

    if isinstance(value, Array):
        values = _listed(value.values)
        return values if _is_usual(values, value) else {"constant": values, "dtype": value.dtype}
    if isinstance(value, slice):
        ends = [value.start, value.stop, *([] if value.step is None else [value.step])]
        return ":".join("" if end is None else str(end) for end in ends)
    return "..." if value is ... else value


def _is_usual(values: Any, array: Array) -> bool:
    """Whether lists alone say which constant it is, its dtype included."""
    from spec_compiler.specs.layers.ops_types import array_of

    try:
        return isinstance(values, list) and array_of(values) == array
    except ShapeError:
        return False


def _listed(values: Any) -> Any:
    return [_listed(value) for value in values] if isinstance(values, (list, tuple)) else values
