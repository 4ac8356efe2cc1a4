"""A whole model as data: layers in a row, or a graph of calls. A model is a layer too, so models nest."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

from pydantic import PrivateAttr

from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.shapes import Shape
from spec_compiler.specs.types import LayerField

if TYPE_CHECKING:
    from spec_compiler.specs.training import TrainingSpec


class Ref(NamedTuple):
    """Output `tensor` of the `node`-th call of the layer named `layer`, as Keras counts them."""

    layer: str
    node: int = 0
    tensor: int = 0


@dataclass(slots=True)
class CallSpec:
    """One call of a layer: arguments that are Refs, plain data, or lists, tuples and dicts of them."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)
    path: tuple[str | int, ...] = field(default=(), compare=False)
    """Where in its document the call stands."""


class Placed(NamedTuple):
    """A layer of a functional model and the calls made of it, in Keras's order."""

    layer: LayerSpec
    calls: list[CallSpec]


@dataclass(frozen=True, slots=True)
class Origin:
    """What wrote the document: for messages, and for writing the same back."""

    dialect: str
    keras_version: str | None = None
    backend: str | None = None
    document: dict[str, Any] | None = field(default=None, compare=False, repr=False)
    """A model in Keras 3's own form, unwrapped, which is written word for word while the model is what it says."""


class ModelSpec(LayerSpec):
    """A model: a layer whose computation is made of layers."""

    supports_masking: ClassVar[bool] = True

    _training: Any = PrivateAttr(default=None)
    _origin: Origin | None = PrivateAttr(default=None)
    _model: Any = PrivateAttr(default=None)

    def __copy__(self) -> Self:
        copied = super().__copy__()
        copied._model = None
        return copied

    @property
    def training(self) -> "TrainingSpec | None":
        """How to train it: what `compile` and `fit` take; None where the document does not say."""
        return self._training  # type: ignore[no-any-return]

    @training.setter
    def training(self, training: "TrainingSpec | None") -> None:
        self._training = training

    @property
    def origin(self) -> Origin | None:
        """What wrote the document the model was read from; None for one made in Python."""
        return self._origin

    @property
    def nested_model(self) -> "ModelSpec | None":
        return self

    def members(self) -> list[LayerSpec]:
        """The model's layers, in the document's order, nested models as one."""
        raise NotImplementedError

    def walk(self) -> Iterator[LayerSpec]:
        """Every layer, those of nested models and inside wrappers included, parents first."""
        stack = [iter(self.members())]
        while stack:
            layer = next(stack[-1], None)
            if layer is None:
                stack.pop()
                continue
            yield layer
            inner = layer.members() if isinstance(layer, ModelSpec) else list(inside(layer))
            if inner:
                stack.append(iter(inner))


class SequentialSpec(ModelSpec):
    """Layers in a row. The first may be an InputLayer; without one, the first batch gives the input's shape."""

    layers: list[LayerField] = []

    _build_input_shape: Shape | None = PrivateAttr(default=None)

    @property
    def build_input_shape(self) -> Shape | None:
        """The input shape Keras had built the model with, batch axis first; it counts where no layer states one."""
        return self._build_input_shape

    def members(self) -> list[LayerSpec]:
        """The layers in order, InputLayer included."""
        return self.layers


class FunctionalSpec(ModelSpec):
    """A graph of layer calls."""

    placed: list[Any] = []
    """`Placed` layers, in the document's order."""
    inputs: Any = None
    """A Ref, or a list, tuple or dict of Refs: what the model takes."""
    outputs: Any = None
    """A Ref, or a list, tuple or dict of Refs: what it returns."""

    _as_read: Any = PrivateAttr(default=None)
    """How the file stated it, where that differs: calls of TensorFlow's functions, for writing them back."""

    def members(self) -> list[LayerSpec]:
        """The layers, InputLayers included."""
        return [placed.layer for placed in self.placed]


def inside(layer: LayerSpec) -> Iterator[LayerSpec]:
    """The layers that `layer` wraps: `Bidirectional.layer`, the cells of an RNN."""
    for name in layer.layer_fields:
        value = getattr(layer, name)
        if isinstance(value, LayerSpec):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from (item for item in value if isinstance(item, LayerSpec))


def all_inside(layer: LayerSpec) -> Iterator[LayerSpec]:
    """The layers that `layer` wraps, those that they wrap, and so on."""
    for one in inside(layer):
        yield one
        yield from all_inside(one)


def refs_in(structure: Any) -> Iterator[Ref]:
    """Every Ref in a structure of lists, tuples and dicts, in order."""
    if isinstance(structure, Ref):
        yield structure
    elif isinstance(structure, (list, tuple)):
        for item in structure:
            yield from refs_in(item)
    elif isinstance(structure, dict):
        for item in structure.values():
            yield from refs_in(item)


def map_refs(f: Any, structure: Any) -> Any:
    """`structure` with `f` applied to every Ref in it."""
    if isinstance(structure, Ref):
        return f(structure)
    if isinstance(structure, (list, tuple)):
        return type(structure)(map_refs(f, item) for item in structure)
    if isinstance(structure, dict):
        return {key: map_refs(f, item) for key, item in structure.items()}
    return structure
