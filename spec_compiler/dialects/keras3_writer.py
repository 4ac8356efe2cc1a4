"""Writes a model as Keras 3.15 does: what `keras.models.model_from_json` loads, and would write itself.

A document of Keras 3 comes back as it was, key for key, for as long as the model is what it says. Names with a `/`, which
Keras 3 refuses, are written with `_`. Layers that it does not have (LocallyConnected1D and 2D, Highway, MaxoutDense,
ParametricSoftplus, SReLU) are written under their names: such a file opens here, and in Keras with a class of that name
among its `custom_objects`. Arguments that Keras 2 alone has (`time_major`, SeparableConv1D's `causal` padding) are written
too, and Keras 3 refuses them. The writer warns of all three. On its torch backend, Keras makes no weights for layers with
a `.` in their names; those stay, as other backends take them.
"""

from __future__ import annotations

from typing import Any

from spec_compiler.diagnostics import Reporter
from spec_compiler.dialects import hard_sigmoid, masks, names
from spec_compiler.dialects.build_config import build_config, inner
from spec_compiler.dialects.detect import Detected, detect
from spec_compiler.dialects.keras3_words import is_lacking, today, warn_of_lacking
from spec_compiler.dialects.typed import Built, Typed, input_shape, typed
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.model import CallSpec, FunctionalSpec, ModelSpec, Placed, Ref, SequentialSpec, map_refs
from spec_compiler.specs.serialization import plain, policy, serialize

KERAS_VERSION = "3.15.1"
"""Whose form this is."""


def write(spec: ModelSpec, reporter: Reporter) -> dict[str, Any]:
    """Keras 3's document of `spec`; `keras_version` and `backend` stand at its end, as Keras 2 had them.

    Warns of what Keras 3 makes us change, and of what it does not have. Raises SpecError when the model has a fault.
    """
    warn_of_lacking(spec, reporter)
    return as_it_is(names.renamed(spec, names.KERAS3, reporter))


def as_it_is(spec: ModelSpec) -> dict[str, Any]:
    """The document with every name as it is, whether or not Keras takes it."""
    types = typed(spec)
    found = _read_from(spec)
    as_read = found and _as_read(spec, found)
    if as_read:
        return as_read
    document = _Writer(types).model(spec)
    document["compile_config"] = _compile_config(spec, found)
    document["keras_version"] = (found and found.origin.keras_version) or KERAS_VERSION
    document["backend"] = (found and found.origin.backend) or "torch"
    return document | masks.stated(spec)


def _read_from(spec: ModelSpec) -> Detected | None:
    """The Keras 3 document that `spec` was read from, if it was."""
    if spec.origin is None or spec.origin.document is None:
        return None
    found = detect(spec.origin.document, Reporter())
    return found and found._replace(origin=spec.origin)


def _as_read(spec: ModelSpec, found: Detected) -> dict[str, Any] | None:
    """The document word for word, where reading it again gives `spec` with nothing to remark on."""
    from spec_compiler.dialects.keras import read_untrained  # the readers, for files alone

    reporter = Reporter()
    if read_untrained(found, reporter) != spec or reporter.warning_count:
        return None
    document: dict[str, Any] = plain(found.data)
    config = _compile_config(spec, found)
    return {**document, "compile_config": config} if config or "compile_config" in document else document


class _Writer:
    def __init__(self, types: Typed) -> None:
        self.types = types

    def layer(self, layer: LayerSpec, built: Built | None) -> dict[str, Any]:
        """A layer with what it was built on; models as such."""
        if isinstance(layer, ModelSpec):
            return self.model(layer)
        document = serialize(today(layer))
        if is_lacking(layer):
            # What `custom_objects` are looked up by.
            document["registered_name"] = document["class_name"]
        for name, value in document["config"].items():
            if value == hard_sigmoid.NAME:
                document["config"][name] = hard_sigmoid.written(layer.dtype)
        within = inner(layer, built)
        for name in layer.layer_fields:
            document["config"][name] = self._wrapped(getattr(layer, name), within)
        config = build_config(layer, built)
        if config is not None:
            document["build_config"] = config
        return document

    def _wrapped(self, value: Any, built: Built | None) -> Any:
        if isinstance(value, LayerSpec):
            return self.layer(value, built)
        if isinstance(value, (list, tuple)):
            return self._stacked(value, built)
        return value

    def _stacked(self, cells: Any, built: Built | None) -> list[Any]:
        """Recurrent cells on top of each other: each but the first was built on the output of the one before."""
        written = []
        for cell in cells:
            written.append(self.layer(cell, built))
            units = getattr(cell, "units", None)
            built = Built(((built.first[0], units),), {}) if built is not None and units is not None else None
        return written

    def model(self, spec: ModelSpec) -> dict[str, Any]:
        """A model, nested or not, without how it is trained."""
        if isinstance(spec, SequentialSpec):
            return self._sequential(spec)
        assert isinstance(spec, FunctionalSpec)
        return {
            "module": "keras.src.models.functional",
            "class_name": "Functional",
            "config": self._functional(spec),
            "registered_name": "Functional",
            "build_config": {"input_shape": None},
            "compile_config": {},
        }

    def _sequential(self, spec: SequentialSpec) -> dict[str, Any]:
        config: dict[str, Any] = {"name": spec.name, "trainable": spec.trainable, "dtype": policy(spec.dtype)}
        config["layers"] = [self.layer(layer, self.types.built.get(id(layer))) for layer in spec.layers]
        document = {"module": "keras", "class_name": "Sequential", "config": config, "registered_name": None}
        shape = input_shape(spec)
        if shape is not None:
            config["build_input_shape"] = plain(shape)
            document["build_config"] = {"input_shape": plain(shape)}
        document["compile_config"] = {}
        return document

    def _functional(self, spec: FunctionalSpec) -> dict[str, Any]:
        layers = {str(placed.layer.name): placed.layer for placed in spec.placed}

        def end(ref: Ref) -> list[Any]:
            # A functional model's own graph counts as its first call, in inputs and outputs alone.
            first = isinstance(layers[ref.layer], FunctionalSpec)
            return [ref.layer, ref.node + first, ref.tensor]

        return {
            "name": spec.name,
            "trainable": spec.trainable,
            "layers": [self._placed(placed, layers) for placed in spec.placed],
            "input_layers": map_refs(end, spec.inputs),
            "output_layers": map_refs(end, spec.outputs),
        }

    def _placed(self, placed: Placed, layers: dict[str, LayerSpec]) -> dict[str, Any]:
        document = self.layer(placed.layer, self.types.built.get(id(placed.layer)))
        document["name"] = placed.layer.name
        document["inbound_nodes"] = [self._call(call, layers) for call in placed.calls]
        return document

    def _call(self, call: CallSpec, layers: dict[str, LayerSpec]) -> dict[str, Any]:
        return {
            "args": [self._argument(arg, layers) for arg in call.args],
            "kwargs": {key: self._argument(arg, layers) for key, arg in call.kwargs.items()},
        }

    def _argument(self, value: Any, layers: dict[str, LayerSpec]) -> Any:
        if isinstance(value, Ref):
            shape, dtype = self.types.value(layers[value.layer], value)
            config = {"shape": plain(shape), "dtype": dtype, "keras_history": [value.layer, value.node, value.tensor]}
            return {"class_name": "__keras_tensor__", "config": config}
        if isinstance(value, (list, tuple)):
            return [self._argument(item, layers) for item in value]
        if isinstance(value, dict):
            return {key: self._argument(item, layers) for key, item in value.items()}
        if isinstance(value, slice):
            ends = {"start": value.start, "stop": value.stop, "step": value.step}
            return {"class_name": "__slice__", "config": ends}
        if value is ...:
            return {"class_name": "__ellipsis__", "config": {}}
        return _array(value) if type(value).__name__ == "Array" else value


def _array(value: Any) -> dict[str, Any]:
    """A constant among a call's arguments (`specs.layers.ops_types.Array`)."""
    return {"class_name": value.written_as, "config": {"value": plain(value.values), "dtype": value.dtype}}


def _compile_config(spec: ModelSpec, found: Detected | None) -> dict[str, Any]:
    """How the model is trained, as `compile` was called; what a file said stays word for word while it holds."""
    training = spec.training
    if found is not None and "compile_config" in found.data:
        from spec_compiler.dialects.training import read_training

        if read_training(found, Reporter()) == training:
            return plain(found.data["compile_config"])  # type: ignore[no-any-return]
    if training is None:
        return {}
    return {
        "optimizer": plain(training.optimizer) or "rmsprop",
        "loss": plain(training.loss),
        "loss_weights": plain(training.loss_weights),
        "metrics": plain(training.metrics),
        "weighted_metrics": plain(training.weighted_metrics),
        "run_eagerly": False,
        "steps_per_execution": 1,
        "jit_compile": False,
    }
