"""Random models about one operation: a call of `tests/layers/ops/cases`, its arguments and dtypes changed here and there.

Every operation of the table has a case there, so a new one joins by itself.
"""

from __future__ import annotations

import copy
import inspect
from functools import cache
from typing import Any

from hypothesis import strategies as st

from spec_compiler import ops
from spec_compiler.specs.layers.ops_table import by_function
from spec_compiler.specs.types import TENSOR_DTYPES
from tests.layers.ops.oracle import Case, all_cases
from tests.models.generated_ops import of_annotation, operand, operations

Draw = Any
Data = dict[str, Any]


@cache
def calls() -> dict[str, list[Data]]:
    """The calls of each operation that the short form can state, as models."""
    found: dict[str, list[Data]] = {name: [] for name in by_function()}
    for case in all_cases():
        inputs = [stated if isinstance(stated, dict) else {"shape": stated} for stated in case.inputs]
        inputs = [{"whole": case.whole, "dtype": case.dtype, **stated} for stated in inputs]
        # Inputs of unknown lengths, or without a batch and any other axis, and poolings before the call are left out.
        if not case.pooled and all("unknown" not in x and (x["shape"] or not x["whole"]) for x in inputs):
            stated = {f"x{i}": _input(**x) for i, x in enumerate(inputs)}
            found[case.op].append({"inputs": stated, "layers": [_item(case)]})
    return found


def _input(shape: list[int], dtype: str, whole: bool, **_: Any) -> Data:
    if not whole:
        return {"shape": shape, "dtype": dtype}
    return {"shape": shape[1:], "dtype": dtype, "batch_size": shape[0]}


def _item(case: Case) -> Data:
    """The call as an item of the short form: the class's arguments as the layer's, the call's under `with`."""
    operation = by_function()[case.op]
    args = [f"${i}" for i in range(len(case.inputs))] if case.args is None else case.args
    bound = inspect.signature(getattr(ops, case.op)).bind(*args, **case.kwargs)
    given: Data = {}
    for name, value in bound.arguments.items():
        more = bound.signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD
        given |= value if more else {name: value}
    settings = {p.name for p in operation.settings}
    stated = {name: _short(value) for name, value in given.items()}
    return {
        f"ops.{case.op}": {name: value for name, value in stated.items() if name in settings},
        "with": {name: value for name, value in stated.items() if name not in settings},
        "name": "call",
    }


def _short(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("$"):
        return {"from": f"x{value[1:]}"}
    if isinstance(value, dict):
        if "array" in value:
            return value["array"]
        if set(value) == {"slice"}:
            start, stop, step = [*value["slice"], None, None][:3]
            return {"start": start, "stop": stop, "step": step}
        return _short(value["tuple"]) if set(value) == {"tuple"} else {key: _short(v) for key, v in value.items()}
    return [_short(item) for item in value] if isinstance(value, (list, tuple)) else value


@st.composite
def models_of_operations(draw: Draw) -> Data:
    """A call of an operation, most of the time a changed one, and now and then operations on what comes out."""
    name = draw(st.sampled_from(sorted(name for name, found in calls().items() if found)))
    document = copy.deepcopy(draw(st.sampled_from(calls()[name])))
    for stated in document["inputs"].values():
        _change_input(draw, stated)
    (item,) = document["layers"]
    few = draw(st.sampled_from([3, 8, 100]))
    operation = by_function()[name]
    for parameter in operation.settings:
        if draw(st.integers(0, few)) == 0:
            item[f"ops.{name}"][parameter.name] = draw(of_annotation(str(parameter.annotation)))
    for parameter in operation.inputs:
        if parameter.kind is not parameter.VAR_KEYWORD and draw(st.integers(0, 2 * few)) == 0:
            item["with"][parameter.name] = draw(operand(parameter, [*document["inputs"]]))
    for number in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        sources = [*document["inputs"], *(one["name"] for one in document["layers"])]
        document["layers"].append(draw(operations(number, sources)))
    return document


def _change_input(draw: Draw, stated: Data) -> None:
    """Draw the input's dtype anew, or the length of an axis."""
    if draw(st.integers(0, 3)) == 0:
        stated["dtype"] = draw(st.sampled_from(TENSOR_DTYPES))
    if stated["shape"] and draw(st.integers(0, 7)) == 0:
        axis = draw(st.integers(0, len(stated["shape"]) - 1))
        stated["shape"] = list(stated["shape"])
        stated["shape"][axis] = draw(st.sampled_from([1, 2, 3, 5, 8, 60]))
