"""`spec_compiler.ops` has the names, arguments and defaults of `keras.ops`."""

from __future__ import annotations

import inspect
import types
from typing import Any

import keras
import pytest

from spec_compiler import ops
from spec_compiler.dialects.known import words
from spec_compiler.specs.layers.ops_table import operations
from tests.layers.ops.oracle import keras_function

OLD = {"num_tokens", "kwargs", "rms_scaling"}
"""Arguments that Keras takes under another name, or no more."""
WITHOUT_INPUT = words(
    """
    arange bartlett blackman convert_to_numpy custom_gradient dtype empty eye hamming hanning identity is_tensor kaiser ndim
    ones shape tri zeros
    """
)
"""Functions that make no node of a model."""
OF_FUNCTIONS = words("associative_scan cond fori_loop jvp map scan switch vectorize vectorized_map while_loop")
"""Functions of Python functions."""
RANDOM = {"elastic_transform"}


def _parameters(function: Any) -> list[tuple[str, Any]]:
    return [(p.name, p.default) for p in inspect.signature(function).parameters.values() if p.name not in OLD]


@pytest.mark.parametrize("name", [op.function for op in operations()])
def test_arguments_are_those_of_keras(name: str) -> None:
    ours, theirs = _parameters(getattr(ops, name)), _parameters(keras_function(name))
    if name == "multi_hot":
        # Stated as optional for the sake of its old name.
        theirs[1] = ("num_classes", inspect.Parameter.empty)
    assert ours == theirs


@pytest.mark.parametrize("space", ["", "image", "linalg", "nn", "numpy"])
def test_functions_are_those_of_keras(space: str) -> None:
    ours, theirs = (getattr(module, space) if space else module for module in (ops, keras.ops))
    named = {name for name, value in vars(theirs).items() if isinstance(value, types.FunctionType)}
    missing = {name for name in named if not hasattr(ours, name)}
    assert missing <= WITHOUT_INPUT | OF_FUNCTIONS | RANDOM
