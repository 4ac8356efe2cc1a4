"""The layers that tf.keras writes for calls of TensorFlow's functions, as they stand in a file; and written back."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from pydantic import PrivateAttr

from spec_compiler.diagnostics import INVALID_VALUE, UNSUPPORTED, Reporter, did_you_mean, show
from spec_compiler.dialects.constants import Constant
from spec_compiler.dialects.items import Item
from spec_compiler.dialects.tensorflow import node_def, raw, table
from spec_compiler.dialects.tensorflow.values import Refusal
from spec_compiler.specs.base import LayerSpec
from spec_compiler.specs.model import CallSpec, Ref, map_refs
from spec_compiler.specs.shapes import Shape

FUNCTIONS = ("TFOpLambda", "SlicingOpLambda")
"""Layers that name a function; TensorFlowOpLayer holds a raw operation."""


class TensorFlowCall(LayerSpec):
    """A layer of the file that calls a function of TensorFlow's; `translate` puts operations in its place."""

    function: str
    """The function, `math.reduce_mean`, or the raw operation, `Mean`."""

    _class_name: str = PrivateAttr(default="TFOpLambda")
    _config: dict[str, Any] = PrivateAttr(default_factory=dict)
    _attributes: dict[str, Any] = PrivateAttr(default_factory=dict)

    @property
    def class_name(self) -> str:
        return self._class_name

    @property
    def is_raw(self) -> bool:
        """Whether it holds a raw operation."""
        return self._class_name not in FUNCTIONS

    @property
    def attributes(self) -> dict[str, Any]:
        """A raw operation's attributes."""
        return self._attributes

    @property
    def constants(self) -> dict[int, Any]:
        """A raw operation's inputs that are constants, by their place among all inputs."""
        stated = self._config.get("constants")
        return {int(key): value for key, value in stated.items()} if isinstance(stated, dict) else {}

    def infer_shape(self, *inputs: Any, **kwargs: Any) -> Shape:
        raise TypeError("it is translated before shapes are asked for")

    def document(self) -> dict[str, Any]:
        """Class and arguments, as they were read."""
        return {"class_name": self._class_name, "config": self._config}


def read_layer(item: Item, name: str | None, reporter: Reporter) -> TensorFlowCall | None:
    """The layer that `item` states; None when a fault was reported, a function that is not in the table among them.

    `name` is its name in a functional model; None: it stands elsewhere.
    """
    config = item.config if isinstance(item.config, dict) else {}
    function, attributes = config.get("function"), {}
    home: ModuleType = table
    if item.named.class_name not in FUNCTIONS:
        try:
            found = node_def.read(config.get("node_def"))
        except Refusal as refusal:
            reporter.report(INVALID_VALUE, str(refusal), (*item.config_path, "node_def"))
            return None
        function, attributes, home = found.op, found.attributes, raw
    elif not isinstance(function, str):
        message = f"expected the name of a function of TensorFlow's, got {show(function)}"
        reporter.report(INVALID_VALUE, message, (*item.config_path, "function"))
        return None
    if home.find(function) is None:
        why = table.refusal(function)
        message = f"TensorFlow's operation {show(function)} cannot be built" + (f": {why}" if why else "")
        help = None if why else did_you_mean(function, home.names())
        reporter.report(UNSUPPORTED, message, item.path, help=help)
        return None
    if name is None:
        message = (
            f"TensorFlow's operation {show(function)} stands outside a functional model, where nothing says its inputs"
        )
        reporter.report(UNSUPPORTED, message, item.path)
        return None
    constants = config.get("constants")
    if constants is not None and not (isinstance(constants, dict) and all(str(key).isdigit() for key in constants)):
        message = f"expected constants by the place of the input, got {show(constants)}"
        reporter.report(INVALID_VALUE, message, (*item.config_path, "constants"))
        return None
    layer = TensorFlowCall.model_validate({"name": name, "function": function})
    layer._class_name, layer._config, layer._attributes = item.named.class_name, config, attributes
    layer._path = item.path
    return layer


def written(call: CallSpec, number: Callable[[Ref], list[Any]]) -> Any:
    """A call as it stands in `inbound_nodes`; `number` gives a reference as Keras 2 writes it."""
    kwargs = map_refs(number, call.kwargs)

    def entry(value: Any) -> Any:
        if isinstance(value, Ref):
            return [*number(value), kwargs]
        if isinstance(value, Constant):
            return ["_CONSTANT_VALUE", -1, value.value, kwargs]
        if isinstance(value, dict):
            return {key: entry(one) for key, one in value.items()}
        return [entry(one) for one in value]

    return entry(call.args[0])
