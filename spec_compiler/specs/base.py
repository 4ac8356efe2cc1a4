"""What every stated thing has in common: a pydantic class that is schema, authoring object and config at once."""

# No `from __future__ import annotations`: pydantic evaluates every class's annotations, inherited ones again for each.
import inspect
from collections.abc import Mapping
from copy import copy
from inspect import Signature
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, PrivateAttr

from spec_compiler.diagnostics import show
from spec_compiler.specs import authoring
from spec_compiler.specs.shapes import Shape, Shapes, TensorType
from spec_compiler.specs.types import DType, Layout, kept_as

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass

    from spec_compiler.specs.model import ModelSpec
    from spec_compiler.specs.regularizers import Regularizer
    from spec_compiler.specs.variable import Variable
else:
    ModelMetaclass = type(BaseModel)  # it has no public name


class SpecClass(ModelMetaclass):
    """The class of spec classes: `help` and editors see the arguments, in the order they may be given."""

    @property
    def __signature__(cls) -> Signature:
        return authoring.signature(cls)  # type: ignore[arg-type]  # every class of this kind is a SpecObject

    @__signature__.setter
    def __signature__(cls, value: Any) -> None:
        """Leave out pydantic's, which is that of `__init__`."""


class SpecObject(BaseModel, metaclass=SpecClass):
    """A class and its arguments, as a file states them. Field names and defaults are Keras 3's."""

    model_config = ConfigDict(extra="forbid", defer_build=True, validate_assignment=True, protected_namespaces=())

    kind: ClassVar[str]
    """Which closed table the class belongs to (`layer`, `initializer`, …)."""

    called: ClassVar[str] = ""
    """What messages call the class where Keras has none of its name; empty: the class's name."""

    trusts_defaults: ClassVar[bool] = False
    """Whether an object made without arguments is taken unvalidated: its defaults are right as they stand."""

    positional: ClassVar[tuple[str, ...]] = ()
    """Fields that may be given by position, in Keras's order; empty: all, in the order they are stated."""

    _path = PrivateAttr(default=())  # type: tuple[str | int, ...]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        authoring.construct(self, args, kwargs)

    # Files go through `model_validate`, which need not pass here: positions and Keras's extra arguments are Python's.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @property
    def class_name(self) -> str:
        """What Keras calls the class: its name in a file and in a summary."""
        return type(self).__name__

    @property
    def path(self) -> tuple[str | int, ...]:
        """Where in its document the object stands; empty for one made in Python."""
        return self._path

    def get_config(self) -> dict[str, Any]:
        """The arguments as Keras 3 writes them: plain data, nested objects serialized."""
        from spec_compiler.specs.serialization import config_of

        return config_of(self)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The object that `get_config` gave `config` for. Raises SpecError naming every fault."""
        if not isinstance(config, Mapping):
            raise TypeError(f"{cls.__name__}.from_config() takes a mapping of arguments, got {show(config)}")
        with authoring.faults_said(cls):
            return cls.model_validate(dict(config))

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        fields = type(self).model_fields
        stated = [(name, value) for name, value in self.__dict__.items() if value != fields[name].default]
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in stated)})"

    __str__ = __repr__


MaskRule = Literal["none", "first", "steps", "computed"]


class FrozenSpec(SpecObject):
    """An object that is a value: initializers, regularizers, losses, …; one instance may stand in many places."""

    model_config = ConfigDict(frozen=True)


class LayerSpec(SpecObject):
    """One layer: its arguments, and what follows from them and the input shapes without computing anything."""

    kind = "layer"

    name: str | None = None
    """The layer's name, unique in its model; left out, one is made from the class name."""
    trainable: bool = True
    """Whether training changes the layer's weights."""
    dtype: DType = "float32"
    """The dtype policy: `float32`, `float64`, `mixed_bfloat16`, …"""

    supports_masking: ClassVar[bool] = False
    """Whether a mask that comes in goes out again, as Keras's attribute of that name says."""

    takes_list: ClassVar[bool] = False
    """Whether several inputs come as one list (merging layers), not as positional arguments."""

    autocasts: ClassVar[bool] = True
    """Whether floats that come in are cast to the dtype that the layer computes in; operations take them as they are."""

    needs_floats: ClassVar[bool] = False
    """Whether the layer can compute in a dtype of floating-point numbers alone."""

    unstated: ClassVar[tuple[str, ...]] = ()
    """Fields that Keras's `get_config()` leaves out where they have their default."""

    layer_fields: ClassVar[tuple[str, ...]] = ()
    """Fields that hold a layer or a list of them (wrappers, cells)."""

    changes_inside: ClassVar[bool] = False
    """Whether a call in training changes the weights of the layers inside."""

    has_parts: ClassVar[bool] = False
    """Whether Keras has the weights in layers that it makes inside: `trainable`, where set, reaches them, where given not."""

    @property
    def keras_module(self) -> str | None:
        """The module Keras names for the class, registered under its own name; None: `keras.layers`, and not so."""
        return None

    @property
    def keras2_masks(self) -> bool:
        """Whether masks are merged, and pass states by, as in Keras 2: read from its files, and written in them alone.

        In files of Keras 3.0 to 3.3 merging layers compute so too, and until 3.9 Softmax does.

        Softmax is Keras 2's under a mask, SpectralNormalization has its weights in Keras 2's order, and a TimeDistributed
        runs all steps as one batch in everything, too.
        """
        return self._keras2_masks

    @property
    def drops_masks(self) -> bool:
        """Whether the output bears no mask, whatever the inputs bear: in files of Keras 3.0 to 3.3, of what takes a list."""
        return self._drops_masks

    @property
    def puts_trained_first(self) -> bool:
        """Whether what trains of the layer, and of what it has inside, comes before all weights that do not.

        In files of Keras 2 it does in every layer but, since TensorFlow 1.14, models; in Keras 3 each layer inside keeps
        its own together.
        """
        return self._puts_trained_first

    # Types stand in comments, because pydantic looks at annotations again for every class below this one.
    _keras2_masks = PrivateAttr(default=False)  # type: bool
    _drops_masks = PrivateAttr(default=False)  # type: bool
    _puts_trained_first = PrivateAttr(default=False)  # type: bool
    _registered_as = PrivateAttr(default=None)  # type: tuple[str | None, str] | None
    """The module and the registered name of a class of the user's own, where a file states them."""
    _calls = PrivateAttr(default=[])  # type: list[Any]  # pydantic copies it
    _bound = PrivateAttr(default=None)  # type: Any
    _owner = PrivateAttr(default=None)  # type: Any
    _batch_input_shape = PrivateAttr(default=None)  # type: Shape | None
    _parts_frozen = PrivateAttr(default=False)  # type: bool
    """Whether the layers that Keras makes inside do not train either."""

    def __copy__(self) -> Self:
        """A layer of the same arguments, called nowhere and without weights."""
        copied = super().__copy__()
        copied._calls, copied._bound, copied._owner = [], None, None
        return copied

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """The same, and such copies of the layers within."""
        return super(LayerSpec, copy(self)).__deepcopy__(memo)

    def __getstate__(self) -> dict[Any, Any]:
        # A pickled layer is such a copy too.
        return super(LayerSpec, copy(self)).__getstate__()

    def __setattr__(self, name: str, value: Any) -> None:
        """Set a field. As in Keras, `trainable` is set of all layers within, too; nothing else changes by that."""
        if name != "trainable":
            super().__setattr__(name, value)
            return
        from spec_compiler.specs.model import ModelSpec, inside

        self.__dict__["trainable"] = bool(value)
        self._parts_frozen = not value
        self.__pydantic_fields_set__.add("trainable")
        for layer in inside(self):
            layer.trainable = value
            for member in layer.walk() if isinstance(layer, ModelSpec) else ():
                member.trainable = value

    def infer_shape(self, *inputs: Any, **kwargs: Any) -> Shapes:
        """Shape of the output for inputs of the shapes given (a list of shapes for a list of inputs).

        A tuple is one shape, batch axis first and None where unknown; a list of tuples, several outputs. Raises
        ShapeError when the layer cannot take such an input.
        """
        return inputs[0]  # type: ignore[no-any-return]

    def output_types(self, args: Any, kwargs: dict[str, Any]) -> TensorType | list[TensorType] | None:
        """Type of the output, or of each of several, of a layer that needs more than shapes to tell; None: of others.

        The call's arguments hold a TensorType where they hold a tensor. Raises ShapeError as `infer_shape` does, which
        is not asked where this answers.
        """
        return None

    def intermediates(self, *inputs: Any, **kwargs: Any) -> list[Shape]:
        """Shapes of what is made on the way to the output and may be larger than it and the weights: scores of attention.

        Called as `infer_shape` is, once that has passed; with types as `output_types` where that answers. The budget
        counts them.
        """
        return []

    def variables(self, *inputs: Any, **kwargs: Any) -> "list[Variable]":
        """The weights that inputs of these shapes give the layer, in the order of Keras's `get_weights()`."""
        return []

    def output_dtype(self, *dtypes: str) -> str:
        """Dtype of the output."""
        return self.compute_dtype

    @property
    def takes_one_input(self) -> bool:
        """Whether the layer can be called on one tensor alone."""
        parameters = list(inspect.signature(self.infer_shape).parameters.values())
        needed = [p for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
        return len(needed) <= 1 and not self.takes_list

    @property
    def steps_apart(self) -> bool:
        """Whether training takes the batch as a whole, so that steps that are run as one batch must be told apart."""
        return False

    @property
    def takes_integers(self) -> bool:
        """Whether whole numbers come in as they are, as ids do; else they become the floats that come out."""
        return False

    def layout(self, rank: int) -> Layout:
        """The order of axes the layer wants for an input of `rank` axes: Keras's, channels first, or any."""
        return "keras"

    def output_mask(self, masked: tuple[bool, ...]) -> MaskRule:
        """The output's mask, given which of the inputs have one: none, the first input's, or one of its own.

        "steps" is the first input's too, unless that has more axes than `computed_mask` says: then one is computed.
        """
        return "first" if self.supports_masking and any(masked) else "none"

    @property
    def output_regularizer(self) -> "Regularizer | None":
        """The penalty on the outputs, added to the loss."""
        return getattr(self, "activity_regularizer", None)

    def mask_axes(self, x: Shape, index: int, rank: int) -> Shape | None:
        """The shape that a mask of the input `index`, which has shape `x`, must have; None: the layer does not read it.

        `rank` is the mask's number of axes, for layers that follow masks of several.
        """
        return None

    def computed_mask(self, inputs: list[Shape], masks: list[Shape | None]) -> Shape:
        """Shape of the mask that the layer makes, where `output_mask` says `computed`, from its inputs' shapes and masks'.

        Raises ShapeError where the masks cannot meet.
        """
        return inputs[0][:-1]

    @property
    def masked_outputs(self) -> int:
        """How many of the outputs, counted from the first, bear the mask that `output_mask` says."""
        return 1

    @property
    def nested_model(self) -> "ModelSpec | None":
        """The model whose graph the layer runs: itself, where it is one, or the one that it runs at every step."""
        return None

    @property
    def trains(self) -> bool:
        """Whether training changes the weights, as far as the layer has the say: where it lists none as trainable, too."""
        return self.trainable or (self.has_parts and not self._parts_frozen)

    @property
    def compute_dtype(self) -> str:
        """What the policy computes in: `bfloat16` for `mixed_bfloat16`."""
        return kept_as(self.dtype.removeprefix("mixed_"))

    @property
    def variable_dtype(self) -> str:
        """What the policy keeps weights in: `float32` for the mixed ones."""
        return "float32" if self.dtype.startswith("mixed_") else kept_as(self.dtype)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Place the layer in a graph: symbolic tensors in (`Input(...)`), symbolic tensors out."""
        return authoring.call(self, args, kwargs)

    @property
    def output(self) -> Any:
        """The symbolic output of the layer's first call. Raises AttributeError before there is one."""
        if not self._calls:
            raise AttributeError(f"layer '{self.name}' has not been called, so it has no output")
        return self._calls[0].outputs

    @property
    def input(self) -> Any:
        """The symbolic input of the layer's first call. Raises AttributeError before there is one."""
        if not self._calls:
            raise AttributeError(f"layer '{self.name}' has not been called, so it has no input")
        args = self._calls[0].args
        return args[0] if len(args) == 1 else args

    def _weights(self) -> Any:
        """Where the weights are, once the model that the layer belongs to can make them; else None."""
        if self._bound is None and self._owner is not None and self._owner.built:
            self._owner.build()
        return self._bound

    def _built_weights(self) -> Any:
        bound = self._weights()
        if bound is None:
            raise ValueError(f"layer '{self.name}' has no weights yet: build the model it belongs to first")
        return bound

    @property
    def built(self) -> bool:
        """Whether the layer's weights exist, or are made as soon as they are asked for."""
        return self._bound is not None or (self._owner is not None and self._owner.built)

    @property
    def weights(self) -> list[Any]:
        """The layer's weights in Keras's order, each with `name`, `path`, `shape`, `numpy()` and `assign(value)`."""
        bound = self._weights()
        return [] if bound is None else bound.weights(self)

    @property
    def trainable_weights(self) -> list[Any]:
        """The weights that training changes."""
        return [weight for weight in self.weights if weight.trainable] if self.trainable else []

    @property
    def non_trainable_weights(self) -> list[Any]:
        """The other weights: all of a frozen layer's, moving statistics and their like of others."""
        return [weight for weight in self.weights if not (self.trainable and weight.trainable)]

    def get_weights(self) -> list[Any]:
        """The layer's weights as numpy arrays, in Keras's order and layout; [] before the layer is built."""
        bound = self._weights()
        return [] if bound is None else bound.get_weights(self)

    def set_weights(self, weights: list[Any]) -> None:
        """Take `weights`, numpy arrays in the order and layout of `get_weights()`."""
        self._built_weights().set_weights(self, weights)

    def _reset_states(self) -> None:
        """Have a built recurrent layer start its next batch from states of zeros."""
        if self._bound is not None:
            self._bound.reset_states()

    def count_params(self) -> int:
        """Number of weight elements; raises ValueError before the layer is built."""
        return sum(w.size for w in self._built_weights().get_weights(self))


def single(shape: Shapes) -> Shape:
    """The one shape that `shape` is; for layers with one input."""
    if isinstance(shape, list):
        raise TypeError(f"expected one shape, got {shape}")
    return shape
