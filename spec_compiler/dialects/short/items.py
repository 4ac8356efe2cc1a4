"""Reads the entries of `layers`: which class, block or model each places, with what, and on what."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from spec_compiler.diagnostics import (
    BAD_PARAMETER,
    BAD_REPEAT,
    INVALID_VALUE,
    MISSING_PARAMETER,
    MISSING_SECTION,
    UNKNOWN_ARGUMENT,
    UNKNOWN_LAYER,
    UNSAFE_LAYER,
    UNSUPPORTED,
    Path,
    Reporter,
    did_you_mean,
    plain,
    show,
)
from spec_compiler.dialects import known
from spec_compiler.dialects.classes import REGISTER
from spec_compiler.dialects.short.document import Block, Item, ModelDefinition, checked_name, mapping, template
from spec_compiler.dialects.short.expressions import Expression, is_expression
from spec_compiler.dialects.short.names import Names
from spec_compiler.dialects.short.operations import PREFIX
from spec_compiler.dialects.short.operations import find as find_operation
from spec_compiler.specs import registry

if TYPE_CHECKING:
    from spec_compiler.specs.base import LayerSpec

OPTIONS = ("name", "from", "with", "repeat", "call")
_FORMS = "write a class name, or a class and its arguments: `Dense: {units: 10}`"


class Definitions:
    """The blocks and models that a document defines, and what a class key means in it."""

    def __init__(self, blocks: dict[str, Block], models: dict[str, ModelDefinition], reporter: Reporter) -> None:
        self.blocks = blocks
        self.models = models
        self.reporter = reporter

    def lookup(self, label: Any) -> type | Block | ModelDefinition | None:
        """What `label` names: a block, a model or a layer class; None when nothing."""
        if not isinstance(label, str):
            return None
        # InputLayer has a section of its own.
        return (
            self.blocks.get(label)
            or self.models.get(label)
            or (registry.find("layer", label) if label != "InputLayer" else None)
            or self._operation(label)
        )

    def _operation(self, label: str) -> type | None:
        if find_operation(label) is None:
            return None
        from spec_compiler.specs.layers.ops import OpSpec

        return OpSpec

    def require(self, label: Any, path: Path, on_key: bool) -> type | Block | ModelDefinition | None:
        """Like `lookup`, but nothing is reported."""
        found = self.lookup(label)
        if found is not None:
            return found
        report = self.reporter.report
        if label == "InputLayer":
            help = "state it in the section `inputs`: `inputs: {image: [28, 28, 1]}`"
            report(INVALID_VALUE, "an InputLayer does not stand among the layers", path, help=help, on_key=on_key)
        elif label in known.UNSAFE:
            message = f"layer {label} {known.UNSAFE[label]}, and is refused"
            report(UNSAFE_LAYER, message, path, help=REGISTER, on_key=on_key)
        elif label in known.KERAS_LAYERS:
            report(UNSUPPORTED, f"layer {label} cannot be built yet", path, on_key=on_key)
        elif isinstance(label, str) and label.startswith(PREFIX):
            from spec_compiler.specs.layers.ops_table import by_function

            near = partial(did_you_mean, label, [PREFIX + name for name in by_function()])
            report(UNKNOWN_LAYER, f"unknown operation {show(label)}", path, help=near, on_key=on_key)
        else:
            report(UNKNOWN_LAYER, f"unknown layer {show(label)}", path, help=lambda: self._hint(label), on_key=on_key)
        return None

    def _hint(self, label: Any) -> str | None:
        classes = [name for name in registry.names("layer") if name != "InputLayer"]
        close = did_you_mean(label, [*self.blocks, *self.models, *classes])
        if close or not isinstance(label, str):
            return close
        return f"it is none of Keras's, nor defined under `blocks` or `models`: {REGISTER}"


class Items:
    """Reads the items of one scope: the document's model, a nested model, or a block."""

    def __init__(
        self, definitions: Definitions, inputs: Iterable[str], parameters: Iterable[str], reporter: Reporter
    ) -> None:
        self.definitions = definitions
        self.inputs = list(inputs)
        self.parameters = list(parameters)
        self.reporter = reporter
        self.items: list[Item] = []

    def read(self, value: Any, path: Path, what: str) -> Names:
        """Read the list at `path` into `items`; what outputs may refer to."""
        raw = value if isinstance(value, list) else []
        if value is None or value == []:
            self.reporter.report(MISSING_SECTION, f"{what} has no layers", path, help="list them under `layers`")
        elif not isinstance(value, list):
            self.reporter.report(
                INVALID_VALUE, f"{what}: expected a list of layers, got {show(value)}", path, help=_FORMS
            )
        self.names = Names(self.inputs, raw, self.reporter)
        for i, entry in enumerate(raw):
            item = self._item(entry, (*path, i))
            self.items.append(item)
            self.names.add(item.name, item.label, len(self.inputs) + i, item.path)
        return self.names

    def inner(self, entry: Any, path: Path) -> Item:
        """The layer inside a wrapper: an item without a place among others."""
        for key in OPTIONS[1:]:
            if isinstance(entry, dict) and key in entry:
                message = f"a layer inside another has no {show(key)}"
                self.reporter.report(UNKNOWN_ARGUMENT, message, (*path, key), on_key=True)
                entry = {name: value for name, value in entry.items() if name != key}
        return self._item(entry, path)

    def _item(self, entry: Any, path: Path) -> Item:
        if isinstance(entry, dict):
            if "call" in entry:
                return self._call(entry, path)
            return self._mapping(entry, path)
        if isinstance(entry, str):
            return self._checked(Item(path, entry, self.definitions.require(entry, path, False), {}, path))
        self.reporter.report(INVALID_VALUE, f"expected a layer, got {show(entry)}", path, help=_FORMS)
        return Item(path, "", None, {}, path)

    def _mapping(self, entry: dict[Any, Any], path: Path) -> Item:
        label = self._label(entry, path)
        if label is None:
            return self._options(Item(path, "", None, {}, path), entry)
        at = (*path, label)
        target = self.definitions.require(label, at, True)
        self._report_stray_keys(entry, label, target, path)
        arguments = {} if entry[label] is None else entry[label]
        if not isinstance(arguments, dict):
            message = f"{show(label)}: expected a mapping of arguments, got {show(arguments)}"
            self.reporter.report(INVALID_VALUE, message, at, help=_as_mapping(label, target, arguments))
            return self._options(Item(path, str(label), None, {}, at), entry)
        arguments = template(arguments, at, self.parameters, self.reporter)
        return self._options(self._checked(Item(path, str(label), target, arguments, at)), entry)

    def _label(self, entry: dict[Any, Any], path: Path) -> str | None:
        """The class key; None where there is none, or several, which is reported."""
        keys = [key for key in entry if key not in OPTIONS]
        found = [key for key in keys if self.definitions.lookup(key) is not None]
        if len(found) > 1:
            help = "begin each layer with a `-` of its own"
            both = f"{show(found[0])} and {show(found[1])}"
            self.reporter.report(INVALID_VALUE, f"an item is one layer, and this holds {both}", path, help=help)
            return None
        if "class_name" in keys and not found:
            help = f"this is Keras's form; {_FORMS}"
            self.reporter.report(INVALID_VALUE, "an item names its class as a key", path, help=help)
            return None
        if not keys:
            self.reporter.report(MISSING_SECTION, "the item names no layer", path, help=_FORMS)
            return None
        label = found[0] if found else keys[0]
        if not isinstance(label, str):
            self.reporter.report(UNKNOWN_LAYER, f"unknown layer {show(label)}", (*path, label), on_key=True)
            return None
        return label

    def _report_stray_keys(self, entry: dict[Any, Any], label: Any, target: Any, path: Path) -> None:
        takes: Any = target.parameters if isinstance(target, Block) else getattr(target, "model_fields", ())
        for key in entry:
            if key == label or key in OPTIONS:
                continue
            help: Any = partial(did_you_mean, key, OPTIONS)
            if key in takes:
                help = f"to make it an argument of {label}, put it inside: `{label}: {{{key}: …}}`"
            message = f"an item has no key {show(key)} beside {show(label)}"
            self.reporter.report(UNKNOWN_ARGUMENT, message, (*path, key), help=help, on_key=True)

    def _call(self, entry: dict[Any, Any], path: Path) -> Item:
        item = Item(path, "", None, {}, path)
        for key in entry:
            if key not in OPTIONS:
                message = f"an item with `call` places no layer of its own, and has no key {show(key)}"
                self.reporter.report(
                    UNKNOWN_ARGUMENT, message, (*path, key), help=partial(did_you_mean, key, OPTIONS), on_key=True
                )
        item.target = self._called(entry["call"], (*path, "call"))
        return self._options(item, entry)

    def _called(self, value: Any, path: Path) -> int | None:
        """The slot of the layer that `call` names."""
        source = self.names.find(value, path)
        if source is None:
            return None
        item = self.items[source.slot - len(self.inputs)] if source.slot >= len(self.inputs) else None
        if item is None or isinstance(item.target, Block) or source.tensor is not None:
            help = "only a layer or a nested model can be called again; what blocks do, a model under `models` can too"
            self.reporter.report(INVALID_VALUE, f"{show(value)} is no layer", path, help=help)
            return None
        if item.repeat != 1 and not isinstance(item.target, int):
            message = f"{show(value)} stands for several layers, because of its `repeat`"
            self.reporter.report(INVALID_VALUE, message, path, help="give the layer that is meant an item of its own")
            return None
        return item.target if isinstance(item.target, int) else source.slot

    def _checked(self, item: Item) -> Item:
        """`item`, the arguments of a block or model compared with its parameters."""
        if isinstance(item.target, Block):
            self._check_parameters(item, item.target)
        elif isinstance(item.target, ModelDefinition):
            for key in item.arguments:
                message = f"model {show(item.label)} has no parameters"
                self.reporter.report(BAD_PARAMETER, message, (*item.arguments_path, key), on_key=True)
        elif "name" in item.arguments:
            del item.arguments["name"]
            help = f"put it beside {item.label}, not inside"
            message = f"`name` is no argument of {item.label}"
            self.reporter.report(UNKNOWN_ARGUMENT, message, (*item.arguments_path, "name"), help=help, on_key=True)
        return item

    def _check_parameters(self, item: Item, block: Block) -> None:
        for key in item.arguments:
            if key not in block.parameters:
                message = f"block {show(block.name)} has no parameter {show(key)}"
                help = partial(did_you_mean, key, block.parameters)
                self.reporter.report(BAD_PARAMETER, message, (*item.arguments_path, key), help=help, on_key=True)
        for name, default in block.parameters.items():
            if default is None and name not in item.arguments:
                message = f"block {show(block.name)} needs its parameter {show(name)}"
                self.reporter.report(MISSING_PARAMETER, message, item.arguments_path)
                item.target = None

    def _options(self, item: Item, entry: dict[Any, Any]) -> Item:
        path = item.path
        if entry.get("name") is not None:
            item.name = checked_name(entry["name"], (*path, "name"), "name", self.reporter)
        if "repeat" in entry:
            item.repeat = self._repeat(entry["repeat"], (*path, "repeat"))
        if "from" in entry:
            item.sources = self.names.sources(entry["from"], (*path, "from"))
            self._check_lists(item, entry["from"], (*path, "from"))
        if "with" in entry:
            item.keywords = self._keywords(item, entry["with"], (*path, "with"))
        return item

    def _check_lists(self, item: Item, value: Any, path: Path) -> None:
        """Report lists inside the list of inputs, where what takes them has no use for such."""
        target = self.items[item.target - len(self.inputs)].target if isinstance(item.target, int) else item.target
        if isinstance(target, type) and not target.takes_list:
            return  # a list is one argument of the call
        for i, part in enumerate(value if isinstance(value, list) else ()):
            if isinstance(part, list) and target is not None:
                message = f"expected the name of a layer, got {show(part)}"
                help = "name all inputs in one list"
                self.reporter.report(INVALID_VALUE, message, (*path, i), help=help)

    def _repeat(self, value: Any, path: Path) -> int | Expression:
        if is_expression(value):
            parsed: Expression = template(value, path, self.parameters, self.reporter)
            return parsed
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            self.reporter.report(BAD_REPEAT, f"repeat: expected a whole number of at least 1, got {show(value)}", path)
            return 1
        return value

    def _keywords(self, item: Item, value: Any, path: Path) -> dict[str, Any]:
        if isinstance(item.target, Block):
            help = "a block takes parameters: `name of the block: {parameter: value}`"
            self.reporter.report(
                INVALID_VALUE, "`with` gives a layer's call its arguments, and a block has none", path, help=help
            )
            return {}
        keywords = mapping(value, path, "with", self.reporter, "`with: {use_causal_mask: true}`")
        return {str(key): self._keyword(argument, (*path, key)) for key, argument in keywords.items()}

    def _keyword(self, value: Any, path: Path) -> Any:
        """A call argument: plain data, `{from: name}`, or a list of those."""
        if isinstance(value, dict) and set(value) == {"from"}:
            return self.names.sources(value["from"], (*path, "from"))
        if isinstance(value, list):
            return [self._keyword(item, (*path, i)) for i, item in enumerate(value)]
        return template(value, path, self.parameters, self.reporter)


def _as_mapping(label: Any, target: type[LayerSpec] | Block | ModelDefinition | None, value: Any) -> str:
    """Help for a bare value in the place of arguments: most likely it is the one that must be given."""
    names: list[str] = []
    if isinstance(target, Block):
        names = [name for name, default in target.parameters.items() if default is None]
    elif isinstance(target, type):
        names = [name for name, field in target.model_fields.items() if field.is_required()]
    if not names or not isinstance(value, (int, float, str)) or len(f"{label}{names[0]}") > 60:
        return "write `{argument: value}`"
    return plain(f"write `{label}: {{{names[0]}: {show(value)}}}`")
