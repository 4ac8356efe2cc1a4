"""Calls of layers as Keras's functional models write them: nested lists until Keras 2, mappings since Keras 3."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from spec_compiler.diagnostics import INVALID_VALUE, UNSAFE_LAYER, UNSUPPORTED, Path, Reporter, show
from spec_compiler.dialects.constants import Constant
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.model import CallSpec, Ref, refs_in
from spec_compiler.specs.shapes import ShapeError
from spec_compiler.specs.types import TENSOR_DTYPES

_CONSTANT = "_CONSTANT_VALUE"
_REFERENCE = '`[layer, call, output]`, as in `["dense_1", 0, 0]`'


class _BrokenCall(Exception):
    """A call's faults have been reported."""


class CallReader(NamedTuple):
    """Reads the calls made of the layers of one model."""

    reporter: Reporter

    def calls(self, nodes: Any, path: Path, cls: type[LayerSpec] | None) -> list[CallSpec | None]:
        """The calls in a layer's `inbound_nodes`, None for each that is faulty; `cls` is the layer's class."""
        if nodes is None:
            return []
        if not isinstance(nodes, list):
            self.reporter.report(INVALID_VALUE, f"expected a list of calls, got {show(nodes)}", path)
            return []
        return [self._call(node, (*path, i), cls) for i, node in enumerate(nodes)]

    def references(self, structure: Any, path: Path) -> Any:
        """The Refs in `input_layers` or `output_layers`, in the lists and mappings they stand in; None for faulty ones."""
        return self._structure(structure, path)

    def _call(self, node: Any, path: Path, cls: type[LayerSpec] | None) -> CallSpec | None:
        try:
            if isinstance(node, dict) and ("args" in node or "kwargs" in node):
                return self._since_keras3(node, path)
            return self._before_keras3(node, path, cls)
        except _BrokenCall:
            return None

    def _fail(self, message: str, path: Path) -> _BrokenCall:
        self.reporter.report(INVALID_VALUE, message, path)
        return _BrokenCall()

    # Keras 3: {"args": [...], "kwargs": {...}}, tensors being {"class_name": "__keras_tensor__", ...}.

    def _since_keras3(self, node: dict[str, Any], path: Path) -> CallSpec:
        args, kwargs = node.get("args", []), node.get("kwargs", {})
        if not isinstance(args, (list, tuple)):
            raise self._fail(f"expected a list of arguments, got {show(args)}", (*path, "args"))
        if not isinstance(kwargs, dict):
            raise self._fail(f"expected a mapping of arguments, got {show(kwargs)}", (*path, "kwargs"))
        positional = [self._value(arg, (*path, "args", i)) for i, arg in enumerate(args)]
        named = {key: self._value(arg, (*path, "kwargs", key)) for key, arg in kwargs.items()}
        return CallSpec(tuple(positional), named, path)

    def _value(self, value: Any, path: Path) -> Any:
        if isinstance(value, (list, tuple)):
            return [self._value(one, (*path, i)) for i, one in enumerate(value)]
        if not isinstance(value, dict):
            return value
        name = value.get("class_name")
        if not isinstance(name, str) or not name.startswith("__"):
            return {key: self._value(one, (*path, key)) for key, one in value.items()}
        return self._special(name, value, path)

    def _special(self, name: str, value: dict[str, Any], path: Path) -> Any:
        """What Keras 3 writes for values that JSON has none for."""
        config = value.get("config")
        if name == "__tuple__" and isinstance(value.get("items"), list):
            return tuple(self._value(one, (*path, "items", i)) for i, one in enumerate(value["items"]))
        if name == "__ellipsis__":
            return ...
        if isinstance(config, dict):
            if name == "__keras_tensor__":
                return self._ref(config.get("keras_history"), (*path, "config", "keras_history"))
            if name == "__slice__":
                return slice(*(config.get(end) for end in ("start", "stop", "step")))
            if name in ("__numpy__", "__tensor__"):
                return self._array(name, config, path)
            if name == "__lambda__":
                self.reporter.report(UNSAFE_LAYER, "a lambda holds Python code, which is not run", path)
                raise _BrokenCall
        self.reporter.report(UNSUPPORTED, f"a call with a {name.strip('_')} as argument cannot be built yet", path)
        raise _BrokenCall

    def _array(self, name: str, config: dict[str, Any], path: Path) -> Any:
        from spec_compiler.specs.layers.ops_types import array_of

        value, dtype = config.get("value"), config.get("dtype")
        if dtype not in TENSOR_DTYPES:
            raise self._fail(f"expected a dtype, got {show(dtype)}", (*path, "config", "dtype"))
        try:
            return array_of(value, dtype, name)
        except ShapeError as error:
            raise self._fail(str(error), (*path, "config", "value")) from None

    # Until Keras 2: [["layer", call, output, {keyword arguments}], ...], or one such entry alone.

    def _before_keras3(self, node: Any, path: Path, cls: type[LayerSpec] | None) -> CallSpec:
        kwargs: dict[str, Any] = {}
        if cls is not None and cls.__name__ == "TensorFlowCall":
            return CallSpec((self._inputs(node, path, kwargs, Constant),), kwargs, path)
        inputs = self._inputs(node, path, kwargs)
        if is_recurrent(cls) and kwargs.get("constants", ()) is None:
            del kwargs["constants"]  # tf.keras's Bidirectional says so wherever it is given states
        if is_recurrent(cls) and isinstance(inputs, list) and len(inputs) > 1:
            # Initial states given as tensors join the input in one list.
            inputs, *states = inputs
            kwargs["initial_state"] = states
        elif isinstance(inputs, list) and len(inputs) == 1 and not (cls is not None and cls.takes_list):
            inputs = inputs[0]
        return CallSpec((inputs,), kwargs, path)

    def _inputs(
        self, node: Any, path: Path, kwargs: dict[str, Any], constant: Callable[[Any], Any] = lambda value: value
    ) -> Any:
        """The tensors of an entry, or of a list or mapping of them; keyword arguments are added to `kwargs`.

        `constant` is called on constants, which stand in a tensor's place.
        """
        if isinstance(node, dict):
            return {key: self._inputs(one, (*path, key), kwargs, constant) for key, one in node.items()}
        if not isinstance(node, (list, tuple)) or not node:
            raise self._fail(f"expected what the layer is called on, entries {_REFERENCE}, got {show(node)}", path)
        if not isinstance(node[0], str):
            return [self._inputs(one, (*path, i), kwargs, constant) for i, one in enumerate(node)]
        if len(node) == 4:
            self._keyword_arguments(node[3], (*path, 3), kwargs)
        if node[0] == _CONSTANT and len(node) >= 3:
            return constant(node[2])
        return self._ref(node[:3], path)

    def _keyword_arguments(self, found: Any, path: Path, kwargs: dict[str, Any]) -> None:
        if found is None:
            return
        if not isinstance(found, dict):
            raise self._fail(f"expected keyword arguments, got {show(found)}", path)
        kwargs.update({key: self._keyword(value, (*path, key)) for key, value in found.items()})

    def _keyword(self, value: Any, path: Path) -> Any:
        if isinstance(value, (list, tuple)):
            if len(value) in (3, 4) and isinstance(value[0], str) and all(_is_index(i) for i in value[1:3]):
                return self._ref(value[:3], path)
            return [self._keyword(one, (*path, i)) for i, one in enumerate(value)]
        if isinstance(value, dict):
            return {key: self._keyword(one, (*path, key)) for key, one in value.items()}
        return value

    def _structure(self, value: Any, path: Path) -> Any:
        if isinstance(value, dict):
            return {key: self._structure(one, (*path, key)) for key, one in value.items()}
        if isinstance(value, (list, tuple)) and not (value and isinstance(value[0], str)):
            return [self._structure(one, (*path, i)) for i, one in enumerate(value)]
        try:
            return self._ref(value, path)
        except _BrokenCall:
            return None

    def _ref(self, value: Any, path: Path) -> Ref:
        if isinstance(value, (list, tuple)) and len(value) == 3:
            name, node, tensor = value
            if isinstance(name, str) and _is_index(node) and _is_index(tensor):
                return Ref(name.strip(), node, tensor)
        raise self._fail(f"expected {_REFERENCE}, got {show(value)}", path)


def with_keyword(nodes: Any, name: str, value: Any) -> Any:
    """`inbound_nodes` of before Keras 3 with one more keyword argument to each call; what is faulty stays as it is."""
    if not isinstance(nodes, list):
        return nodes
    if len(nodes) in (3, 4) and isinstance(nodes[0], str):
        stated = nodes[3] if len(nodes) == 4 and nodes[3] is not None else {}
        return [*nodes[:3], {**stated, name: value}] if isinstance(stated, dict) else nodes
    return [with_keyword(node, name, value) for node in nodes]


def _is_index(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_recurrent(cls: type[LayerSpec] | None) -> bool:
    """Whether the layer keeps a state from step to step, which a call may give it."""
    if cls is None:
        return False
    return "return_state" in cls.model_fields or cls.__name__ in ("Bidirectional", "RNN")


def lowest_calls(structures: list[Any]) -> Mapping[str, int]:
    """The lowest number of a call that any Ref has, by layer."""
    lowest: dict[str, int] = {}
    for ref in refs_in(structures):
        lowest[ref.layer] = min(ref.node, lowest.get(ref.layer, ref.node))
    return lowest
