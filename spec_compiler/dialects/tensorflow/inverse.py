"""Put calls of TensorFlow's functions in the place of operations of `keras.ops`, for Keras 2: `translate` turned round."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spec_compiler.dialects.constants import Constant
from spec_compiler.dialects.tensorflow import table
from spec_compiler.dialects.tensorflow.builder import Untyped
from spec_compiler.dialects.tensorflow.layers import TensorFlowCall
from spec_compiler.dialects.tensorflow.recorder import Called, Recorder, flat, given
from spec_compiler.dialects.tensorflow.values import Refusal, Tensor, is_tensor, map_tensors, tensors_in
from spec_compiler.dialects.typed import Typed
from spec_compiler.specs.layers.ops import OpSpec
from spec_compiler.specs.layers.ops_table import called
from spec_compiler.specs.layers.ops_types import Array
from spec_compiler.specs.model import CallSpec, FunctionalSpec, Placed, Ref, map_refs
from spec_compiler.specs.shapes import ShapeError, TensorType

Refuse = Callable[[OpSpec, str], None]


def inverted(spec: FunctionalSpec, types: Typed, refuse: Refuse) -> FunctionalSpec:
    """The model with calls of TensorFlow's functions for operations; `refuse` is told of those that are none."""
    if not any(isinstance(placed.layer, OpSpec) for placed in spec.placed):
        return spec
    return _Inversion(spec, types, refuse).run()


class _Inversion:
    def __init__(self, spec: FunctionalSpec, types: Typed, refuse: Refuse) -> None:
        self.spec = spec
        self.types = types
        self.refuse = refuse
        self.layers = {str(placed.layer.name): placed.layer for placed in spec.placed}
        self.names = set(self.layers)
        self.results: dict[tuple[str, int], list[Ref]] = {}
        """What stands for the outputs of each call of an operation."""

    def run(self) -> FunctionalSpec:
        placed: list[Placed] = []
        for one in self.spec.placed:
            if isinstance(one.layer, OpSpec):
                for i in range(len(one.calls)):
                    placed += self._operation(one.layer, i, one.calls[i])
            else:
                placed.append(one)
        stated = self.spec.model_copy()
        stated.placed = [Placed(one.layer, [self._call(call) for call in one.calls]) for one in placed]
        stated.inputs, stated.outputs = map_refs(self._ref, self.spec.inputs), map_refs(self._ref, self.spec.outputs)
        return stated

    def _call(self, call: CallSpec) -> CallSpec:
        return CallSpec(map_refs(self._ref, call.args), map_refs(self._ref, call.kwargs), call.path)

    def _ref(self, ref: Ref) -> Ref:
        found = self.results.get((ref.layer, ref.node))
        return ref if found is None else found[ref.tensor]

    def _operation(self, layer: OpSpec, i: int, call: CallSpec) -> list[Placed]:
        node = self.types.calls.get((id(layer), i))
        try:
            if node is None or any(value.shape is None for value in node.outputs):
                raise Refusal("nothing says what it is called on")
            tensors: dict[Ref, Tensor] = {}

            def tensor(ref: Ref) -> Tensor:
                if ref not in tensors:
                    shape, dtype = self.types.value(self.layers[ref.layer], ref)
                    if shape is None:
                        raise Refusal("nothing says what it is called on")
                    tensors[ref] = given(TensorType(shape, dtype))
                return tensors[ref]

            args, kwargs = map_refs(tensor, (call.args, call.kwargs))
            outputs = [TensorType(value.shape or (), value.dtype) for value in node.outputs]
            calls, results = written_as_calls(layer, args, kwargs, outputs)
        except (Refusal, ShapeError, Untyped) as refusal:
            why = f": {refusal}" if str(refusal) else ""
            self.refuse(layer, f"Keras 2 has no form for the operation {layer.op} of {layer.keras_module}{why}")
            return []
        return self._placed(layer, i, call, calls, {t: ref for ref, t in tensors.items()}, results)

    def _placed(
        self, layer: OpSpec, i: int, call: CallSpec, calls: list[Called], refs: dict[Tensor, Ref], results: list[Tensor]
    ) -> list[Placed]:
        found = []
        for one in calls:
            last = one is calls[-1]
            stem = str(layer.name) if last else f"{layer.name}_{one.function.rpartition('.')[2]}"
            name = stem if last and i == 0 else self._new_name(stem)
            made, args = _stated(one, name, layer, refs)
            args.path = call.path
            found.append(Placed(made, [args]))
            for index, output in enumerate(one.outputs):
                refs[output] = Ref(str(made.name), 0, index)
        self.results[str(layer.name), i] = [refs[one] for one in results]
        return found

    def _new_name(self, stem: str) -> str:
        name, number = stem, 0
        while name in self.names:
            number += 1
            name = f"{stem}_{number}"
        self.names.add(name)
        return name


def written_as_calls(
    layer: OpSpec, args: Any, kwargs: dict[str, Any], outputs: list[TensorType]
) -> tuple[list[Called], list[Tensor]]:
    """The calls that stand for one of an operation, and its outputs among theirs; Refusal where there are none."""
    writing = table.writing(layer.op)
    if writing is None:
        raise Refusal("no function of TensorFlow's is known that computes it")
    inputs = layer.operation.bound(args, kwargs, is_tensor)
    to = Recorder(outputs)
    if writing.by is not None:
        result = called(writing.by, layer.operation.inputs, inputs, _settings(layer), to)
    else:
        result = _one_call(to, writing, layer, inputs)
    results = flat(result)
    if not to.calls:
        results = [to.call("identity", one) for one in results]
    _require_types(to, results, outputs)
    return to.calls, results


def _one_call(to: Recorder, writing: table.Writing, layer: OpSpec, inputs: dict[str, Any]) -> Any:
    """The call of the one function that is the operation; reading it would make the same operation again."""
    operands = [value for value in inputs.values() if value is not None]
    if writing.meet:
        several = isinstance(operands[0], list)
        met = to.meeting(operands[0] if several else operands, writing.meet)
        operands = [met, *operands[1:]] if several else met
    first, *others = (_plain(value) for value in operands)
    names = table.parameters(writing.function)
    arguments = dict(zip(names[1:], others, strict=False))
    usual = {p.name: p.default for p in layer.operation.settings}
    for key, value in _settings(layer).items():
        name = writing.renamed.get(key, key)
        if name == "data_format" and value is None:
            continue
        if name in names:
            arguments[name] = value
        elif not _alike(value, usual[key]):
            raise Refusal(f"TensorFlow's {writing.function} has no {key}={value!r}")
    result = to.call(writing.function, first, **arguments)
    made = flat(result)[0].made
    again = made.layer
    # Keras has some operations twice: `Abs` and `Absolute`.
    faithful = isinstance(again, OpSpec) and table.writing(again.op) is writing
    faithful = faithful and _alike(_settings(again), {**_settings(again), **_settings(layer)})
    if not faithful or list(tensors_in(made.args)) != list(tensors_in(operands)):
        raise Refusal(f"TensorFlow's {writing.function} computes something else for such arguments")
    return result


def _settings(layer: OpSpec) -> dict[str, Any]:
    """The operation's settings in lists; without what says that channels are where they always are."""
    settings = {key: _plain(value) for key, value in layer.settings.items()}
    return {key: None if value == "channels_last" else value for key, value in settings.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Array):
        return _plain(value.values)
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _alike(a: Any, b: Any) -> bool:
    """Whether two arguments say the same: one number, and a list of it."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_alike(a[key], b[key]) for key in a)
    a, b = (list(x) if isinstance(x, (list, tuple)) else [x] for x in (a, b))
    return len(a) == len(b) and all(
        x == y or (isinstance(x, (list, tuple)) and _alike(x, y)) for x, y in zip(a, b, strict=True)
    )


def _require_types(to: Recorder, results: list[Any], outputs: list[TensorType]) -> None:
    if len(results) != len(outputs):
        raise Refusal(f"TensorFlow's function gives {len(results)} tensors, not {len(outputs)}")
    for result, wanted in zip(results, outputs, strict=True):
        found = to.type(result)
        fits = len(found.shape) == len(wanted.shape) and all(
            n == m or None in (n, m) for n, m in zip(found.shape, wanted.shape, strict=True)
        )
        if not fits or found.dtype != wanted.dtype:
            raise Refusal(f"TensorFlow gives {found.dtype}{list(found.shape)}, not {wanted.dtype}{list(wanted.shape)}")


def _stated(one: Called, name: str, layer: OpSpec, refs: dict[Tensor, Ref]) -> tuple[TensorFlowCall, CallSpec]:
    """A layer of Keras 2's for a call, and the call as its file holds it."""
    config: dict[str, Any] = {"name": name, "trainable": True, "dtype": "float32"}
    class_name = "SlicingOpLambda" if one.function == "__operators__.getitem" else "TFOpLambda"
    first, kwargs = one.first, one.kwargs
    if one.node_def is not None:
        # tf_keras calls such a layer after its config's name with this before it.
        class_name, name = "TensorFlowOpLayer", f"tf_op_layer_{name}"
        constants = {str(i): value for i, value in enumerate(first) if not isinstance(value, Tensor)}
        config |= {"node_def": {"name": config["name"], **one.node_def}, "constants": constants}
        first = [value for value in first if isinstance(value, Tensor)]
    else:
        config["function"] = one.function
    made = TensorFlowCall.model_validate({"name": name, "function": one.function})
    made._class_name, made._config, made._path = class_name, config, layer.path
    return made, CallSpec((_first(first, refs),), {key: _keyword(value, refs) for key, value in kwargs.items()})


def _first(value: Any, refs: dict[Tensor, Ref]) -> Any:
    if isinstance(value, list) and any(map(is_tensor, value)):
        return [_first(item, refs) for item in value]
    return refs[value] if isinstance(value, Tensor) else Constant(value)


def _keyword(value: Any, refs: dict[Tensor, Ref]) -> Any:
    """An argument as JSON holds it; slices and the ellipsis in tf.keras's way."""
    if isinstance(value, slice):
        return {"start": value.start, "stop": value.stop, "step": value.step}
    if value is ...:
        return {"class_name": "__ellipsis__"}
    if isinstance(value, (list, tuple)):
        return [_keyword(item, refs) for item in value]
    return map_tensors(lambda tensor: refs[tensor], value)
