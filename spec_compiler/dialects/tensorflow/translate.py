"""Put operations of `keras.ops` in the place of the calls of TensorFlow's functions in a functional model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from spec_compiler.diagnostics import CYCLE, UNSUPPORTED, WRONG_OUTPUT_INDEX, Path, Reporter, show
from spec_compiler.dialects.constants import Constant
from spec_compiler.dialects.tensorflow import raw, table
from spec_compiler.dialects.tensorflow.builder import Builder, Untyped
from spec_compiler.dialects.tensorflow.layers import TensorFlowCall
from spec_compiler.dialects.tensorflow.values import Made, Refusal, Tensor, map_tensors, tensors_in
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.layers.core import InputLayer
from spec_compiler.specs.layers.ops import OpSpec
from spec_compiler.specs.model import CallSpec, FunctionalSpec, Placed, Ref, map_refs, refs_in
from spec_compiler.specs.registry import snake_case
from spec_compiler.specs.shapes import ShapeError

_Key = tuple[str, int]
"""A layer's name, and the number of the call."""


@dataclass(slots=True)
class AsRead:
    """A model as its file stated it, and as it was once translated."""

    placed: list[Placed]
    inputs: Any
    outputs: Any
    translated: list[tuple[LayerSpec, LayerSpec, list[CallSpec]]]
    """Each layer, a copy of it if it is an operation, and its calls."""
    translated_outputs: Any


def written_as(spec: FunctionalSpec) -> FunctionalSpec:
    """The model with its calls of TensorFlow's functions, where it is still the one that was read; else `spec`."""
    read = spec._as_read
    if read is None or spec.outputs != read.translated_outputs or len(spec.placed) != len(read.translated):
        return spec
    for placed, (layer, copy, calls) in zip(spec.placed, read.translated, strict=True):
        if placed.layer is not layer or layer.name != copy.name or placed.calls != calls:
            return spec
        if isinstance(layer, OpSpec) and layer != copy:
            return spec
    stated = spec.model_copy()
    stated.placed, stated.inputs, stated.outputs = read.placed, read.inputs, read.outputs
    return stated


def translate(spec: FunctionalSpec, reporter: Reporter) -> bool:
    """Translate every call of the model's; False when faults were reported, all of them."""
    if not any(isinstance(placed.layer, TensorFlowCall) for placed in spec.placed):
        return True
    before = reporter.error_count
    stated = spec.placed, spec.inputs, spec.outputs
    _Translation(spec, reporter).run()
    if reporter.error_count > before:
        return False
    translated = [
        (p.layer, p.layer.model_copy() if isinstance(p.layer, OpSpec) else p.layer, list(p.calls)) for p in spec.placed
    ]
    spec._as_read = AsRead(*stated, translated, spec.outputs)
    return True


def _no_output(ref: Ref, n: int) -> str:
    return f"layer {show(ref.layer)} has {n} outputs, so there is no output {show(ref.tensor)}"


class _Faulty(Exception):
    """A call needs another that has a fault, which was reported."""


class _Translation:
    def __init__(self, spec: FunctionalSpec, reporter: Reporter) -> None:
        self.spec = spec
        self.reporter = reporter
        self.layers = {str(placed.layer.name): placed for placed in spec.placed}
        self.names = set(self.layers)
        self.counts: dict[str, int] = {}
        self.before = reporter.error_count
        self.results: dict[_Key, list[Any] | None] = {}
        """The outputs of each call: tensors, or constants; None for a faulty one."""
        self.made: dict[_Key, list[Made]] = {}

    def run(self) -> None:
        for name, placed in self.layers.items():
            if isinstance(placed.layer, InputLayer):
                self.results[name, 0] = [Tensor(Made(placed.layer))]
        for name, placed in self.layers.items():
            for i in range(len(placed.calls)):
                self._visit((name, i))
        outputs = self._ends(self.spec.outputs)
        if outputs is None:
            assert self.reporter.error_count > self.before, "a faulty call was not reported"
            return
        self.spec.placed = list(self._placed())
        self.spec.outputs = outputs

    def _ends(self, structure: Any) -> Any:
        for ref in refs_in(structure):
            found = self.results.get((ref.layer, ref.node))
            if found is None:
                return None
            layer = self.layers[ref.layer].layer
            if isinstance(layer, TensorFlowCall) and ref.tensor >= len(found):
                self.reporter.report(WRONG_OUTPUT_INDEX, _no_output(ref, len(found)), layer.path)
                return None
            if ref.tensor < len(found) and not isinstance(found[ref.tensor], Tensor):
                message = f"the output {show(ref.layer)} is no tensor that the inputs decide"
                self.reporter.report(UNSUPPORTED, message, layer.path)
                return None
        return map_refs(lambda ref: self._value(ref).ref, structure)

    def _placed(self) -> Iterator[Placed]:
        """The layers in the file's order, operations where the call of a function stood."""

        def written(made: Made, path: Path) -> CallSpec:
            args, kwargs = map_tensors(lambda t: t.ref, (made.args, made.kwargs))
            return CallSpec(args, kwargs, path)

        for name, placed in self.layers.items():
            paths = [call.path for call in placed.calls]
            calls = [self.made.get((name, i), []) for i in range(len(placed.calls))]
            if not isinstance(placed.layer, TensorFlowCall):
                yield Placed(placed.layer, [written(made[0], path) for made, path in zip(calls, paths, strict=True)])
                continue
            for made, path in zip(calls, paths, strict=True):
                yield from (Placed(one.layer, [written(one, path)]) for one in made)

    # The order: each call after those it needs, without recursion.

    def _visit(self, key: _Key) -> None:
        open_calls: dict[_Key, Iterator[Ref]] = {}
        if key not in self.results:
            open_calls[key] = self._needs(key)
        while open_calls:
            key = next(reversed(open_calls))
            need = next(open_calls[key], None)
            if need is None:
                del open_calls[key]
                self._call(key)
                continue
            wanted = (need.layer, need.node)
            if wanted in open_calls:
                circle = " -> ".join([name for name, _ in islice(reversed(open_calls), 8)][::-1])
                message = f"layers feed each other in a circle: {circle} -> {need.layer}"
                self.reporter.report(CYCLE, message, self.layers[need.layer].layer.path)
                self.results[key] = None
                del open_calls[key]
            elif wanted not in self.results:
                open_calls[wanted] = self._needs(wanted)

    def _needs(self, key: _Key) -> Iterator[Ref]:
        call = self.layers[key[0]].calls[key[1]]
        return refs_in((call.args, call.kwargs))

    def _value(self, ref: Ref) -> Any:
        found = self.results[ref.layer, ref.node]
        if found is None:
            raise _Faulty
        layer = self.layers[ref.layer].layer
        if not isinstance(layer, TensorFlowCall):
            # How many outputs a layer has, its shapes will tell.
            return replace(found[0], index=ref.tensor)
        if ref.tensor >= len(found):
            raise Refusal(_no_output(ref, len(found)))
        return found[ref.tensor]

    # One call.

    def _call(self, key: _Key) -> None:
        placed = self.layers[key[0]]
        call = placed.calls[key[1]]
        layer = placed.layer
        self.results[key] = None
        try:
            if isinstance(layer, TensorFlowCall):
                self._function(key, layer, call)
            else:
                self._layer(key, layer, call)
        except (Refusal, ShapeError) as refusal:
            what = f"TensorFlow's {show(layer.function)}" if isinstance(layer, TensorFlowCall) else layer.class_name
            message = f"layer {show(layer.name)}: {what} cannot be built so: {refusal}"
            self.reporter.report(UNSUPPORTED, message, call.path or layer.path)
        except _Faulty:
            pass
        except Untyped as untyped:
            for fault in untyped.faults:
                self.reporter.add(fault)

    def _layer(self, key: _Key, layer: LayerSpec, call: CallSpec) -> None:
        args, kwargs = map_refs(self._value, (call.args, call.kwargs))
        given = list(tensors_in((args, kwargs)))
        if len(given) < sum(1 for _ in refs_in((call.args, call.kwargs))):
            raise Refusal("it is called on what depends on no input of the model")
        made = Made(layer, args, kwargs, key[1])
        self.made[key] = [made]
        self.results[key] = [Tensor(made)]

    def _function(self, key: _Key, layer: TensorFlowCall, call: CallSpec) -> None:
        to = Builder()
        if layer.is_raw:
            # The tensors in a row, constants put in at their places.
            inputs = [self._value(one) if isinstance(one, Ref) else _plain(one) for one in _flat(call.args[0])]
            for place in sorted(layer.constants):
                inputs.insert(place, layer.constants[place])
            result = raw.called(to, layer.function, layer.attributes, inputs)
        else:
            function = table.find(layer.function)
            assert function is not None  # or the layer was refused
            first, kwargs = map_refs(self._value, (call.args[0], call.kwargs))
            kwargs = {key: _plain(value) for key, value in kwargs.items()}
            result = function(to, **table.bound(function, [_plain(first)], kwargs))
        outputs = _flat(result) if isinstance(result, list) and any(True for _ in tensors_in(result)) else [result]
        self.results[key] = outputs
        self.made[key] = to.made
        self._name(key, layer, to.made, outputs)

    def _name(self, key: _Key, layer: TensorFlowCall, made: list[Made], outputs: list[Any]) -> None:
        """The operation that gives the result bears the layer's name; those before it are named after both."""
        results = [t.made for t in outputs if isinstance(t, Tensor) and any(t.made is one for one in made)]
        for one in made:
            one.layer._path = layer.path
            if results and one is results[-1] and key[1] == 0 and "/" not in str(layer.name):
                one.layer.name = layer.name
                continue
            # Keras 3 has no names with a slash, as raw operations have.
            stem = f"{layer.name}_{snake_case(one.layer.class_name)}".replace("/", "_")
            one.layer.name = self._new_name(stem)

    def _new_name(self, stem: str) -> str:
        name = stem
        while name in self.names:
            self.counts[stem] = self.counts.get(stem, 0) + 1
            name = f"{stem}_{self.counts[stem]}"
        self.names.add(name)
        return name


def _flat(value: Any) -> list[Any]:
    return (
        [one for item in value for one in _flat(item)]
        if isinstance(value, (list, tuple)) and not isinstance(value, Ref)
        else [value]
    )


def _plain(value: Any) -> Any:
    """What stands in a file as Python had it: constants out of their wrapping, slices, the ellipsis."""
    if isinstance(value, Constant):
        return value.value
    if isinstance(value, (list, tuple)) and not isinstance(value, Ref):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        if value.keys() == {"start", "stop", "step"}:
            return slice(*(_plain(value[end]) for end in ("start", "stop", "step")))
        if value.get("class_name") == "__ellipsis__":
            return ...
        return {key: _plain(item) for key, item in value.items()}
    return value
