"""Builds models from what a document defines: layers are checked one by one, nested models within the limits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from spec_compiler.diagnostics import (
    BAD_REPEAT,
    BLOCK_RECURSION,
    INVALID_VALUE,
    LIMIT_EXCEEDED,
    NO_INPUT,
    Path,
    Reporter,
    show,
)
from spec_compiler.dialects.short.document import Block, Item, ModelDefinition
from spec_compiler.dialects.short.items import Definitions, Items
from spec_compiler.dialects.short.operations import find as find_operation
from spec_compiler.dialects.short.unfold import UNSTATED, Instance, Namer, Scope, Value, stem
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.faults import report_faults
from spec_compiler.specs.layers.core import InputLayer
from spec_compiler.specs.model import FunctionalSpec, ModelSpec, Placed, Ref, SequentialSpec

if TYPE_CHECKING:
    from spec_compiler.specs.layers.ops_table import Operation

MAX_LAYERS = 100_000
"""Items that a document may unfold to, those of nested models included."""
MAX_NESTING = 32
"""Blocks, models and wrappers inside each other."""


class TooLarge(Exception):
    """The document unfolds beyond the limits, or without end; reported where that shows."""


class Builder:
    """Builds models from their definitions; faults are reported, and what has them is left out."""

    def __init__(self, definitions: Definitions, reporter: Reporter) -> None:
        self.definitions = definitions
        self.reporter = reporter
        self._count = 0
        self._open: list[Any] = []
        """The blocks, models and wrappers that the layer at hand stands in."""

    def model(self, definition: ModelDefinition, name: str | None, path: Path) -> ModelSpec:
        """A new model of this definition."""
        with self.inside(definition, path):
            instance = Instance(definition)
            inputs: list[Value] = []
            for given in definition.inputs:
                if given.arguments is not None:
                    layer = self._layer(InputLayer, given.arguments, given.path, given.name, given.path)
                    if layer is not None:
                        instance.placed[given.name] = Placed(layer, [])
                inputs.append((Ref(given.name),))
            first: Value | None = (UNSTATED,)
            if inputs:
                first = inputs[0] if len(inputs) == 1 else None
            if first is not None:
                instance.last = first[0]
            scope = Scope(self, instance, inputs, {})
            last = scope.run(definition.items, first)
            outputs = last[0] if definition.outputs is None else scope.structure(definition.outputs)
        spec = self._spec(definition, instance, outputs, name)
        spec._path = path
        return spec

    def _spec(self, definition: ModelDefinition, instance: Instance, outputs: Any, name: str | None) -> ModelSpec:
        placed = list(instance.placed.values())
        own = {} if definition.trainable is None else {"trainable": definition.trainable}
        if instance.linear and len(definition.inputs) <= 1 and definition.outputs is None:
            layers = [item.layer for item in placed]
            return SequentialSpec.model_validate({"name": name or "sequential", "layers": layers, **own})
        if not definition.inputs:
            help = "say what goes in: `inputs: {image: [28, 28, 1]}`"
            message = "a model whose layers branch, or that states its outputs, needs `inputs`"
            self.reporter.report(NO_INPUT, message, definition.path, help=help)
        refs = [Ref(given.name) for given in definition.inputs]
        inputs = refs[0] if len(refs) == 1 else refs
        parts = {"name": name or "functional", "placed": placed, "inputs": inputs, "outputs": outputs, **own}
        return FunctionalSpec.model_validate(parts)

    def step(self, path: Path, items: int = 1) -> None:
        """Count items before they are built; raises TooLarge when they are too many."""
        self._count += items
        if self._count > MAX_LAYERS:
            message = f"the document unfolds to more than {MAX_LAYERS:,} layers"
            self.reporter.report(BAD_REPEAT, message, path, help="repeat less, or use smaller blocks")
            raise TooLarge

    @contextmanager
    def inside(self, what: Any, path: Path) -> Iterator[None]:
        """Work inside a block, a model or a wrapper's class; raises TooLarge when that would never end."""
        if not isinstance(what, type) and any(what is part for part in self._open):
            start = next(i for i, part in enumerate(self._open) if part is what)
            circle = [show(part.name) for part in (*self._open[start:], what) if not isinstance(part, type)]
            message = f"{show(what.name)} contains itself: {' -> '.join(circle)}"
            self.reporter.report(BLOCK_RECURSION, message, path)
            raise TooLarge
        if len(self._open) > MAX_NESTING:
            message = f"blocks, models and wrappers stand more than {MAX_NESTING} deep inside each other"
            self.reporter.report(LIMIT_EXCEEDED, message, path)
            raise TooLarge
        self._open.append(what)
        try:
            yield
        finally:
            self._open.pop()

    def place(self, item: Item, arguments: dict[str, Any], name: str) -> LayerSpec | None:
        """The layer or nested model that `item` places; None where faults were reported."""
        if isinstance(item.target, ModelDefinition):
            return self.model(item.target, name, item.path)
        operation = find_operation(item.label)
        if operation is not None:
            return self._operation(operation, arguments, item, name)
        if isinstance(item.target, type):
            return self._layer(item.target, arguments, item.arguments_path, name, item.path)
        return None

    def _operation(self, operation: Operation, arguments: dict[str, Any], item: Item, name: str) -> LayerSpec | None:
        _, faults = operation.checked(arguments)
        for key, message in faults:
            self.reporter.report(INVALID_VALUE, message, (*item.arguments_path, key) if key else item.arguments_path)
        if faults:
            return None
        from spec_compiler.specs.layers.ops import OpSpec

        layer = OpSpec.model_validate({"op": operation.name, "arguments": arguments, "name": name})
        layer._path = item.path
        return layer

    def _layer(
        self, cls: type[LayerSpec], arguments: dict[str, Any], path: Path, name: str, place: Path
    ) -> LayerSpec | None:
        """A `cls` with `arguments`, which stand at `path`."""
        inner = [field for field in cls.layer_fields if arguments.get(field) is not None]
        if inner:
            arguments = dict(arguments)
            namer = Namer()
            with self.inside(cls, place):
                for field in inner:
                    arguments[field] = self._inner(arguments[field], (*path, field), namer)
            if any(_missing(arguments[field]) for field in inner):
                return None
        try:
            layer = cls.model_validate({**arguments, "name": name})
        except ValidationError as error:
            report_faults(error, cls, path, self.reporter)
            return None
        layer._path = place
        return layer

    def _inner(self, value: Any, path: Path, namer: Namer) -> Any:
        """The layer, or list of layers, that a wrapper's argument states in the short form."""
        if isinstance(value, list):
            return [self._inner(part, (*path, i), namer) for i, part in enumerate(value)]
        self.step(path)
        item = Items(self.definitions, (), (), self.reporter).inner(value, path)
        is_operation = find_operation(item.label) is not None
        if isinstance(item.target, Block) or is_operation:
            what = "an operation" if is_operation else "a block"
            message = f"{show(item.label)} is {what}, and a layer or a model is expected here"
            self.reporter.report(INVALID_VALUE, message, path)
            return None
        return self.place(item, item.arguments, item.name or namer.fresh(stem(item)))


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, list) and any(map(_missing, value)))
