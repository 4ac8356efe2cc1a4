"""Operations as nodes of a graph: arithmetic and function calls that a functional model holds without a layer."""

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Self

from pydantic import model_validator

from spec_compiler.specs.base import LayerSpec, MaskRule
from spec_compiler.specs.layers.ops_table import Operation, find, is_type
from spec_compiler.specs.layers.ops_types import Array, array_of
from spec_compiler.specs.serialization import plain
from spec_compiler.specs.shapes import DTypeError, Shape, ShapeError, TensorType, TooLargeError, product, show
from spec_compiler.specs.types import MAX_SIZE, Layout


class OpSpec(LayerSpec):
    """One operation of `keras.ops`: `OpSpec(op="Sum", arguments={"axis": 1})` adds up along axis 1."""

    op: str
    """Keras's class of the operation, in the table of `ops_table`."""
    arguments: dict[str, Any] = {}
    """The class's arguments as stated, those of Keras's `config`."""

    takes_list: ClassVar[bool] = False
    autocasts: ClassVar[bool] = False

    @model_validator(mode="after")
    def _known(self) -> Self:
        operation = find(self.op)
        if operation is None:
            raise ValueError(f"there is no operation '{self.op}'")
        _, faults = operation.checked(self.arguments)
        if faults:
            raise ValueError("; ".join(message for _, message in faults))
        return self

    @property
    def operation(self) -> Operation:
        """What the table says of it."""
        operation = find(self.op)
        assert operation is not None
        return operation

    @property
    def settings(self) -> dict[str, Any]:
        """The class's arguments, those left out with their defaults."""
        return self.operation.checked(self.arguments)[0]

    @property
    def class_name(self) -> str:
        return self.op

    @property
    def keras_module(self) -> str | None:
        return self.operation.module

    def get_config(self) -> dict[str, Any]:
        """The name and the arguments, as Keras 3 writes them."""
        return {**({} if self.operation.nameless else {"name": self.name}), **plain(self.arguments)}

    def output_types(self, args: Any, kwargs: dict[str, Any]) -> TensorType | list[TensorType]:
        operation = self.operation
        try:
            inputs = operation.bound(args, kwargs, is_type)
            if not operation.takes_complex and any(x.dtype == "complex64" for x in _numbers_in(inputs.values())):
                help = "take their real or imaginary part, or the absolute value"
                raise DTypeError("it takes no complex numbers", help=help)
            types = operation.call(inputs, self.settings)
        except ShapeError as error:
            raise type(error)(f"{self.op}: {error}", error.help) from None
        for one in types if isinstance(types, list) else [types]:
            _require_bounded(one.shape, self.op)
        return types  # type: ignore[no-any-return]

    def intermediates(self, *args: Any, **kwargs: Any) -> list[Shape]:
        operation = self.operation
        return operation.intermediates(operation.bound(args, kwargs, is_type), self.settings)

    def infer_shape(self, *inputs: Any, **kwargs: Any) -> Any:
        raise TypeError("an operation's output hangs on its inputs' dtypes too: see output_types")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Place the operation in a graph; arrays among the arguments become constants of the model."""
        args, kwargs = _constants((args, kwargs))
        return super().__call__(*args, **kwargs)

    def layout(self, rank: int) -> Layout:
        rule = self.operation.layout
        return rule(rank, self.settings) if callable(rule) else rule

    def output_mask(self, masked: tuple[bool, ...]) -> MaskRule:
        return "none"


def _constants(value: Any) -> Any:
    """`value` with an Array in the place of each array of numpy's or tensor of torch's."""
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        dtype = str(value.dtype)
        written_as = "__tensor__" if dtype.startswith("torch.") else "__numpy__"
        return array_of(value.tolist(), dtype.removeprefix("torch."), written_as)
    if isinstance(value, (list, tuple)):
        return type(value)(_constants(item) for item in value)
    return {key: _constants(item) for key, item in value.items()} if isinstance(value, dict) else value


def _numbers_in(values: Iterable[Any]) -> Iterator[TensorType | Array]:
    """The tensors and constants among the inputs of a call."""
    for value in values:
        if isinstance(value, (TensorType, Array)):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _numbers_in(value)


def _require_bounded(shape: Shape, op: str) -> None:
    size = product(n for n in shape if n is not None)
    if size is not None and size > MAX_SIZE:
        raise TooLargeError(f"{op}: an output of shape {show(shape)} has more than {MAX_SIZE} elements")
