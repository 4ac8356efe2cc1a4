"""The table of operations: what Keras calls each, how it is called, what shape and dtype come out.

An operation is stated as a function of types, under the name of Keras's class:

```python
@op
def Sum(x: TensorType, *, axis: Axes = None, keepdims: bool = False) -> TensorType:
    return TensorType(reduced(x.shape, axis, keepdims), widened(x.dtype))
```

Its positional arguments are those of the call, which stand in a model's `inbound_nodes`; the keyword ones are those of
the class, which stand in its `config`. The annotations say what may be given. The lowering of the same name is in
`lowering/`. The table is closed: a name in a file is found here or refused.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any, TypeVar

from spec_compiler.diagnostics import show as shown
from spec_compiler.specs.layers.ops_arguments import check
from spec_compiler.specs.layers.ops_types import Array, array_of, require_bounded
from spec_compiler.specs.registry import snake_case
from spec_compiler.specs.shapes import Shape, ShapeError, TensorType
from spec_compiler.specs.types import Layout

F = TypeVar("F", bound=Callable[..., Any])

FAMILIES = [
    "ops_elementwise", "ops_activations", "ops_reductions", "ops_arranging", "ops_joining", "ops_grids", "ops_indexing",
    "ops_counting", "ops_products", "ops_linalg", "ops_signal", "ops_nn", "ops_convolutions", "ops_image", "ops_einops",
]  # fmt: skip
"""The files of the table, here and in `lowering/`."""

_operations: dict[str, Operation] = {}

_intermediates: dict[str, Callable[..., list[Shape]]] = {}

_of_complex: set[str] = set()

LayoutRule = Layout | Callable[[int, dict[str, Any]], Layout]
"""The order of axes an operation wants, or a function of the input's rank and the operation's arguments."""


@dataclass(slots=True, eq=False)
class Operation:
    """One operation of `keras.ops`."""

    name: str
    """Keras's class: `Concatenate`."""
    module: str
    """Keras's module, as files name it: `keras.src.ops.numpy`."""
    rule: Callable[..., Any]
    """From types to types: a TensorType, or a list of them for several outputs."""
    function: str
    """The function of `keras.ops` that makes it: `concatenate`."""
    layout: LayoutRule = "keras"
    order: tuple[str, ...] = ()
    """The function's arguments by position, where the class's own do not simply follow the call's."""
    named: tuple[str, ...] = ()
    """The call's arguments that the function gives by name."""
    prepared: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    """What the function makes of the class's arguments before the class gets them."""
    nameless: bool = False
    """Whether Keras leaves the name out of its `config`."""
    _parameters: list[inspect.Parameter] = field(default_factory=list)

    @property
    def parameters(self) -> list[inspect.Parameter]:
        """The rule's parameters: the call's first, then, keyword-only, the class's."""
        if not self._parameters:
            self._parameters = list(inspect.signature(self.rule).parameters.values())
        return self._parameters

    @property
    def inputs(self) -> list[inspect.Parameter]:
        """The arguments of the call."""
        return [p for p in self.parameters if p.kind is not p.KEYWORD_ONLY]

    @property
    def settings(self) -> list[inspect.Parameter]:
        """The arguments of the class."""
        return [p for p in self.parameters if p.kind is p.KEYWORD_ONLY]

    def checked(self, arguments: dict[str, Any]) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        """The class's arguments with defaults filled in, and what is wrong: a name (empty: none) and a message each."""
        found, faults = {}, []
        known = {p.name: p for p in self.settings}
        for name in arguments:
            if name not in known:
                faults.append((name, f"{self.name} has no argument '{name}'"))
        for name, parameter in known.items():
            if name not in arguments:
                if parameter.default is parameter.empty:
                    faults.append(("", f"{self.name} needs the argument '{name}'"))
                found[name] = parameter.default
                continue
            try:
                found[name] = check(str(parameter.annotation), arguments[name])
            except ValueError as error:
                faults.append((name, f"{self.name}.{name}: {error}, got {shown(arguments[name])}"))
        return found, faults

    def bound(self, args: Sequence[Any], kwargs: dict[str, Any], is_tensor: Callable[[Any], bool]) -> dict[str, Any]:
        """The call's arguments by name, those left out with their defaults; further ones under the starred names.

        Lists of numbers become Arrays where a tensor is wanted. `is_tensor` says what stands for a tensor. Raises
        ShapeError when the operation cannot be called so.
        """
        rest = next((p.name for p in self.inputs if p.kind is p.VAR_KEYWORD), None)
        names = [p.name for p in self.inputs if p.name != rest]
        starred = self.inputs[-1].name if self.inputs[-1].kind is inspect.Parameter.VAR_POSITIONAL else None
        if starred is None and len(args) > len(names):
            raise ShapeError(f"it takes {len(names)} arguments, is called with {len(args)}")
        given = {starred: tuple(args)} if starred else dict(zip(names, args, strict=False))
        others = {}
        for key, value in kwargs.items():
            if rest is not None and key not in names:
                others[key] = value
                continue
            if key not in names or key in given:
                raise ShapeError(f"it takes no argument '{key}'" if key not in names else f"it is given '{key}' twice")
            given[key] = value
        found = {}
        for parameter in self.inputs:
            if parameter.name == rest:
                found[parameter.name] = others
                continue
            if parameter.name not in given and parameter.default is parameter.empty:
                raise ShapeError(f"it needs the argument '{parameter.name}'")
            value = given.get(parameter.name, parameter.default)
            found[parameter.name] = _operand(parameter, value, is_tensor)
        if not _holds(found, is_tensor):
            raise ShapeError("it is called on constants alone, and on no tensor of the model")
        return found

    def call(self, inputs: dict[str, Any], settings: dict[str, Any]) -> Any:
        """What the rule says of bound inputs and checked settings."""
        return called(self.rule, self.inputs, inputs, settings)

    @property
    def takes_complex(self) -> bool:
        """Whether it computes with complex numbers."""
        return self.name in _of_complex

    def intermediates(self, inputs: dict[str, Any], settings: dict[str, Any]) -> list[Shape]:
        """Shapes of what is made on the way to the outputs and may be larger than they and the inputs."""
        found = _intermediates.get(self.name)
        return [] if found is None else called(found, self.inputs, inputs, settings)


def on_the_way(names: str) -> Callable[[F], F]:
    """Register what these operations make on the way: a function called as their rule is, which gives shapes."""

    def register(function: F) -> F:
        _intermediates.update(dict.fromkeys(names.split(), function))
        return function

    return register


def takes_complex(names: str) -> None:
    """State that these operations take complex numbers, which Keras computes of them on torch; the others refuse them."""
    _of_complex.update(names.split())


def called(
    function: Callable[..., Any],
    parameters: list[inspect.Parameter],
    inputs: dict[str, Any],
    settings: dict[str, Any],
    *before: Any,
) -> Any:
    """`function` called with bound inputs: a rule, or the lowering of the same name, with more `before` them."""
    args, kwargs = list(before), dict(settings)
    for parameter in parameters:
        value = inputs[parameter.name]
        if parameter.kind is parameter.VAR_KEYWORD:
            kwargs |= value
        else:
            args += value if parameter.kind is parameter.VAR_POSITIONAL else [value]
    return function(*args, **kwargs)


def _holds(value: Any, is_tensor: Callable[[Any], bool]) -> bool:
    """Whether a tensor is somewhere in `value`."""
    if isinstance(value, dict):
        value = list(value.values())
    return any(_holds(item, is_tensor) for item in value) if isinstance(value, (list, tuple)) else is_tensor(value)


def _operand(parameter: inspect.Parameter, value: Any, is_tensor: Callable[[Any], bool]) -> Any:
    """The value as the annotation wants it; ShapeError where it is nothing of the kind."""
    wanted = str(parameter.annotation)
    if wanted == "Any" or (value is None and parameter.default is None):
        return value
    if wanted.startswith("list["):
        if not isinstance(value, (list, tuple)) or not value:
            raise ShapeError(f"'{parameter.name}' must be a list of tensors")
        return [_tensor(item, parameter.name, is_tensor) for item in value]
    if parameter.kind is parameter.VAR_POSITIONAL:
        return tuple(_tensor(item, parameter.name, is_tensor) for item in value)
    if wanted.startswith("Operand") and isinstance(value, (int, float)):
        require_bounded(value)
        return value
    if wanted.startswith("Number"):
        try:
            return check(wanted, value)
        except ValueError as error:
            raise ShapeError(f"'{parameter.name}': {error}, got {shown(value)}") from None
    return _tensor(value, parameter.name, is_tensor)


def _tensor(value: Any, name: str, is_tensor: Callable[[Any], bool]) -> Any:
    if is_tensor(value) or isinstance(value, Array):
        return value
    if isinstance(value, (int, float)) or (isinstance(value, (list, tuple)) and not any(map(is_tensor, value))):
        return array_of(value)
    raise ShapeError(f"'{name}' must be a tensor, got {shown(value)}")


class Module:
    """Registers the operations of one of Keras's modules: `op = Module("keras.src.ops.numpy")`, then `@op`."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, rule: F) -> F:
        return self.having()(rule)

    def having(
        self,
        layout: LayoutRule = "keras",
        function: str = "",
        order: str = "",
        named: str = "",
        prepared: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
        nameless: bool = False,
    ) -> Callable[[F], F]:
        """Register with more than the rule: see the fields of Operation."""

        def register(rule: F) -> F:
            self.add(rule.__name__, rule, layout, function, order, named, prepared, nameless)
            return rule

        return register

    def each(self, names: str, rule: Callable[..., Any], layout: LayoutRule = "keras") -> None:
        """Register one rule under several names."""
        for name in names.split():
            self.add(name, rule, layout)

    def add(
        self,
        name: str,
        rule: Callable[..., Any],
        layout: LayoutRule,
        function: str = "",
        order: str = "",
        named: str = "",
        prepared: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
        nameless: bool = False,
    ) -> None:
        """Register one operation."""
        assert name not in _operations, name
        function = function or snake_case(name)
        ordered, by_name = tuple(order.split()), tuple(named.split())
        _operations[name] = Operation(name, self.name, rule, function, layout, ordered, by_name, prepared, nameless)


_PYTHON = "it runs a Python function, which is not in the file"

REFUSED = {
    **dict.fromkeys(("Map", "Scan", "AssociativeScan", "Switch", "WhileLoop", "ForiLoop", "Cond"), _PYTHON),
    **dict.fromkeys(("VectorizedMap", "JVP"), _PYTHON),
    "Arange": "the length of what it gives is known only from the data",
    "ElasticTransform": "it is random in inference too",
    "Ndim": "it gives a number, and no tensor",
}
"""Keras's other operations, and why they cannot be built."""


def find(name: str) -> Operation | None:
    """The operation of Keras's class `name`, or None."""
    _load()
    return _operations.get(name)


def operations() -> Iterator[Operation]:
    """Every operation."""
    _load()
    return iter(_operations.values())


@cache
def by_function() -> dict[str, Operation]:
    """The operations by the names of their functions: `concatenate`."""
    return {operation.function: operation for operation in operations()}


@cache
def _load() -> None:
    for family in FAMILIES:
        import_module(f"spec_compiler.specs.layers.{family}")


def is_type(value: Any) -> bool:
    """Whether `value` is a tensor's type."""
    return isinstance(value, TensorType)
