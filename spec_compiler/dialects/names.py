"""Names of layers that a dialect takes in the place of those that it refuses."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spec_compiler.diagnostics import TRIMMED_NAME, Reporter, show
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.layers.core import InputLayer
from spec_compiler.specs.model import CallSpec, FunctionalSpec, ModelSpec, Placed, Ref, map_refs

if TYPE_CHECKING:
    from spec_compiler.specs.training import TrainingSpec


@dataclass(frozen=True, slots=True)
class Rule:
    """Which names a dialect takes."""

    name_for: Callable[[LayerSpec], str]
    """The name that it takes for a layer: its own, if that will do."""
    why: str
    """What it does not take."""


def _scope(layer: LayerSpec) -> str:
    name = str(layer.name)
    if isinstance(layer, InputLayer):
        return name
    name = re.sub(r"[^A-Za-z0-9_./>-]", "_", name)
    return name if not name or re.match("[A-Za-z0-9.]", name) else f"layer{'' if name[0] == '_' else '_'}{name}"


KERAS3 = Rule(lambda layer: str(layer.name).replace("/", "_"), "Keras 3 takes none with a '/'")
TF_KERAS = Rule(
    _scope, "TensorFlow takes letters, digits and '_.-/>', and of these a letter, a digit or '.' at the start"
)
"""tf_keras makes scopes of TensorFlow's out of names, but for inputs'."""


def renamed(spec: ModelSpec, rule: Rule, reporter: Reporter) -> ModelSpec:
    """`spec`, or a copy of it in which every name is one that the dialect takes; warns of each that changes."""
    layers = [spec, *spec.walk()]
    if all(layer.name is None or rule.name_for(layer) == layer.name for layer in layers):
        return spec
    return _Renaming(rule, reporter).model(spec)


class _Renaming:
    """Copies models under other names."""

    def __init__(self, rule: Rule, reporter: Reporter) -> None:
        self.rule = rule
        self.reporter = reporter
        self.copies: dict[int, LayerSpec] = {}
        """By `id` of the original: a layer that stands in two models stays one."""

    def model(self, spec: ModelSpec) -> ModelSpec:
        """The whole model, and how it is trained."""
        copy = self._layer(spec, {str(spec.name)})
        assert isinstance(copy, ModelSpec)
        if spec.training is not None and not isinstance(getattr(spec, "outputs", None), dict):
            # Outputs are called after their layers.
            names = {old.name: new.name for old, new in zip(spec.members(), copy.members(), strict=True)}
            copy.training = spec.training.model_copy(update=_by_output(spec.training, names))
        return copy

    def _layer(self, layer: LayerSpec, taken: set[str]) -> LayerSpec:
        """A copy of the layer, and of those inside it, under a name that is not taken."""
        if id(layer) not in self.copies:
            names = {str(one.name) for one in layer.members()} if isinstance(layer, ModelSpec) else set()
            fields = {name: self._value(getattr(layer, name), names) for name in type(layer).model_fields}
            copy = layer.model_copy(update={**fields, "name": self._name(layer, taken)})
            if isinstance(layer, FunctionalSpec):
                self._rewire(layer, copy, names)
            self.copies[id(layer)] = copy
        return self.copies[id(layer)]

    def _value(self, value: Any, taken: set[str]) -> Any:
        if isinstance(value, LayerSpec):
            return self._layer(value, taken)
        if isinstance(value, (list, tuple)) and any(isinstance(item, LayerSpec) for item in value):
            return type(value)(self._value(item, taken) for item in value)
        return value

    def _name(self, layer: LayerSpec, taken: set[str]) -> str | None:
        if layer.name is None or (stem := self.rule.name_for(layer)) == layer.name:
            return layer.name
        name, number = stem, 0
        while name in taken:
            number += 1
            name = f"{stem}_{number}"
        taken.add(name)
        message = f"the name {show(layer.name)} is written as {show(name)}: {self.rule.why}"
        self.reporter.warn(TRIMMED_NAME, message, layer.path)
        return name

    def _rewire(self, spec: FunctionalSpec, copy: Any, taken: set[str]) -> None:
        layers = {str(placed.layer.name): self._layer(placed.layer, taken) for placed in spec.placed}

        def named(ref: Ref) -> Ref:
            return ref._replace(layer=str(layers[ref.layer].name))

        def call(made: CallSpec) -> CallSpec:
            return CallSpec(map_refs(named, made.args), map_refs(named, made.kwargs), made.path)

        copy.placed = [Placed(layers[str(one.layer.name)], [call(made) for made in one.calls]) for one in spec.placed]
        copy.inputs, copy.outputs = map_refs(named, spec.inputs), map_refs(named, spec.outputs)


def _by_output(training: TrainingSpec, names: dict[str | None, str | None]) -> dict[str, Any]:
    """What of the training is stated by output, under the outputs' new names."""
    stated = {key: getattr(training, key) for key in ("loss", "loss_weights", "metrics", "weighted_metrics")}
    return {
        key: {names.get(name, name): one for name, one in value.items()}
        for key, value in stated.items()
        if isinstance(value, dict)
    }
