"""Data that do not fit: what is said, all of it at once, and never a traceback of torch's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from spec_compiler.diagnostics import SpecError
from spec_compiler.ir import Value
from spec_compiler.runtime.data import adapt, split

IMAGE = Value("image", shape=(None, 8, 8, 1))
TEXT = Value("text", shape=(None, 5), dtype="int32")
X = np.zeros((6, 8, 8, 1), np.float32)
T = np.zeros((6, 5), np.int32)
Y = np.zeros(6)


class Sparse:
    def toarray(self) -> np.ndarray:
        return X


def fault(call: Callable[[], Any]) -> str:
    with pytest.raises(SpecError) as caught:
        call()
    assert all(d.code.id == "SC504" for d in caught.value.diagnostics)
    return str(caught.value)


ONE: dict[str, tuple[Any, Any, list[str]]] = {
    "rank": (
        np.zeros((6, 64)),
        Y,
        ["input 'image' takes arrays of shape (None, 8, 8, 1), got (6, 64) [SC504]", "give x.reshape(-1, 8, 8, 1)"],
    ),
    "size": (np.zeros((6, 8, 7, 1)), Y, ["(None, 8, 8, 1), got (6, 8, 7, 1)"]),
    "no batch axis": (X[0], Y[:1], ["got (8, 8, 1)", "give x[None]"]),
    "channels first": (np.zeros((6, 1, 8, 8)), Y, ["got (6, 1, 8, 8)", "give numpy.moveaxis(x, 1, -1)"]),
    "strings": (np.array(["a", "b"]), Y, ["input 'image' holds strings, not numbers"]),
    "objects": (np.array([[1, None]], object), Y, ["input 'image' holds objects, not numbers", 'astype("float32")']),
    "complex": (X.astype(complex), Y, ["input 'image' holds complex numbers"]),
    "complex tensor": (torch.zeros(6, 8, 8, 1, dtype=torch.complex64), Y, ["input 'image' holds complex numbers"]),
    "dates": (np.zeros(6, "datetime64[s]"), Y, ["input 'image' holds dates"]),
    "ragged": ([[1, 2], [3]], Y, ["input 'image' cannot be made an array", "rows must have one length"]),
    "sparse": (Sparse(), Y, ["input 'image' is a sparse Sparse", "give .toarray() of it"]),
    "sparse tensor": (torch.zeros(6, 8).to_sparse(), Y, ["input 'image' is a sparse tensor", "give .to_dense()"]),
    "empty": (X[:0], Y[:0], ["input 'image' is empty: its shape is (0, 8, 8, 1)", "target 'digit' is empty"]),
    "empty list": ([], [], ["input 'image' is empty", "target 'digit' is empty"]),
    "lengths": (X, Y[:4], ["different numbers of samples: input 'image' 6, target 'digit' 4"]),
    "two arrays": ([X, X], Y, ["x: the model takes one array for input 'image', got 2 arrays", "numpy.stack"]),
    "unknown key": (
        {"imgae": X},
        Y,
        ["x: the model has no input 'imgae', only input 'image'", "did you mean 'image'?", "input 'image' is missing"],
    ),
    "no y": (X, None, ["y is missing", "give a target for output 'digit'"]),
    "no x": (None, Y, ["input 'image' is missing: x is None"]),
    "two targets": (X, [Y, Y], ["y: the model takes one array for output 'digit', got 2 arrays"]),
    "unknown output": (
        X,
        {"digits": Y},
        ["y: the model has no output 'digits', only output 'digit'", "did you mean 'digit'?"],
    ),
    "a name": ("digits.npz", None, ["x is 'digits.npz', not data"]),
    "a number": (3.0, None, ["x is 3.0, not data"]),
    "a class": (int, None, ["x is a type, which is no data"]),
    "scalar target": (X, 3, ["target 'digit' is a single number"]),
    "text as target": (X, ["a"] * 6, ["target 'digit' holds strings, not numbers"]),
    "several": (np.zeros((6, 3)), np.zeros(4), ["got (6, 3)", "different numbers of samples"]),
}


@pytest.mark.parametrize("case", ONE)
def test_one_input(case: str) -> None:
    x, y, expected = ONE[case]
    said = fault(lambda: adapt([IMAGE], ["digit"], x, y))
    for part in expected:
        assert part in said, said


TWO: dict[str, tuple[Any, Any, list[str]]] = {
    "count": (
        X,
        [Y, Y],
        [
            "x: the model takes 2 arrays for inputs 'image', 'text', got one, an array of shape (6, 8, 8, 1)",
            "in the order image, text",
        ],
    ),
    "three": ([X, T, T], [Y, Y], ["got 3 arrays"]),
    "missing": ({"text": T}, [Y, Y], ["input 'image' is missing"]),
    "each is said": (
        [np.zeros((6, 8)), np.zeros((5, 4))],
        [Y, np.array(["a"] * 6)],
        ["input 'image' takes", "input 'text' takes", "target 'b' holds strings", "different numbers of samples"],
    ),
    "one target": ([X, T], Y, ["y: the model takes 2 arrays for outputs 'a', 'b', got one, an array of shape (6,)"]),
}


@pytest.mark.parametrize("case", TWO)
def test_two_inputs(case: str) -> None:
    x, y, expected = TWO[case]
    said = fault(lambda: adapt([IMAGE, TEXT], ["a", "b"], x, y))
    for part in expected:
        assert part in said, said


def test_weights() -> None:
    def two(**options: Any) -> str:
        return fault(lambda: adapt([IMAGE], ["a", "b"], X, [Y, Y], **options))

    assert "sample_weight for several outputs has one number a sample, got shape (6, 3)" in two(
        sample_weight=np.ones((6, 3))
    )
    assert "sample_weight: the model has no output 'c'" in two(sample_weight={"c": Y})
    assert "class_weight is for models with one output" in two(class_weight={0: 1.0})

    def one(y: Any = Y, **options: Any) -> str:
        return fault(lambda: adapt([IMAGE], ["digit"], X, y, **options))

    assert "sample_weight 5" in one(sample_weight=np.ones(5))
    assert "sample_weight holds strings" in one(sample_weight=["a"] * 6)
    assert "class_weight needs one class a sample, but target 'digit' has shape (6, 2, 2)" in one(
        np.zeros((6, 2, 2)), class_weight={0: 1.0}
    )
    assert "class_weight maps class numbers to weights, got {'a': 'b'}" in one(class_weight={"a": "b"})
    assert "class_weight maps class numbers to weights, got [1, 2]" in one(class_weight=[1, 2])


@pytest.mark.parametrize("batch_size", [0, -1, 2.0, "32", True])
def test_batch_size(batch_size: Any) -> None:
    said = fault(lambda: adapt([IMAGE], ["digit"], X, Y, batch_size=batch_size))
    assert f"batch_size is a whole number of at least 1, got {batch_size!r}" in said


def test_streams_name_the_batch() -> None:
    def batches() -> Iterator[Any]:
        yield X, Y
        yield X[:, :7], Y[:3]

    found = iter(adapt([IMAGE], ["digit"], batches()))
    assert next(found).size == 6
    said = fault(lambda: next(found))
    assert "batch 2: input 'image' takes arrays of shape (None, 8, 8, 1), got (6, 7, 8, 1)" in said
    assert "batch 2: the arrays have different numbers of samples: input 'image' 6, target 'digit' 3" in said
    assert "batch 1: y is missing" in fault(lambda: list(adapt([IMAGE], ["digit"], iter([X]))))
    said = fault(lambda: list(adapt([IMAGE], ["digit"], iter([(X, Y, Y, Y)]))))
    assert "batch 1 is x, (x, y) or (x, y, sample_weight), got 4 items" in said
    said = fault(lambda: list(adapt([IMAGE], ["digit"], iter([(X, Y[:, None, None])]), class_weight={0: 2.0})))
    assert "batch 1: " in said


def test_streams_take_no_targets_beside_them() -> None:
    said = fault(lambda: adapt([IMAGE], ["digit"], DataLoader([0]), Y, Y))
    assert "y is given beside a DataLoader" in said
    assert "sample_weight is given beside a DataLoader" in said


def test_split_says_what_it_cannot_split() -> None:
    assert "validation_split needs arrays, and x is a generator" in fault(
        lambda: split((x for x in []), None, None, 0.2)
    )
    assert "different numbers of samples: 6, 5" in fault(lambda: split(X, Y[:5], None, 0.2))
    assert "validation_split=0.2 of 1 samples leaves nothing" in fault(lambda: split(X[:1], Y[:1], None, 0.2))
    assert "needs arrays, and x is a NoneType" in fault(lambda: split(None, None, None, 0.2))
