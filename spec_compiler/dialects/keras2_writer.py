"""Writes a model as Keras 2 does (2.4 and later, and tf_keras), in the form without modules that all of them load.

Layers and arguments that Keras 2 does not have are refused, each by name. Operations of `keras.ops` become calls of
TensorFlow's functions, by the table in `tensorflow`, one or several each; those that no function computes are refused too.

A document of Keras 2 that is read and written again is the same, but for:

- `module`, `registered_name`, `build_config` and `shared_object_id`, which Keras 2.13 and later add and do not need;
- what only some versions write: InputLayer's `optional`, `rng_type`, an initializer's `dtype`, arguments that were not
  there yet, which are written with the values they then got (`groups`, `keepdims`, `reset_after`, …);
- an InputLayer is written where the first layer's `batch_input_shape` alone said what goes in;
- Attention's `causal`, which until 2.9 is the layer's and is written as its calls' `use_causal_mask`;
- `input_length` of an Embedding, and `batch_input_shape` of layers that are not the first;
- spellings: `Functional` for `Model`, a Sequential's config as a mapping, BatchNormalization's `axis` as a list, an
  initializer with its arguments, and since 2.2 its `normal` distribution as `truncated_normal`, which it always was;
- names that TensorFlow makes no scope of: what is no letter, digit or one of `_.-/>` is written as `_`, with a warning;
- an initializer that is none of Keras's, of which reading warns: the layer's default stands in its place;
- how the model is trained, which Keras 2 keeps in HDF5 files alone.
"""

from __future__ import annotations

import inspect
from typing import Any

from spec_compiler.diagnostics import UNSUPPORTED, Reporter, show
from spec_compiler.dialects import keras2_words as words
from spec_compiler.dialects import names
from spec_compiler.dialects.calls import is_recurrent
from spec_compiler.dialects.keras2_versions import Written, fits, uncut
from spec_compiler.dialects.keras3_words import sized_by_padding
from spec_compiler.dialects.known import holds_operations
from spec_compiler.dialects.tensorflow import TensorFlowCall, inverted, written, written_as
from spec_compiler.dialects.typed import Typed, input_shape, typed
from spec_compiler.ir import Node, values_in
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.layers.core import InputLayer
from spec_compiler.specs.layers.merging import Concatenate, Elementwise, Maximum, Minimum, Multiply
from spec_compiler.specs.layers.wrappers import TimeDistributed
from spec_compiler.specs.model import (
    CallSpec,
    FunctionalSpec,
    ModelSpec,
    Origin,
    Placed,
    Ref,
    SequentialSpec,
    map_refs,
    refs_in,
)
from spec_compiler.specs.serialization import plain

KERAS_VERSION = "2.15.0"
"""Whose form this is."""


def write(spec: ModelSpec, reporter: Reporter) -> dict[str, Any]:
    """Keras 2's document of `spec`; raises SpecError when the model has a fault, or what Keras 2 has no words for."""
    spec = names.renamed(spec, names.TF_KERAS, reporter)
    origin = spec.origin if spec.origin is not None and spec.origin.dialect == "keras2" else Origin("keras2")
    if not fits(spec, origin):
        origin = Origin("keras2")  # with layers that are not of that version
    document = _Writer(typed(spec), reporter, origin, fits(spec, origin)).model(spec)
    reporter.raise_if_errors()
    document["keras_version"] = origin.keras_version or KERAS_VERSION
    document["backend"] = origin.backend or "tensorflow"
    return document


class _Writer:
    def __init__(self, types: Typed, reporter: Reporter, origin: Origin, fits: bool) -> None:
        self.types = types
        self.reporter = reporter
        version = Written.of(origin)
        self.cuts_variance = version is not None and version.cuts_variance
        self.fits = fits
        """Whether each layer is what the version that the document states means by its words."""

    def layer(self, layer: LayerSpec) -> dict[str, Any]:
        """A layer, or a nested model."""
        if isinstance(layer, ModelSpec):
            return self.model(layer)
        if type(layer).__name__ == "Deconvolution2D":
            layer = sized_by_padding(layer)
        if holds_operations(layer.keras_module or ""):
            self._refuse(layer, f"Keras 2 has the operation {layer.class_name} of {layer.keras_module} in graphs alone")
        if type(layer).__name__ in words.NOT_FOUND_IN_2:
            message = f"layer '{layer.name}': tf_keras does not find its own {layer.class_name} by name"
            help = f"load the file with custom_objects={{'{layer.class_name}': tf_keras.layers.{layer.class_name}}}"
            self.reporter.warn(UNSUPPORTED, message, layer.path, help=help)
        config = layer.get_config()
        for name in layer.layer_fields:
            config[name] = self._inner(getattr(layer, name))
        if self.fits:
            config.pop("half_pixel_centers", None)
        words.from_keras3(layer, config, self._refuse)
        for name, value in config.items():
            if name not in layer.layer_fields:
                config[name] = self._argument_value(layer, name, value)
        built = self.types.built.get(id(layer))
        if words.unrolls_without_end(layer, built):
            self._refuse(layer, f"Keras 2's {layer.class_name} unrolls a number of steps that is known")
        if words.scales_the_value(layer, built):
            self._refuse(layer, f"Keras 2's {layer.class_name} has a scale for values as long as the keys alone")
        words.add_constants(layer, config, built)
        return {"class_name": words.class_name(layer), "config": config}

    def _refuse(self, layer: LayerSpec, message: str) -> None:
        self.reporter.report(UNSUPPORTED, f"layer '{layer.name}': {message}", layer.path)

    def _inner(self, value: Any) -> Any:
        if isinstance(value, LayerSpec):
            return self.layer(value)
        return [self._inner(one) for one in value] if isinstance(value, (list, tuple)) else value

    def _argument_value(self, layer: LayerSpec, name: str, value: Any) -> Any:
        if name == "dtype":
            return words.dtype(layer.dtype)
        if name.endswith("activation"):
            stated = getattr(layer, name)
            return self.layer(stated) if isinstance(stated, LayerSpec) else self._activation(layer, value)
        return self._object(layer, value)

    def _activation(self, layer: LayerSpec, name: Any) -> Any:
        known = words.ACTIVATIONS.get(name, name)
        if name is not None and known not in words.KERAS2_ACTIVATIONS:
            self._refuse(layer, f"Keras 2 has no activation {show(name)}")
        return known

    def _object(self, layer: LayerSpec, value: Any) -> Any:
        """An initializer, regularizer or the like, without what only Keras 3 says of it."""
        if isinstance(value, list):
            return [self._object(layer, one) for one in value]
        if not isinstance(value, dict) or "class_name" not in value:
            return value
        config = value["config"]
        if isinstance(config, dict):
            for name in words.OBJECT_ARGUMENTS_OF_3:
                if config.pop(name, None) is not None:
                    self._refuse(layer, f"Keras 2's {value['class_name']} has no argument '{name}'")
            config = {key: self._object(layer, one) for key, one in config.items()}
            if self.cuts_variance and value["class_name"] == "VarianceScaling":
                config = uncut(config)
        return {"class_name": value["class_name"], "config": config}

    def model(self, spec: ModelSpec) -> dict[str, Any]:
        """A model, nested or not."""
        if isinstance(spec, SequentialSpec):
            return {"class_name": "Sequential", "config": self._sequential(spec)}
        assert isinstance(spec, FunctionalSpec)
        return {"class_name": "Functional", "config": self._functional(spec)}

    def _sequential(self, spec: SequentialSpec) -> dict[str, Any]:
        layers = [self.layer(layer) for layer in spec.layers]
        shape = input_shape(spec)
        config: dict[str, Any] = {"name": spec.name, "layers": layers}
        if not _has_own_graph(spec) and layers:
            # Stated on the first layer, it would be the model's input.
            for key in ("batch_input_shape", "input_length"):
                layers[0]["config"].pop(key, None)
        if shape is not None and not _has_own_graph(spec):
            config["build_input_shape"] = plain(shape)
        elif shape is not None and _states_input(spec):
            first = layers[1]["config"]
            first["batch_input_shape"] = plain(shape)
            if "input_length" in first:
                first["input_length"] = shape[1]
        return config

    def _functional(self, spec: FunctionalSpec) -> dict[str, Any]:
        spec = inverted(written_as(spec), self.types, self._refuse)
        number = _Numbering(spec)
        inputs, outputs = (list(refs_in(ends)) for ends in (spec.inputs, spec.outputs))
        return {
            "name": spec.name,
            "trainable": spec.trainable,
            "layers": [self._placed(placed, number) for placed in spec.placed],
            "input_layers": map_refs(number, spec.inputs if isinstance(spec.inputs, dict) else inputs),
            "output_layers": map_refs(number, spec.outputs if isinstance(spec.outputs, dict) else outputs),
        }

    def _placed(self, placed: Placed, number: _Numbering) -> dict[str, Any]:
        if isinstance(placed.layer, TensorFlowCall):
            nodes = [written(call, number) for call in placed.calls]
            return {**placed.layer.document(), "name": placed.layer.name, "inbound_nodes": nodes}
        document = self.layer(placed.layer)
        document["name"] = placed.layer.name
        document["inbound_nodes"] = [self._call(placed.layer, call, number) for call in placed.calls]
        for i in range(len(placed.calls)):
            node = self.types.calls.get((id(placed.layer), i))
            if node is not None and (_masks_differ(node) or (not self.fits and _attends_unmasked(node))):
                self._refuse(placed.layer, f"Keras 2's {placed.layer.class_name} deals otherwise with these masks")
        return document

    def _call(self, layer: LayerSpec, call: CallSpec, number: _Numbering) -> Any:
        inputs, kwargs = _by_keyword(type(layer), call)
        if not any(True for _ in refs_in(inputs)):
            self._refuse(layer, "Keras 2 has no form for a call whose first argument is no tensor")
        if layer.takes_list and len(list(refs_in(inputs))) == 1:
            self._refuse(layer, f"Keras 2's {layer.class_name} takes two tensors or more")
        for name in words.CALL_ARGUMENTS_OF_3.get(layer.class_name, ()):
            if kwargs.get(name) is not None:
                self._refuse(layer, f"Keras 2's {layer.class_name} is not called with {name}")
        written = {key: map_refs(number, value) for key, value in kwargs.items()}

        def entry(ref: Ref) -> list[Any]:
            return [*number(ref), written]

        if isinstance(inputs, dict):
            return map_refs(entry, inputs)
        return [entry(ref) for ref in refs_in(inputs)]


class _Numbering:
    """References as Keras 2 numbers them: a nested model's own graph counts as its first call."""

    def __init__(self, spec: FunctionalSpec) -> None:
        self.nested = {str(placed.layer.name) for placed in spec.placed if _has_own_graph(placed.layer)}

    def __call__(self, ref: Ref) -> list[Any]:
        return [ref.layer, ref.node + (ref.layer in self.nested), ref.tensor]


def _has_own_graph(layer: LayerSpec) -> bool:
    if isinstance(layer, SequentialSpec):
        return bool(layer.layers) and isinstance(layer.layers[0], InputLayer)
    return isinstance(layer, FunctionalSpec)


def _masks_differ(node: Node) -> bool:
    """Whether Keras 2 would compute other numbers or another mask than the call does, for the masks it has."""
    layer = node.layer
    if layer.drops_masks:
        return layer.output_mask(tuple(mask is not None for mask in node.masks)) != "none"
    if not layer.keras2_masks and isinstance(layer, TimeDistributed):
        return _step_masks_differ(layer, node)
    if layer.keras2_masks or not any(mask is not None for mask in node.masks):
        return False
    if words.zeroes_in_vain(layer):
        return True
    if isinstance(layer, (Elementwise, Concatenate)):
        own = isinstance(layer, (Multiply, Maximum, Minimum))
        return own or any(mask is not node.masks[0] for mask in node.masks)
    return is_recurrent(type(layer)) and "initial_state" in node.kwargs and "mask" not in node.kwargs


def _attends_unmasked(node: Node) -> bool:
    """Whether attention passes over masks that its inputs bear, as Keras 2 has done until 2.9."""
    return getattr(node.layer, "attends_unmasked", False) and any(mask is not None for mask in node.masks)


def _step_masks_differ(layer: TimeDistributed, node: Node) -> bool:
    """Whether Keras 2, which asks the layer within, would give the output another mask than the one that came."""
    mask, inner = node.masks[0], layer.layer
    if node.body is not None:
        made = next(values_in(node.body.outputs)).mask
        rule = "none" if made is None else "first" if made is node.body.inputs[0] else "computed"
    else:
        rule = "none" if isinstance(inner, TimeDistributed) else inner.output_mask((mask is not None,))
    within = len(node.mask_shapes[0] or ()) > 2
    return rule == "computed" or layer.makes_mask or (rule == "none" and within)


def _states_input(spec: SequentialSpec) -> bool:
    """Whether the InputLayer's name says that the arguments of the layer after it stated the input."""
    first, second, *_ = [*spec.layers, None, None]
    return second is not None and not isinstance(second, ModelSpec) and first.name == f"{second.name}_input"


def _by_keyword(cls: type[LayerSpec], call: CallSpec) -> tuple[Any, dict[str, Any]]:
    """What a layer is called on, and all else by keyword; initial states stand behind the input, in one list."""
    first, *others = call.args or (None,)
    names = list(inspect.signature(cls.infer_shape).parameters)[2:]
    kwargs = dict(zip(names, others, strict=False))
    kwargs |= {key: value for key, value in call.kwargs.items() if not (key in ("mask", "training") and value is None)}
    states = list(refs_in(kwargs.get("initial_state")))
    if is_recurrent(cls) and states:
        del kwargs["initial_state"]
        return [first, *states], kwargs
    return first, kwargs
