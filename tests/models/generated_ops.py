"""Random operations: every one of the table, its arguments drawn from the annotations of its rule."""

from __future__ import annotations

import re
from functools import cache
from inspect import Parameter
from typing import Any

from hypothesis import strategies as st

from spec_compiler.specs.layers import ops_table
from spec_compiler.specs.types import TENSOR_DTYPES

INTS = st.sampled_from([0, 1, -1, 2, 3, 1, -2, 4, 7, 50, 300, 10**6, 10**9, 2**31 - 1, -(10**9)])
SOME = st.lists(INTS, min_size=1, max_size=3)
FLOATS = st.sampled_from([0.5, 0.0, 1.0, -1.0, 2.0, 1e-3, 3, 1e30])
PAIRS = st.lists(st.lists(st.integers(0, 3), min_size=2, max_size=2), min_size=1, max_size=4)
ONE_OR_SEVERAL = st.one_of(INTS, SOME)
ENDS = st.one_of(st.none(), st.integers(-4, 4), INTS)
TEXTS = [
    "ij,jk->ik",
    "i->",
    "ijk->kji",
    "i,i->i",
    "bii->b",
    "...i,...j",
    "a b -> b a",
    "a b c -> a (b c)",
    "fro",
    "hann",
]
SLICES = st.fixed_dictionaries({"start": ENDS, "stop": ENDS, "step": ENDS})

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "int": INTS,
    "Count": INTS,
    "Size": INTS,
    "Ints": st.one_of(SOME, st.permutations([0, 1, 2]), st.permutations([0, 1])),
    "Sizes": ONE_OR_SEVERAL,
    "Counts": ONE_OR_SEVERAL,
    "Shifts": ONE_OR_SEVERAL,
    "Axes": st.one_of(st.sampled_from([-1, 0, 1, 2]), SOME),
    "Lengths": st.lists(st.sampled_from([-1, 2, 1, 3, 4, None, 6, 1_000]), max_size=4),
    "Number": FLOATS,
    "Numbers": st.lists(FLOATS, min_size=1, max_size=4),
    "bool": st.booleans(),
    "str": st.sampled_from(TEXTS),
    "DType": st.sampled_from(TENSOR_DTYPES),
    "Pads": st.one_of(st.integers(0, 3), PAIRS),
    "Any": st.one_of(INTS, SOME, st.none(), st.lists(st.one_of(INTS, SOME, st.none(), SLICES), min_size=1, max_size=3)),
}
"""By annotation, as in `ops_arguments`."""


@cache
def table() -> dict[str, ops_table.Operation]:
    """The operations by their names in the short form."""
    return {f"ops.{name}": operation for name, operation in sorted(ops_table.by_function().items())}


@st.composite
def operations(draw: Any, number: int, sources: list[str]) -> dict[str, Any]:
    """One operation as an item of a model."""
    name = draw(st.sampled_from([*table()]))
    operation = table()[name]
    given = {}
    for parameter in operation.inputs:
        if parameter.kind is not parameter.VAR_KEYWORD and (_needed(parameter) or draw(st.integers(0, 3)) == 0):
            given[parameter.name] = draw(operand(parameter, sources))
    settings = {
        parameter.name: draw(of_annotation(str(parameter.annotation)))
        for parameter in operation.settings
        if _needed(parameter) or draw(st.integers(0, 2)) == 0
    }
    return {name: settings, "with": given, "name": f"layer_{number}"}


def _needed(parameter: Parameter) -> bool:
    return parameter.default is parameter.empty


def of_annotation(annotation: str) -> st.SearchStrategy[Any]:
    """Values that an operation's argument may have."""
    if annotation.startswith("Literal"):
        return st.sampled_from(re.findall(r"['\"](.*?)['\"]", annotation))
    values = VALUES[annotation.removesuffix(" | None")]
    return st.one_of(values, st.none()) if annotation.endswith(" | None") else values


@st.composite
def operand(draw: Any, parameter: Parameter, sources: list[str]) -> Any:
    """Values of the model, most of the time the last of them, or constants."""
    annotation = str(parameter.annotation)
    tensor = st.sampled_from(sources[-1:] * 3 + sources).map(lambda name: {"from": name})
    if annotation.startswith("list[") or parameter.kind is parameter.VAR_POSITIONAL:
        return draw(st.lists(tensor, min_size=1, max_size=3))
    if annotation.removesuffix(" | None") in VALUES:
        return draw(of_annotation(annotation))
    constants = [st.sampled_from([0, 1, 2.0, True, -1.5, 300, 1e30])] if annotation.startswith("Operand") else []
    arrays = st.sampled_from([[0, 1], [1.0, 2.0, 0.5], [[1, 0], [0, 1]], [[[1.0]], [[2.0]]], [-1], [True, False], [[]]])
    return draw(tensor if draw(st.integers(0, 3)) else st.one_of(*constants, arrays))
