"""Layers around a layer."""

from typing import Any, ClassVar, Literal, Self

from pydantic import model_validator

from spec_compiler.specs.base import LayerSpec, MaskRule
from spec_compiler.specs.model import ModelSpec, all_inside
from spec_compiler.specs.shapes import Shape, ShapeError, Shapes, require_min_rank, show
from spec_compiler.specs.types import LayerField
from spec_compiler.specs.variable import Variable

MergeMode = Literal["sum", "mul", "concat", "ave"]

COMMON = ("stateful", "return_sequences", "return_state")
"""What the two directions of a Bidirectional must have in common."""


def within(name: str, layer: LayerSpec, variables: list[Variable]) -> list[Variable]:
    """Variables of `layer`, as those of the layer around it: under `name`, and trained only where `layer` is."""
    return [variable.inside(layer, name) for variable in variables]


class Bidirectional(LayerSpec):
    """Run a recurrent layer over the steps both ways and merge the two outputs, Schuster & Paliwal 1997."""

    layer: LayerField
    """The recurrent layer, which goes forward."""
    merge_mode: MergeMode | None = "concat"
    """How the two outputs become one; null: both are returned."""
    backward_layer: LayerField | None = None
    """The layer that goes backwards; left out, one like `layer`."""

    layer_fields = ("layer", "backward_layer")
    positional = ("layer", "merge_mode", "weights", "backward_layer")
    supports_masking: ClassVar[bool] = True

    @model_validator(mode="before")
    @classmethod
    def _no_weights(cls, config: Any) -> Any:
        # Keras 1 gave layers their first weights this way, and Keras 3 still takes the argument here.
        if isinstance(config, dict) and "weights" in config:
            config = dict(config)
            if config.pop("weights") is not None:
                raise ValueError("first weights cannot be given here: use set_weights() on the built layer")
        return config

    @model_validator(mode="after")
    def _directions(self) -> Self:
        for layer in (self.layer, self.backward_layer):
            if layer is not None and not all(hasattr(layer, name) for name in (*COMMON, "go_backwards")):
                raise ValueError(f"expected a recurrent layer, got {type(layer).__name__}")
        forward, backward = self.layer, self.backward_layer
        name = forward.name or "layer"
        if backward is None:
            backward = _turned(forward, f"backward_{name.removeprefix('backward_')}", go_backwards=True)
        if forward.go_backwards == backward.go_backwards:
            raise ValueError(f"one layer must go backwards and one not, both have go_backwards={forward.go_backwards}")
        for field in COMMON:
            if getattr(forward, field) != getattr(backward, field):
                raise ValueError(f"the two layers must agree on {field}, forward has {getattr(forward, field)}")
        # Keras wraps a copy under a name of its own, and lets masked steps count for nothing in every output; a backward
        # layer that it is given it keeps.
        if hasattr(backward, "zero_output_for_mask"):
            backward.__dict__["zero_output_for_mask"] = backward.return_sequences
        forward = _turned(forward, f"forward_{name.removeprefix('forward_')}")
        self.__dict__ |= {"layer": forward, "backward_layer": backward}
        return self

    @property
    def forward_layer(self) -> Any:
        """Keras's name for `layer`."""
        return self.layer

    @property
    def directions(self) -> tuple[Any, Any]:
        """The forward and the backward layer."""
        return self.layer, self.backward_layer

    def infer_shape(self, sequences: Shape, initial_state: Any = None, *states: Shape) -> Shapes:
        starts = halves(initial_state, states)
        forward, backward = (
            layer.infer_shape(sequences, *([] if start is None else [start]))
            for layer, start in zip(self.directions, starts, strict=True)
        )
        kept: list[Shape] = []
        if self.layer.return_state:
            (forward, *kept), (backward, *more) = forward, backward
            kept += more
        if self.merge_mode == "concat" and forward[:-1] == backward[:-1]:
            merged = [(*forward[:-1], forward[-1] + backward[-1])]
        elif self.merge_mode is None:
            merged = [forward, backward]
        elif forward == backward:
            merged = [forward]
        else:
            message = f"outputs of shapes {show(forward)} and {show(backward)} cannot be merged by '{self.merge_mode}'"
            help = None if self.merge_mode == "concat" else "use merge_mode 'concat', or layers of the same size"
            raise ShapeError(message, help)
        outputs = merged + kept
        return outputs if len(outputs) > 1 else outputs[0]

    def intermediates(self, sequences: Shape, *_: Any, **__: Any) -> list[Shape]:
        return [shape for layer in self.directions for shape in layer.intermediates(sequences)]

    def variables(self, sequences: Shape, *_: Any, **__: Any) -> list[Variable]:
        forward, backward = (layer.variables(sequences) for layer in self.directions)
        return within("forward_layer", self.layer, forward) + within("backward_layer", self.directions[1], backward)

    def reset_states(self) -> None:
        """Start the next batch from states of zeros, where the layer is stateful."""
        self._reset_states()

    def reset_state(self) -> None:
        """The same, by Keras's other name."""
        self._reset_states()

    def mask_axes(self, x: Shape, index: int, rank: int) -> Shape | None:
        return self.layer.mask_axes(x, index, rank)  # type: ignore[no-any-return]

    def output_mask(self, masked: tuple[bool, ...]) -> MaskRule:
        return self.layer.output_mask(masked)  # type: ignore[no-any-return]

    @property
    def masked_outputs(self) -> int:
        """Both outputs bear the mask where they are not merged."""
        return 2 if self.merge_mode is None else 1


def _turned(layer: Any, name: str | None, **update: Any) -> Any:
    """A copy of a recurrent layer, its cells' included, under another name."""
    update |= {field: copied(getattr(layer, field)) for field in layer.layer_fields}
    if hasattr(layer, "zero_output_for_mask"):
        update["zero_output_for_mask"] = layer.return_sequences
    return layer.model_copy(update={"name": name, **update})


def copied(layers: Any) -> Any:
    """Copies of a layer, or of a list of them, and of all within."""
    if isinstance(layers, list):
        return [copied(layer) for layer in layers]
    return layers.model_copy(update={field: copied(getattr(layers, field)) for field in layers.layer_fields})


def halves(initial_state: Any, states: tuple[Any, ...] = ()) -> tuple[Any, Any]:
    """The states that the two directions start from; None twice where there are none."""
    if initial_state is None:
        return None, None
    listed = list(initial_state) if isinstance(initial_state, list) or states == () else [initial_state]
    given = [*listed, *states]
    if len(given) % 2:
        raise ShapeError(f"Bidirectional takes the states of both directions, is called with {len(given)}")
    return given[: len(given) // 2], given[len(given) // 2 :]


class TimeDistributed(LayerSpec):
    """Apply a layer, or a model, to every step on its own: (batch, steps, ...) -> (batch, steps, ...).

    The steps are computed as one large batch. What training takes of a batch as a whole, as a BatchNormalization's statistics,
    it takes of one step after another, as Keras 3 does, but in models of Keras 2, which takes it of all at once.
    """

    layer: LayerField
    """The layer."""

    layer_fields = ("layer",)
    supports_masking: ClassVar[bool] = True

    @model_validator(mode="after")
    def _one_input(self) -> Self:
        if getattr(self.layer, "time_major", False) and not self.layer.return_sequences:
            raise ValueError("a layer with time_major must return sequences here, whose axes stand as the input's do")
        if not self.layer.takes_one_input:
            raise ValueError(f"expected a layer of one input, got {type(self.layer).__name__}")
        if self.layer.nested_model is not None and self.layer.nested_model is not self.layer:
            raise ValueError("a TimeDistributed model cannot be run at every step in its turn")
        for layer in (self.layer, *all_inside(self.layer), *(self.nested_model.walk() if self.nested_model else ())):
            if getattr(layer, "stateful", False):
                # Keras takes one step after another.
                raise ValueError(f"the states of '{layer.name}', which is stateful, would go from step to step")
        return self

    @property
    def takes_integers(self) -> bool:
        return self.layer.takes_integers  # type: ignore[no-any-return]

    @property
    def steps_apart(self) -> bool:
        return self.layer.steps_apart  # type: ignore[no-any-return]

    @property
    def nested_model(self) -> ModelSpec | None:
        return self.layer.nested_model  # type: ignore[no-any-return]

    def folded(self, x: Shape) -> Shape:
        """Shape of all steps of `x` as one batch, which is how a model runs over them."""
        require_min_rank(x, 3, "TimeDistributed")
        return (None, *x[2:])

    def infer_shape(self, x: Shape) -> Shape:
        require_min_rank(x, 3, "TimeDistributed")
        out = self.layer.infer_shape((x[0], *x[2:]))
        if isinstance(out, list):
            raise ShapeError(f"TimeDistributed takes a layer of one output, '{self.layer.name}' has {len(out)}")
        return (out[0], x[1], *out[1:])

    def intermediates(self, x: Shape, *_: Any, **__: Any) -> list[Shape]:
        found = self.layer.intermediates((x[0], *x[2:]))
        return [(shape[0], x[1], *shape[1:]) for shape in found]

    def mask_axes(self, x: Shape, index: int, rank: int) -> Shape | None:
        """Those of every step's mask, where the layer reads one that has the rank which is left to it."""
        own = None if self.nested_model else self.layer.mask_axes((x[0], *x[2:]), index, rank - 1)
        return (*x[:2], *own[1:]) if own is not None and len(own) == rank - 1 else None

    @property
    def makes_mask(self) -> bool:
        """Whether the layer at every step makes a mask of what it is called on, which Keras 2 alone has count."""
        inner = self.layer
        if isinstance(inner, TimeDistributed):
            return inner.makes_mask
        return inner.nested_model is None and inner.output_mask((False,)) == "computed"

    def computed_mask(self, inputs: list[Shape], masks: list[Shape | None]) -> Shape:
        if not self.makes_mask and not isinstance(self.layer, TimeDistributed):
            return inputs[0][:2]
        (batch, steps, *rest), *_ = inputs
        return (batch, steps, *self.layer.computed_mask([(batch, *rest)], [None])[1:])

    def output_mask(self, masked: tuple[bool, ...]) -> MaskRule:
        if not self.keras2_masks:
            return super().output_mask(masked)
        # Keras 2 asks the layer; where that has none, it keeps the steps that have something left.
        rule: MaskRule = "none" if self.nested_model is not None else self.layer.output_mask(masked)
        return "steps" if rule == "none" and any(masked) else rule

    def variables(self, x: Shape, *_: Any) -> list[Variable]:
        return within("", self.layer, self.layer.variables((x[0], *x[2:])))
