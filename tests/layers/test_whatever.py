"""Whatever a file states of a layer, it is refused by a diagnostic, or can be built and run: never a torch error."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from spec_compiler.specs import registry
from tests.layers.cases import Case, all_cases, one_a_class
from tests.layers.refused import check_runs

VALUES: list[Any] = [
    0, -1, 1, 2, 3, 7, 50, [], [0], [1, 1], [2, 3], [1, 2, 3], [[1, 2], [3, 4]], [[0, 9], [9, 0]], None, "x", "same",
    "valid", "channels_first", True, False, 1.5, -0.5, 0.0, {}, "softmax", "glu", "l2", 2**31, 10**30, 1e300, [None, 2],
]  # fmt: skip
"""What each argument is given: numbers of every kind and length, words that mean something elsewhere."""

OBJECTS: list[Any] = [None, 0, {}, "x", "l2", "zeros", "non_neg"]
"""What is given where an initializer, a regularizer or a constraint is wanted."""

OLD = [
    Case("old", {"LocallyConnected1D": {"filters": 2, "kernel_size": 2}}, [5, 3]),
    Case("old", {"LocallyConnected2D": {"filters": 2, "kernel_size": 2, "implementation": 2}}, [4, 5, 3]),
    Case("old", {"LocallyConnected2D": {"filters": 2, "kernel_size": 2, "implementation": 3}}, [4, 5, 3]),
    Case("old", {"Highway": {"activation": "tanh"}}, [4]),
    Case("old", {"MaxoutDense": {"units": 3}}, [4]),
    Case("old", {"ThresholdedReLU": {"theta": 0.5}}, [3, 4]),
    Case("old", {"ParametricSoftplus": {}}, [3, 4]),
    Case("old", {"SReLU": {}}, [3, 4]),
    Case("old", {"Deconvolution2D": {"filters": 2, "kernel_size": 2, "output_shape": [None, 4, 5, 2]}}, [3, 4, 3]),
]
"""Layers that Keras 3 lacks."""


def starts() -> list[Case]:
    """One case of each class that is called on numbers alone."""
    plain = [case for case in one_a_class(all_cases()) if not case.tensors and not case.front]
    classes = {case.class_name: replace(case, unknown=[]) for case in reversed(plain)}
    return [*classes.values(), *OLD]


def variants(case: Case) -> Iterator[Case]:
    """The case with each argument at each value, and on inputs of other shapes."""
    cls = registry.find("layer", case.class_name)
    assert cls is not None
    arguments = [name for name in cls.model_fields if name not in ("name", "trainable", "dtype", "seed")]
    for name in arguments:
        of_weights = name.endswith(("initializer", "regularizer", "constraint"))
        for value in OBJECTS if of_weights else VALUES:
            yield replace(case, layer={case.class_name: {**case.arguments, name: value}})
    if case.input is not None:
        shapes = [
            [1] * len(case.input),
            [*case.input, 2],
            case.input[:-1],
            case.input[::-1],
            [n + 5 for n in case.input],
        ]
        yield from (replace(case, input=shape) for shape in shapes)


@pytest.mark.parametrize("case", starts(), ids=lambda case: case.class_name)
def test_what_is_not_refused_runs(case: Case) -> None:
    for variant in variants(case):
        try:
            check_runs(variant)
        except Exception as error:
            raise AssertionError(f"{variant.layer} on {variant.shapes}: {error}") from error
