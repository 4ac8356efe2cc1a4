"""Unfolds the items of one model: blocks and `repeat` become layers with names, references become calls."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

from spec_compiler.diagnostics import (
    AMBIGUOUS_REFERENCE,
    BAD_EXPRESSION,
    BAD_REPEAT,
    INVALID_VALUE,
    WRONG_OUTPUT_INDEX,
    Path,
    Reporter,
    show,
)
from spec_compiler.dialects.short.document import Block, Item, ModelDefinition, Source, fill
from spec_compiler.dialects.short.expressions import ExpressionError
from spec_compiler.dialects.short.operations import (
    PREFIX,
    BadConstant,
    bound,
    first_argument_stated,
    is_operation,
    takes_list,
)
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.model import CallSpec, ModelSpec, Placed, Ref
from spec_compiler.specs.registry import snake_case

if TYPE_CHECKING:
    from spec_compiler.specs.layers.ops import OpSpec

UNSTATED = Ref("")
"""What goes into a model that does not state its input; no layer has this name."""

Value = tuple[Ref, ...]
"""What stands in a slot: one tensor, or several where a block is given several."""
Given = list[Ref | list[Ref]]
"""What an item is called on."""


class Namer:
    """Names for layers that have none: `dense`, `dense_1`, `dense_2`, as Keras counts, but within one model.

    Where a layer states a name that Keras could have made, counting goes on from there: `dense_5`, `dense_6`.
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self.taken = set(taken)
        self._counts: dict[str, int] = {}

    def peek(self, stem: str) -> str:
        """The name that `fresh` would give."""
        n = self._counts.get(stem, 0)
        while (name := f"{stem}_{n}" if n else stem) in self.taken:
            n += 1
        self._counts[stem] = n
        return name

    def fresh(self, stem: str) -> str:
        """`stem`, or with the next number that makes it a name not taken."""
        name = self.peek(stem)
        self._counts[stem] += 1
        self.taken.add(name)
        return name

    def follow(self, stem: str, name: str) -> None:
        """Take in that a layer states its name."""
        self.taken.add(name)
        number = name.removeprefix(f"{stem}_")
        if number != name and number.isdecimal() and number.isascii() and len(number) < 10:
            self._counts[stem] = int(number) + 1


class Instance:
    """One model while its layers come together."""

    def __init__(self, definition: ModelDefinition) -> None:
        stated = {item.name for item in definition.items if item.name and not isinstance(item.target, (Block, int))}
        self.unused = stated
        """Stated names that no layer bears yet."""
        self.names = Namer(stated.union(given.name for given in definition.inputs))
        self.prefixes = Namer()
        self.placed: dict[str, Placed] = {}
        self.linear = True
        """Whether each call so far takes the one before, and nothing else."""
        self.last = UNSTATED

    def layer_name(self, item: Item, prefix: str) -> str:
        """The name of the next layer that `item` places: the one it states, numbered where it places several."""
        if not prefix and item.name in self.unused:
            self.unused.remove(item.name)
            self.names.follow(stem(item), item.name)
            return item.name
        return self.names.fresh(prefix + (item.name or stem(item)))

    def call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], path: Path) -> Ref:
        """Record a call of the layer `name`; its output."""
        layer, calls = self.placed[name].layer, self.placed[name].calls
        # An operation is none of the layers that stand in a row.
        is_next = args == (self.last,) and not kwargs and not calls
        self.linear = self.linear and is_next and not is_operation(layer)
        self.last = Ref(name, len(calls))
        calls.append(CallSpec(args, kwargs, path))
        return self.last


def stem(item: Item) -> str:
    """What the layer that `item` places is called where no name is stated."""
    if isinstance(item.target, type) and item.label.startswith(PREFIX):
        return item.label.removeprefix(PREFIX)
    return snake_case(item.target.__name__) if isinstance(item.target, type) else item.label


class Builds(Protocol):
    """What unfolding asks of the builder."""

    reporter: Reporter

    def step(self, path: Path, items: int = 1) -> None: ...
    def inside(self, what: Any, path: Path) -> Any: ...
    def place(self, item: Item, arguments: dict[str, Any], name: str) -> LayerSpec | None: ...


class Scope:
    """The items of a model or a block: what stands in their slots so far."""

    def __init__(
        self, builder: Builds, instance: Instance, inputs: list[Value], parameters: dict[str, Any], prefix: str = ""
    ) -> None:
        self.builder = builder
        self.reporter = builder.reporter
        self.instance = instance
        self.values = inputs
        self.input_count = len(inputs)
        self.parameters = parameters
        self.prefix = prefix

    def run(self, items: list[Item], first: Value | None) -> Value:
        """Unfold `items`, the first of which takes `first`; the last one's output."""
        before = first
        for item in items:
            before = self._item(item, before)
            self.values.append(before)
        return before or (UNSTATED,)

    def structure(self, sources: Any) -> Any:
        """`sources`, a Source or a list or dict of them, with the Refs they stand for."""
        if isinstance(sources, dict):
            return {name: self._ref(source) for name, source in sources.items()}
        return [self._ref(source) for source in sources] if isinstance(sources, list) else self._ref(sources)

    def _item(self, item: Item, before: Value | None) -> Value:
        given, listed = self._given(item, before)
        repeat = self._repeat(item)
        self.builder.step(item.path, repeat)
        for _ in range(repeat):
            value = self._once(item, given, listed)
            given, listed = list(value), False
        return value

    def _once(self, item: Item, given: Given, listed: bool) -> Value:
        """The output of one repetition of `item`."""
        if isinstance(item.target, Block):
            return self._block(item, item.target, given)
        if isinstance(item.target, int):
            name = self.values[item.target][0].layer
        else:
            name = self.instance.layer_name(item, self.prefix)
            arguments = self._filled(item.arguments, None)
            layer = None if arguments is None else self.builder.place(item, arguments, name)
            if layer is not None:
                self.instance.placed[name] = Placed(layer, [])
        if name not in self.instance.placed:  # a fault was reported
            return (Ref(name),)
        layer = self.instance.placed[name].layer
        args = _arguments(layer, given, listed)
        # null is what a call argument is when it is left out.
        keywords = {key: value for key, value in self._filled(item.keywords, {}).items() if value is not None}
        if is_operation(layer):
            args, keywords = self._operands(item, layer, args, keywords)
        return (self.instance.call(name, args, keywords, item.path),)

    def _operands(
        self, item: Item, layer: OpSpec, args: tuple[Any, ...], keywords: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        try:
            return bound(layer.operation, args, keywords)
        except BadConstant as fault:
            self.reporter.report(INVALID_VALUE, f"{item.label}: {fault}", (*item.path, "with"))
            return args, {}

    def _block(self, item: Item, block: Block, given: Given) -> Value:
        own = self._filled(item.arguments, None)
        value = tuple(ref for part in given for ref in (part if isinstance(part, list) else [part]))
        if own is None:  # a fault was reported
            return value
        prefix = self.instance.prefixes.fresh(self.prefix + (item.name or item.label))
        with self.builder.inside(block, item.path):
            scope = Scope(self.builder, self.instance, [value], {**block.parameters, **own}, f"{prefix}_")
            return scope.run(block.items, value)

    def _repeat(self, item: Item) -> int:
        value = self._filled(item.repeat, 1)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            message = f"repeat: expected a whole number of at least 1, got {show(value)}"
            self.reporter.report(BAD_REPEAT, message, (*item.path, "repeat"))
            return 1
        return value

    def _filled(self, template: Any, otherwise: Any) -> Any:
        """The template's value; `otherwise` where an expression in it has none, which is reported."""
        try:
            return fill(template, self.parameters, self._refs)
        except ExpressionError as error:
            expression = error.expression
            assert expression is not None  # `fill` sets it
            if expression.steps:  # else it is reported already
                message = f"{show(expression.text)}: {error}"
                self.reporter.report(BAD_EXPRESSION, message, expression.path, help=error.help)
            return otherwise

    def _given(self, item: Item, before: Value | None) -> tuple[Given, bool]:
        """What `item` is called on, and whether the document says it as a list."""
        if item.sources is None:
            if first_argument_stated(item.label, item.keywords):
                return [], False
            if before is None:
                message = "the model has several inputs, and its first item does not say which it takes"
                help = "add `from` with the name of an input, or a list of them"
                self.reporter.report(AMBIGUOUS_REFERENCE, message, item.path, help=help)
            value = before or (UNSTATED,)
            return list(value), len(value) > 1
        if isinstance(item.sources, Source):
            value = self._value(item.sources)
            return list(value), len(value) > 1
        given: Given = []
        for part in item.sources:
            if isinstance(part, Source):
                given += self._value(part)
            else:
                given.append([ref for source in part for ref in self._value(source)])
        return given, True

    def _value(self, source: Source) -> Value:
        if source.slot < 0:
            return (UNSTATED,)
        value = self.values[source.slot]
        if source.tensor is None:
            return value
        if source.slot >= self.input_count:
            return (value[0]._replace(tensor=source.tensor),)
        if source.tensor < len(value):
            return (value[source.tensor],)
        message = f"there is no input [{source.tensor}]: here, inputs count from [0] to [{len(value) - 1}]"
        self.reporter.report(WRONG_OUTPUT_INDEX, message, source.path)
        return value[:1]

    def _ref(self, source: Source) -> Ref:
        return self._value(source)[0]

    def _refs(self, source: Source) -> Ref | list[Ref]:
        value = self._value(source)
        return value[0] if len(value) == 1 else list(value)


def _arguments(layer: LayerSpec, given: Given, listed: bool) -> tuple[Any, ...]:
    """The positional arguments of a call on `given`: one list for those who take a list, else one after the other."""
    as_list = listed if takes_list(layer) else isinstance(layer, ModelSpec) and len(given) > 1
    return (given,) if as_list else tuple(given)
