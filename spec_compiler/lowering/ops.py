"""Lowering of operations: `@lowering` on a function of the operation's name, in the families' files."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

from spec_compiler.ir import Value
from spec_compiler.lowering.call import Call
from spec_compiler.lowering.ops_call import OpCall, find
from spec_compiler.lowering.proxy import Proxy
from spec_compiler.lowering.table import lowers
from spec_compiler.specs.layers.ops import OpSpec
from spec_compiler.specs.layers.ops_table import FAMILIES, called


@lowers(OpSpec)
def operation(layer: OpSpec, call: Call, *args: Any, **kwargs: Any) -> Proxy | tuple[Proxy, ...]:
    # Bound anew to the node: its arguments are there as they were stated, a `mask` among them.
    node, operation = call.node, layer.operation
    inputs = operation.bound(node.args, node.kwargs, lambda value: isinstance(value, Value))
    op = OpCall(call, layer)
    load()
    found = called(find(layer.op), operation.inputs, op.proxies(inputs), layer.settings, op)
    results = tuple(found) if isinstance(found, (list, tuple)) else (found,)
    return results if len(results) > 1 else results[0]


@cache
def load() -> None:
    """Import every family, each of which registers its lowerings."""
    for family in FAMILIES:
        import_module(f"spec_compiler.lowering.{family}")
