"""Writes any model in the short form; blocks are not recovered, everything else is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from heapq import heapify, heappop, heappush
from typing import Any

from spec_compiler.diagnostics import UNSUPPORTED, Diagnostic, SpecError, show
from spec_compiler.dialects import masks
from spec_compiler.dialects.short import operations
from spec_compiler.dialects.short.items import OPTIONS
from spec_compiler.dialects.short.names import MAX_INDEX
from spec_compiler.dialects.short.plain import given, same, stated
from spec_compiler.dialects.short.unfold import UNSTATED, Namer
from spec_compiler.specs import registry
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.layers.core import InputLayer
from spec_compiler.specs.model import CallSpec, FunctionalSpec, ModelSpec, Ref, SequentialSpec, refs_in
from spec_compiler.specs.registry import snake_case
from spec_compiler.specs.training import TrainingSpec

_Call = tuple[int, int]
"""Which of the placed layers, and which call of it."""


def write(spec: ModelSpec) -> dict[str, Any]:
    """The short-form document of `spec`, plain data; reading it gives the same graph of layers.

    Arguments at their defaults are left out, and names that the reader would give too. A VarianceScaling that has a name,
    as GlorotUniform has, is written by it; calls lose arguments that are null; layers that nothing needs follow those
    that are needed. Raises SpecError for what the form has no words for: nested structures of outputs.
    """
    writer = _Writer()
    document: dict[str, Any] = {}
    if spec.name not in (None, _default_name(spec)):
        document["name"] = spec.name
    document |= writer.model(spec)
    if writer.models:
        document["models"] = writer.models
    document |= masks.stated(spec)
    if spec.training is not None:
        document["training"] = _training(spec.training)
    return document


def _default_name(spec: ModelSpec) -> str:
    return "sequential" if isinstance(spec, SequentialSpec) else "functional"


def _training(training: TrainingSpec) -> dict[str, Any]:
    section = given(training, leave_out=("fit",))
    fit = given(training.fit)
    return {**section, "fit": fit} if fit else section


def _unsupported(message: str) -> SpecError:
    return SpecError(Diagnostic(UNSUPPORTED, f"the short form cannot say this: {message}"))


class _Writer:
    """Writes models; those inside others become definitions of the whole document."""

    def __init__(self) -> None:
        self.models: dict[str, Any] = {}
        self._trainable = True
        """Whether the layer that the one being written stands in trains, which goes for those that state nothing."""
        self._keys = Namer((*OPTIONS, *registry.names("layer")))

    def model(self, spec: ModelSpec) -> dict[str, Any]:
        """The sections of a model: inputs, layers, outputs."""
        with self._within(spec) as around:
            if isinstance(spec, SequentialSpec):
                written = self._sequential(spec)
            elif isinstance(spec, FunctionalSpec):
                written = self._functional(spec)
            else:
                raise _unsupported(f"a model of class {type(spec).__name__}")
        return written if spec.trainable == around else {**written, "trainable": spec.trainable}

    @contextmanager
    def _within(self, layer: LayerSpec) -> Iterator[bool]:
        """While the layers in `layer` are written; gives whether the layer around that trains."""
        around, self._trainable = self._trainable, layer.trainable
        yield around
        self._trainable = around

    def _sequential(self, spec: SequentialSpec) -> dict[str, Any]:
        layers = list(spec.layers)
        if not layers:
            raise _unsupported("a model without layers")
        inputs = {}
        if isinstance(layers[0], InputLayer):
            first = layers.pop(0)
            inputs = {str(first.name): _input(first)}
        elif (shape := layers[0]._batch_input_shape or spec.build_input_shape) is not None:
            inputs = {"input": _input(InputLayer(batch_shape=shape, name="input"))}
        names = _Names(inputs, ())
        items = [self._item(layer, self._label(layer), names, {}) for layer in layers]
        return {"inputs": inputs, "layers": items} if inputs else {"layers": items}

    def _functional(self, spec: FunctionalSpec) -> dict[str, Any]:
        graph = _Graph(spec)
        inputs = {str(layer.name): _input(layer) for layer in graph.inputs}
        labels = {place: self._label(spec.placed[place].layer) for place, index in graph.options if index == 0}
        # A nested model under a key that is its name is found by that.
        models = [(label, spec.placed[place].layer) for place, label in labels.items()]
        by_key = {label for label, layer in models if isinstance(layer, ModelSpec) and layer.name == label}
        names = _Names(inputs, graph.explicit - by_key)
        items = []
        for (place, index), options in graph.options.items():
            layer = spec.placed[place].layer
            if index == 0:
                items.append(self._item(layer, labels[place], names, options))
            else:
                items.append({"call": str(layer.name), **options})
        written = {"inputs": inputs, "layers": items}
        return written if graph.ends_as_usual else {**written, "outputs": graph.written_outputs()}

    def _item(self, layer: LayerSpec, label: str, names: _Names, options: dict[str, Any]) -> Any:
        stem = label if isinstance(layer, ModelSpec) else snake_case(label.removeprefix(operations.PREFIX))
        name = names.written(layer, stem)
        beside = {"name": name, **options} if name else options
        arguments = self._arguments(layer)
        return {label: arguments, **beside} if arguments or beside else label

    def _label(self, layer: LayerSpec) -> str:
        """The class key; a nested model gets a definition of its own."""
        if operations.is_operation(layer):
            return operations.label_of(layer)
        if not isinstance(layer, ModelSpec):
            return type(layer).__name__
        name = str(layer.name)
        key = self._keys.fresh(name[:1].lower() + name[1:])
        self.models[key] = {}  # before those inside it, as one reads
        self.models[key] = self.model(layer)
        return key

    def _arguments(self, layer: LayerSpec) -> dict[str, Any]:
        if isinstance(layer, ModelSpec):
            return {}
        if operations.is_operation(layer):
            return {key: stated(value) for key, value in layer.arguments.items()}
        arguments = given(layer, leave_out=("name", "trainable", *layer.layer_fields))
        names = Namer()
        with self._within(layer) as around:
            for field, value in _inside(layer).items():
                if isinstance(value, (list, tuple)):
                    arguments[field] = [self._inner(item, names) for item in value]
                elif value is not None:
                    arguments[field] = self._inner(value, names)
        return arguments if layer.trains == around else {**arguments, "trainable": layer.trains}

    def _inner(self, layer: LayerSpec, names: Namer) -> Any:
        label = self._label(layer)
        stem = label if isinstance(layer, ModelSpec) else snake_case(label)
        beside = {} if layer.name in (None, names.peek(stem)) else {"name": layer.name}
        if not beside:
            names.fresh(stem)
        arguments = self._arguments(layer)
        return {label: arguments, **beside} if arguments or beside else label


def _inside(layer: LayerSpec) -> dict[str, Any]:
    """The layers inside a wrapper, without what it makes of them by itself, as a Bidirectional its other direction."""
    cls = type(layer)
    fields = {name: getattr(layer, name) for name in cls.model_fields}

    def try_out(field: str, value: Any) -> None:
        if same(layer, {**fields, field: value}):
            fields[field] = value

    for field in layer.layer_fields:
        inner = fields[field]
        if isinstance(inner, LayerSpec) and not isinstance(inner, ModelSpec):
            for name, argument in type(inner).model_fields.items():
                usual = snake_case(type(inner).__name__) if name == "name" else argument.default
                if not argument.is_required() and getattr(inner, name) != usual:
                    try_out(field, fields[field].model_copy(update={name: usual}))
    for field in layer.layer_fields:
        if not cls.model_fields[field].is_required():
            try_out(field, cls.model_fields[field].default)
    return {field: fields[field] for field in layer.layer_fields}


class _Names:
    """Which layers need their name written: those that others name, and those the reader would call otherwise."""

    def __init__(self, inputs: Any, explicit: Any) -> None:
        self._explicit = set(explicit)
        self._namer = Namer({*inputs, *explicit})

    def written(self, layer: LayerSpec, stem: str) -> str | None:
        """The layer's name, or None where the reader makes the same from `stem`. Layers are asked in their order."""
        name = str(layer.name)
        if "\\" in name or ".." in name or "${" in name or not name.strip():
            raise _unsupported(f"the layer name {show(name)}")
        if name not in self._explicit and self._namer.peek(stem) == name:
            self._namer.fresh(stem)
            return None
        self._namer.follow(stem, name)
        return name


class _Graph:
    """The calls of a functional model in an order that can be read, and how each states what it takes."""

    def __init__(self, spec: FunctionalSpec) -> None:
        self.spec = spec
        self.places = {str(placed.layer.name): i for i, placed in enumerate(spec.placed)}
        refs = list(refs_in(spec.inputs))
        self.inputs = [spec.placed[self.places[ref.layer]].layer for ref in refs]
        self.explicit: set[str] = set()
        """Names that something refers to."""
        self._aliases: dict[Ref, str] = {}
        self._taken = Namer(self.places)
        self.options: dict[_Call, dict[str, Any]] = {}
        """The calls in their order, and the keys that each has beside its class."""
        before = refs[0] if len(refs) == 1 else UNSTATED
        linear = len(refs) == 1
        for place, index in self._order():
            call = spec.placed[place].calls[index]
            if index:
                self.explicit.add(str(spec.placed[place].layer.name))
            layer = spec.placed[place].layer
            linear = linear and index == 0 and call.args == (before,) and not call.kwargs
            linear = linear and not operations.is_operation(layer)
            self.options[place, index] = self._beside(call, layer, before)
            before = Ref(str(spec.placed[place].layer.name), index)
        # A chain without `outputs` would be read as a Sequential.
        self.ends_as_usual = spec.outputs == before and not linear
        if not self.ends_as_usual:
            self.written_outputs()
        for ref, alias in self._aliases.items():
            self.options[self.places[ref.layer], ref.node] = {
                "name": alias,
                **self.options[self.places[ref.layer], ref.node],
            }

    def _order(self) -> list[_Call]:
        """The calls, each after those it needs, otherwise in the order of the layers."""
        needs: dict[_Call, set[_Call]] = {}
        for place, placed in enumerate(self.spec.placed):
            if not isinstance(placed.layer, InputLayer):
                for index, call in enumerate(placed.calls):
                    needs[place, index] = {
                        (self.places[ref.layer], ref.node) for ref in refs_in((call.args, call.kwargs))
                    }
                    if index:  # calls are counted in the order they are read in
                        needs[place, index].add((place, index - 1))
        followers: dict[_Call, list[_Call]] = {call: [] for call in needs}
        waiting = {}
        for call, needed in needs.items():
            made = [other for other in needed if other in needs]
            waiting[call] = len(made)
            for other in made:
                followers[other].append(call)
        ready = [call for call, count in waiting.items() if not count]
        heapify(ready)
        order = []
        while ready:
            call = heappop(ready)
            order.append(call)
            for follower in followers[call]:
                waiting[follower] -= 1
                if not waiting[follower]:
                    heappush(ready, follower)
        if len(order) < len(needs):
            left = next(self.spec.placed[place].layer.name for place, _ in needs if waiting[place, _])
            raise _unsupported(
                f"the calls of layer {show(left)}, which need each other, or themselves in another order"
            )
        return order

    def _beside(self, call: CallSpec, layer: LayerSpec, before: Ref) -> dict[str, Any]:
        options: dict[str, Any] = {}
        explicit = call.args != (before,)
        if operations.is_operation(layer):
            call = CallSpec(*operations.arguments(layer.operation, call), call.path)
            # Without tensors by position there is nothing to say: the first argument stands under `with`.
            explicit = call.args not in ((before,), ())
        if explicit:
            options["from"] = self._from(call, layer)
        keywords = {key: self._keyword(value, layer) for key, value in call.kwargs.items() if value is not None}
        return {**options, "with": keywords} if keywords else options

    def _from(self, call: CallSpec, layer: LayerSpec) -> Any:
        args = list(call.args)
        while args and args[-1] is None:
            args.pop()
        as_list = operations.takes_list(layer)
        if (as_list or isinstance(layer, ModelSpec)) and len(args) == 1 and _is_list(args[0]):
            return [self._name(ref, layer) for ref in args[0]]
        if len(args) == 1 and isinstance(args[0], Ref):
            return self._name(args[0], layer)
        if not args or (as_list and len(args) > 1):
            raise _unsupported(f"layer {show(layer.name)} is called on {len(args)} arguments")
        return [[self._name(ref, layer) for ref in arg] if _is_list(arg) else self._name(arg, layer) for arg in args]

    def _keyword(self, value: Any, layer: LayerSpec) -> Any:
        if isinstance(value, Ref):
            return {"from": self._name(value, layer)}
        if _is_list(value):
            if value and all(isinstance(item, Ref) for item in value):
                return {"from": [self._name(item, layer) for item in value]}
            return [self._keyword(item, layer) for item in value]
        if isinstance(value, dict) and list(refs_in(value)):
            raise _unsupported(f"layer {show(layer.name)} is called on a mapping of tensors")
        return stated(operations.encoded(value) if operations.is_operation(layer) else value)

    def _name(self, ref: Any, layer: LayerSpec) -> str:
        if not isinstance(ref, Ref):
            raise _unsupported(f"layer {show(layer.name)} is called on {show(ref)}, which is no layer's output")
        return self._reference(ref)

    def _reference(self, ref: Ref) -> str:
        """The name of the output, which its item then has to have."""
        name = ref.layer
        if ref.tensor > MAX_INDEX:
            raise _unsupported(f"output {show(ref.tensor)} of layer {show(name)}")
        if ref.node:
            call = ref._replace(tensor=0)
            name = self._aliases.get(call) or self._aliases.setdefault(call, self._taken.fresh(f"{name}_call"))
        else:
            self.explicit.add(name)
        return f"{name}[{ref.tensor}]" if ref.tensor else name

    def written_outputs(self) -> Any:
        """The section `outputs`."""
        outputs = self.spec.outputs
        if isinstance(outputs, Ref):
            return self._reference(outputs)
        parts = list(outputs.values() if isinstance(outputs, dict) else outputs or ())
        if not parts:
            raise _unsupported("models without outputs")
        if not all(isinstance(part, Ref) for part in parts):
            raise _unsupported("outputs in lists or mappings inside others")
        if isinstance(outputs, dict):
            return {key: self._reference(ref) for key, ref in outputs.items()}
        return [self._reference(ref) for ref in outputs]


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and not isinstance(value, Ref)


def _input(layer: LayerSpec) -> Any:
    """An input's shape, or a mapping where there is more to say."""
    assert isinstance(layer, InputLayer)
    if not layer.batch_shape:
        raise _unsupported(f"input {show(layer.name)}, which has no batch axis")
    batch, *shape = layer.batch_shape
    options = given(layer, leave_out=("name", "batch_shape"))
    if batch is not None:
        options["batch_size"] = batch
    return {"shape": shape, **options} if options else shape
