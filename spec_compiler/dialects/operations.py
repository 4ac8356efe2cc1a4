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


def settled(item: Item, nodes: Any) -> tuple[Item, Any]:
    """An operation and its `inbound_nodes`, where arguments of its class do not stand among the call's.

    Until Keras 3.9 they did for some: the `dtype` of ZerosLike.
    """
    from spec_compiler.specs.layers.ops_table import find

    operation = find(item.named.class_name)
    call = nodes[0] if isinstance(nodes, list) and len(nodes) == 1 and isinstance(nodes[0], dict) else {}
    kwargs = call.get("kwargs")
    if operation is None or not isinstance(kwargs, dict) or not isinstance(item.config, dict):
        return item, nodes
    names = {parameter.name for parameter in operation.settings} & kwargs.keys()
    given = {name: kwargs[name] for name in names if kwargs[name] is not None}
    rest = {name: value for name, value in kwargs.items() if name not in names}
    return item._replace(config={**item.config, **given}), [{**call, "kwargs": rest}]


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
