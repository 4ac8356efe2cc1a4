"""One weight of a layer, as Keras has it."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from spec_compiler.specs.base import LayerSpec, SpecObject

if TYPE_CHECKING:
    from spec_compiler.specs.constraints import Constraint
    from spec_compiler.specs.initializers.base import Initializer
    from spec_compiler.specs.regularizers import Regularizer


@dataclass(frozen=True, slots=True)
class Variable:
    """One weight of a layer, in Keras's order and layout."""

    name: str
    """Relative to the layer: `kernel`, or `forward_layer/kernel` inside a wrapper."""
    shape: tuple[int, ...]
    initializer: "Initializer"
    regularizer: "Regularizer | None" = None
    constraint: "Constraint | None" = None
    trainable: bool = True
    dtype: str | None = None
    """None: the layer's variable dtype."""
    within: tuple[LayerSpec, ...] = field(default=(), compare=False)
    """The layers inside the layer that it is a weight of, outermost first."""
    own_name: str = field(default="", compare=False)
    """Its name relative to the innermost of those; empty: `name`."""

    def __post_init__(self) -> None:
        if self.initializer is None:
            from spec_compiler.specs.initializers.fans import GlorotUniform

            # Keras's own for a weight that is given none.
            object.__setattr__(self, "initializer", GlorotUniform())
        for kind in ("initializer", "regularizer", "constraint"):
            value = getattr(self, kind)
            if value is not None and not isinstance(value, SpecObject):
                from spec_compiler.specs.public import get

                # A layer of the user's own may name it, as its arguments do.
                object.__setattr__(self, kind, get(kind, value, f"weight '{self.name}'"))

    def trains_in(self, layer: LayerSpec) -> bool:
        """Whether training changes it, a weight of `layer`: as the innermost layer says, whatever those around it say."""
        return self.trainable and self.owner_in(layer).trains

    def owner_in(self, layer: LayerSpec) -> LayerSpec:
        """The layer that it is a weight of: `layer`, or one inside that."""
        return self.within[-1] if self.within else layer

    def key_in(self, layer: LayerSpec) -> tuple[int, str]:
        """What it is known by wherever its owner stands, in another wrapper, in another model, or alone."""
        return id(self.owner_in(layer)), self.own_name or self.name

    def inside(self, layer: LayerSpec, prefix: str, **changes: Any) -> "Variable":
        """The same, a weight of `layer`, as one of the layer around that, which has it under `prefix`."""
        name = f"{prefix}/{self.name}" if prefix else self.name
        return replace(self, name=name, within=(layer, *self.within), own_name=self.own_name or self.name, **changes)

    @property
    def size(self) -> int:
        """Number of elements."""
        n = 1
        for d in self.shape:
            n *= d
        return n
