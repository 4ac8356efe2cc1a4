"""Calls of functions that stand in a graph like layers: `keras.ops` since Keras 3, TensorFlow's before."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from spec_compiler.diagnostics import INVALID_VALUE, UNSUPPORTED, Reporter, show
from spec_compiler.dialects import known
from spec_compiler.dialects.classes import Named, registered
from spec_compiler.dialects.items import Item
from spec_compiler.specs.base import LayerSpec


def is_operation(named: Named) -> bool:
    """Whether the names are those of an operation, not of a layer."""
    if registered(named) is not None:
        return False
    return named.class_name in known.OPERATIONS or (named.module is not None and known.holds_operations(named.module))


def read_operation(item: Item, name: str | None, reporter: Reporter) -> LayerSpec | None:
    """The operation that `item` states; None when a fault was reported."""
    config = item.config if isinstance(item.config, dict) else {}
    if item.named.class_name in known.OPERATIONS:
        from spec_compiler.dialects.tensorflow import read_layer

        return read_layer(item, name, reporter)
    from spec_compiler.specs.layers.ops import OpSpec
    from spec_compiler.specs.layers.ops_table import REFUSED, find

    operation = find(item.named.class_name)
    if operation is None or operation.module != item.named.module:
        function = f"{item.named.module}.{item.named.class_name}"
        why = REFUSED.get(item.named.class_name)
        reporter.report(
            UNSUPPORTED, f"the operation {show(function)} cannot be built{f': {why}' if why else ''}", item.path
        )
        return None
    arguments = {key: value for key, value in config.items() if key != "name"}
    _, faults = operation.checked(arguments)
    for key, message in faults:
        reporter.report(INVALID_VALUE, message, (*item.config_path, key) if key else item.config_path)
    if faults:
        return None
    return _spec(
        OpSpec, {"name": name or config.get("name"), "op": operation.name, "arguments": arguments}, item, reporter
    )


def _spec(cls: type[LayerSpec], values: dict[str, Any], item: Item, reporter: Reporter) -> LayerSpec | None:
    try:
        spec = cls.model_validate(values)
    except ValidationError as error:
        reporter.report(INVALID_VALUE, error.errors()[0]["msg"], item.config_path)
        return None
    spec._path = item.path
    return spec
