"""Model: a spec with its torch module, behind the API that Keras users know."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from torch.fx import GraphModule

from spec_compiler.diagnostics import NO_INPUT, Diagnostic, Reporter, SpecError, did_you_mean, show
from spec_compiler.ir import Graph, values_in
from spec_compiler.lowering.to_fx import lower_graph
from spec_compiler.passes import check
from spec_compiler.runtime.built import Built, Weight, get_weights, reset_states, set_weights
from spec_compiler.runtime.symbols import call_symbolically, one_or_all, replay
from spec_compiler.runtime.training import Trainer
from spec_compiler.specs.authoring import SymbolicTensor, symbolic_in
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.functional import trace
from spec_compiler.specs.layers.core import InputLayer
from spec_compiler.specs.model import ModelSpec, SequentialSpec
from spec_compiler.specs.registry import also_known
from spec_compiler.specs.shapes import Shape


class Model(Trainer):
    """A model: `Model(inputs=..., outputs=...)` from symbolic tensors, or from a spec through `from_spec`.

    Args:
        inputs: A symbolic tensor, or a list, tuple or dict of them.
        outputs: What the model returns, likewise; arrays come back in the same structure.
        name: The model's name; one is made when left out.

    Raises ValueError when the outputs need an input that is not given. https://keras.io/api/models/model/
    """

    _symbols: tuple[Any, Any] | None

    def __init__(self, inputs: Any = None, outputs: Any = None, name: str | None = None) -> None:
        if inputs is None or outputs is None:
            raise TypeError(
                "Model() takes inputs and outputs, symbolic tensors from Input() and the layers called on it"
            )
        # A list of one is that one, as in Keras: predict() returns an array then, and not a list.
        inputs, outputs = (s[0] if isinstance(s, list) and len(s) == 1 else s for s in (inputs, outputs))
        self._start(trace(inputs, outputs, name))
        self._symbols = (inputs, outputs)

    @classmethod
    def from_spec(cls, spec: ModelSpec) -> Model:
        """The model of `spec`, not built before it must be."""
        from spec_compiler.runtime.sequential import Sequential

        kind = Sequential if isinstance(spec, SequentialSpec) else Model
        model: Model = kind.__new__(kind)
        model._start(spec)
        return model

    def _start(self, spec: ModelSpec) -> None:
        self.spec = spec
        spec._model = self
        self._graph: Graph | None = None
        self._built: Built | None = None
        self._symbols = None
        self._start_training()
        for layer in spec.walk():
            layer._owner = self

    # Structure

    @property
    def name(self) -> str:
        """The model's name."""
        return str(self.spec.name)

    @property
    def graph(self) -> Graph:
        """The typed graph. Raises SpecError when the spec has a fault."""
        if self._graph is None:
            reporter = Reporter()
            self._graph = check(self.spec, reporter)
            if self._graph is None:
                raise SpecError(reporter.diagnostics)
        return self._graph

    @property
    def layers(self) -> list[Any]:
        """The layers in order, nested models as Models; a Sequential's without its InputLayer."""
        self._trace()
        found = self.graph.members()
        if isinstance(self.spec, SequentialSpec):
            found = [layer for layer in found if not isinstance(layer, InputLayer)]
        return [_as_model(layer) if isinstance(layer, ModelSpec) else layer for layer in found]

    def get_layer(self, name: str | None = None, index: int | None = None) -> Any:
        """The layer of that name, or at that place in `layers`. Raises ValueError when there is none."""
        layers = self.layers
        if index is not None:
            if not -len(layers) <= index < len(layers):
                raise ValueError(f"model '{self.name}' has {len(layers)} layers, so there is no layer {index}")
            return layers[index]
        for layer in layers:
            if layer.name == name:
                return layer
        hint = did_you_mean(name, [str(layer.name) for layer in layers]) if isinstance(name, str) else ""
        raise ValueError(f"model '{self.name}' has no layer {show(name)}" + (f": {hint}" if hint else ""))

    @property
    def inputs(self) -> list[SymbolicTensor]:
        """The symbolic tensors the model takes, in order."""
        return list(symbolic_in(self._trace()[0]))

    @property
    def outputs(self) -> list[SymbolicTensor]:
        """The symbolic tensors the model returns, in order."""
        return list(symbolic_in(self._trace()[1]))

    @property
    def input(self) -> Any:
        """The input, or the structure of inputs."""
        return self._trace()[0]

    @property
    def output(self) -> Any:
        """The output, or the structure of outputs."""
        return self._trace()[1]

    @property
    def input_shape(self) -> Any:
        """Shape of the input, batch axis first; a list of shapes for several."""
        return one_or_all([tensor.shape for tensor in self.inputs])

    @property
    def output_shape(self) -> Any:
        """Shape of the output, batch axis first; a list of shapes for several."""
        return one_or_all([tensor.shape for tensor in self.outputs])

    @property
    def output_names(self) -> list[str]:
        """The layers the outputs come from, as losses and metrics name them."""
        return [value.node.layer.name if value.node else value.name for value in values_in(self.graph.outputs)]  # type: ignore[misc]

    @property
    def input_names(self) -> list[str]:
        """The input layers' names, in the order `fit` and `predict` take arrays."""
        return [value.name for value in self.graph.inputs]

    def _trace(self) -> tuple[Any, Any]:
        """The symbolic inputs and outputs; for a model from a file, its calls are made once more to have them."""
        if self._symbols is None:
            if any(value.shape is None for value in self.graph.inputs):
                return [], []
            self._symbols = replay(self.graph)
        return self._symbols

    def __call__(self, *inputs: Any, training: bool = False, **kwargs: Any) -> Any:
        """The model as a layer: symbolic tensors give symbolic tensors; arrays and torch tensors are computed with."""
        if next(symbolic_in((inputs, kwargs)), None) is None:
            return self._compute(inputs[0] if len(inputs) == 1 else list(inputs), training)
        return call_symbolically(self.spec, inputs, kwargs)

    # Weights

    @property
    def built(self) -> bool:
        """Whether the shapes are known, so that the weights exist or are made as soon as they are needed."""
        return self._built is not None or all(value.shape is not None for value in self.graph.inputs)

    def build(self, input_shape: Shape | None = None) -> None:
        """Make the weights; `input_shape`, batch axis first, for a Sequential that does not state one."""
        if input_shape is not None:
            self._set_input_shape(tuple(input_shape))
        self._ensure_built()

    def _set_input_shape(self, shape: Shape) -> None:
        if isinstance(self.spec, SequentialSpec) and self.graph.inputs[0].shape is None:
            self.spec._build_input_shape = shape
            self._graph = None

    def _ensure_built(self) -> Built:
        if self._built is None:
            if any(value.shape is None for value in self.graph.inputs):
                help = "state an input shape, call build(input_shape), or let the first batch of fit() tell it"
                raise SpecError([Diagnostic(NO_INPUT, f"model '{self.name}' has no weights yet", help=help)])
            self._built = Built(lower_graph(self.graph))
            self.spec._bound = _Whole(self._built)
        return self._built

    @property
    def module(self) -> GraphModule:
        """The plain torch module; its `forward` takes the inputs in their order."""
        return self._ensure_built().module

    @property
    def weights(self) -> list[Weight]:
        """The weights in Keras's order."""
        return self._ensure_built().weights

    @property
    def trainable_weights(self) -> list[Weight]:
        """The weights that training changes, as the layers' `trainable` now says, in Keras's order."""
        return self._ensure_built().trained()

    @property
    def non_trainable_weights(self) -> list[Weight]:
        """The other weights: moving statistics, and those of frozen layers."""
        trained = set(map(id, self.trainable_weights))
        return [weight for weight in self.weights if id(weight) not in trained]

    def get_weights(self) -> list[np.ndarray[Any, Any]]:
        """The weights as numpy arrays in Keras's order and layout, copies."""
        return get_weights(self.weights)

    def set_weights(self, weights: list[Any]) -> None:
        """Take arrays in the order and layout of `get_weights()`. Raises SpecError, and takes none, when one is off."""
        set_weights(self.weights, weights, f"model '{self.name}'")

    def reset_states(self) -> None:
        """Have the stateful recurrent layers, those of nested models too, start the next batch from zeros: Keras 2's name."""
        if self._built is not None:
            reset_states(self._built.module)

    def count_params(self) -> int:
        """Number of weight elements."""
        from spec_compiler.summary import count

        return count(self.graph).total

    @property
    def trainable(self) -> bool:
        """Whether training changes the model's weights; setting it sets it for every layer."""
        return self.spec.trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self.spec.trainable = value
        for layer in self.spec.walk():
            layer.trainable = value

    # Reading and writing

    def summary(
        self,
        line_length: int | None = None,
        positions: list[float] | None = None,
        print_fn: Callable[[str], Any] | None = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Sequence[str] | None = None,
    ) -> None:
        """Print the table of layers, output shapes and parameter counts; see `spec_compiler.summary`."""
        from spec_compiler.summary import summary

        summary(self.graph, print_fn or print, line_length, positions, expand_nested, show_trainable, layer_range)

    def get_config(self) -> dict[str, Any]:
        """The architecture as Keras 3's config: plain data that `from_config` takes."""
        from spec_compiler.dialects.write import as_it_is

        config: dict[str, Any] = as_it_is(self.spec)["config"]
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Self:
        """The model that `get_config` gave `config` for, with new weights. Raises SpecError when it has a fault."""
        from spec_compiler.loading import load_spec

        if not isinstance(config, (Mapping, list)):  # Keras 1's Sequential had a list
            raise TypeError(f"from_config() takes what get_config() gives, got {show(config)}")
        kind = "Sequential" if "input_layers" not in config else "Functional"
        with also_known(custom_objects):
            return cls.from_spec(load_spec({"class_name": kind, "config": config}))  # type: ignore[return-value]

    def to_json(self, dialect: str = "keras3", **kwargs: Any) -> str:
        """The architecture as JSON; `dialect` is `keras3`, `keras2` or `short`, and `kwargs` go to `json.dumps`."""
        from spec_compiler.dialects.write import to_json

        return to_json(self.spec, dialect, **kwargs)

    def to_yaml(self, dialect: str = "keras3") -> str:
        """The architecture as YAML; `dialect` is `keras3`, `keras2` or `short`."""
        from spec_compiler.dialects.write import to_yaml

        return to_yaml(self.spec, dialect)

    def save(self, filepath: str | Path, overwrite: bool = True) -> None:
        """Write spec, training and weights to one `.safetensors` file, which `load_model` reads."""
        from spec_compiler.runtime.saving import save

        save(self, filepath, overwrite)

    def save_weights(self, filepath: str | Path, overwrite: bool = True) -> None:
        """Write the weights alone to a `.safetensors` file."""
        from spec_compiler.runtime.saving import save_weights

        save_weights(self, filepath, overwrite)

    def load_weights(self, filepath: str | Path) -> None:
        """Read weights that `save` or `save_weights` wrote. Raises SpecError when they are another model's."""
        from spec_compiler.runtime.saving import load_weights

        load_weights(self, filepath)

    def export(self, filepath: str | Path, format: str = "torch", verbose: bool | None = None) -> None:
        """Write the computation to a `.pt2` file, which `torch.export.load` reads without this package.

        It takes the inputs in their order, in batches of any size; the steps of recurrent layers that the model leaves
        open are 32, as torch keeps no loop of open length. Unless `verbose` is False, the path is printed. Raises
        ValueError for any other format.
        """
        from spec_compiler.runtime.exporting import export

        export(self, filepath, format)
        if verbose is not False:
            print(f"Saved artifact at '{filepath}'.")

    def emit(self) -> str:
        """The model as standalone PyTorch source."""
        from spec_compiler.codegen import emit

        return emit(self._ensure_built().lowered)

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy is of what makes the model up, with weights of its own: layers know their models, and those the layers.
        from spec_compiler.runtime.copying import restored, state_of

        return restored, (state_of(self),)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"


class _Whole:
    """A model's own binding, where it is a layer of another."""

    inside = False

    def __init__(self, built: Built) -> None:
        self.built = built

    def weights(self, layer: LayerSpec) -> list[Weight]:
        return self.built.weights

    def get_weights(self, layer: LayerSpec) -> list[np.ndarray[Any, Any]]:
        return get_weights(self.built.weights)

    def set_weights(self, layer: LayerSpec, values: list[Any]) -> None:
        set_weights(self.built.weights, values, f"model '{layer.name}'")


def _as_model(spec: ModelSpec) -> Model:
    return spec._model if spec._model is not None else Model.from_spec(spec)
