"""Sequential: a model to which layers are added."""

from __future__ import annotations

from typing import Any

from spec_compiler.diagnostics import SpecError
from spec_compiler.runtime.model import Model
from spec_compiler.specs.authoring import SymbolicTensor, unique_name
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.layers.core import InputLayer
from spec_compiler.specs.model import ModelSpec, SequentialSpec, inside


class Sequential(Model):
    """Layers in a row: `Sequential([Dense(32, input_shape=(8,)), Dense(1)])`, or one `add` at a time.

    Without an input shape the weights are made at the first batch. https://keras.io/api/models/sequential/
    """

    def __init__(self, layers: Any = None, name: str | None = None) -> None:
        self._start(SequentialSpec(name=name or unique_name("sequential"), layers=[]))
        names: set[str | None] = set()
        for layer in layers or []:
            self._append(layer, names)
        if layers:
            self.graph  # noqa: B018 (checked now, and once for all layers)

    def add(self, layer: Any, rebuild: bool = True) -> None:
        """Append a layer, a model, or `Input(...)` as the first. Raises SpecError when its input does not fit.

        `rebuild` is taken for Keras's sake: weights are made when they are first needed, and layers keep theirs.
        """
        before = len(self._layers)
        self._append(layer, {member.name for member in self._layers})
        try:
            self.graph  # noqa: B018 (checked now, so that the error names the layer being added)
        except SpecError:
            del self._layers[before:]
            self._changed()
            raise

    def _append(self, layer: Any, names: set[str | None]) -> None:
        """Append a layer whose name is not among `names`, and add it to them."""
        spec = _as_spec(layer)
        added = [spec]
        if not self.spec.members() and spec._batch_input_shape is not None:
            dtype = "int32" if type(spec).__name__ == "Embedding" else "float32"
            added.insert(0, InputLayer(batch_shape=spec._batch_input_shape, dtype=dtype, name=f"{spec.name}_input"))
        if spec.name in names:
            raise ValueError(f"model '{self.name}' has a layer '{spec.name}' already: the names must be unique")
        names.update(member.name for member in added)
        self._layers.extend(added)
        for member in (spec, *inside(spec), *(spec.walk() if isinstance(spec, ModelSpec) else ())):
            member._owner = self
        self._changed()

    def pop(self, rebuild: bool = True) -> Any:
        """Remove the last layer and return it; `rebuild` as in `add`."""
        if not self.layers:
            raise ValueError(f"model '{self.name}' has no layers")
        removed = self._layers.pop()
        self._changed()
        return removed

    @property
    def _layers(self) -> list[LayerSpec]:
        assert isinstance(self.spec, SequentialSpec)
        return self.spec.layers

    def _changed(self) -> None:
        self._graph = self._built = self._symbols = None
        self.spec._bound = None


def _as_spec(layer: Any) -> LayerSpec:
    if isinstance(layer, Model):
        return layer.spec
    if isinstance(layer, SymbolicTensor):
        return layer.layer
    if isinstance(layer, LayerSpec):
        return layer
    raise TypeError(f"expected a layer, a model or Input(...), got {type(layer).__name__}")
