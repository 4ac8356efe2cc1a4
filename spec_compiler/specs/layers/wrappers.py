"""Layers around a layer."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import model_validator

from spec_compiler.specs.base import LayerSpec, MaskRule, Variable
from spec_compiler.specs.shapes import Shape, Shapes
from spec_compiler.specs.types import LayerField

MergeMode = Literal["concat", "sum", "mul", "ave"]


class Bidirectional(LayerSpec):
    """Run a recurrent layer over the steps both ways and merge the two outputs, Schuster & Paliwal 1997."""

    layer: LayerField
    """The recurrent layer."""
    merge_mode: MergeMode | None = "concat"
    """How the two outputs become one; null: both are returned."""
    backward_layer: LayerField | None = None
    """The layer that goes backwards; left out, `layer` turned round."""

    layer_fields = ("layer", "backward_layer")

    @model_validator(mode="after")
    def _directions(self) -> Bidirectional:
        if self.layer.kind != "layer" or not hasattr(self.layer, "go_backwards"):
            raise ValueError(f"expected a recurrent layer, got {type(self.layer).__name__}")
        return self

    @property
    def directions(self) -> tuple[Any, Any]:
        """The forward and the backward layer."""
        backward = self.backward_layer or self.layer.model_copy(update={"go_backwards": not self.layer.go_backwards})
        return self.layer, backward

    def infer_shape(self, x: Shape, **kwargs: Any) -> Shapes:
        forward, backward = (layer.infer_shape(x) for layer in self.directions)
        states: list[Shape] = []
        if self.layer.return_state:
            (forward, *states), (backward, *more) = forward, backward
            states += more
        if self.merge_mode is None:
            outputs = [forward, backward]
        elif self.merge_mode == "concat":
            outputs = [(*forward[:-1], forward[-1] + backward[-1])]
        else:
            outputs = [forward]
        outputs += states
        return outputs if len(outputs) > 1 else outputs[0]

    def variables(self, x: Shape, *_: Shape) -> list[Variable]:
        names = ("forward_layer", "backward_layer")
        return [
            Variable(f"{name}/{v.name}", v.shape, v.initializer, v.regularizer, v.constraint, v.trainable, v.dtype)
            for name, layer in zip(names, self.directions, strict=True)
            for v in layer.variables(x)
        ]

    def output_mask(self, masked: tuple[bool, ...]) -> MaskRule:
        return self.layer.output_mask(masked)  # type: ignore[no-any-return]
