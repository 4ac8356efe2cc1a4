"""Masks in documents of Keras 1: they end where a model goes into a `Merge`, and hold until there."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from spec_compiler.models import Model, model_from_json

rng = np.random.default_rng(0)
WORDS, N, STEPS = 7, 3, 5


def layer(class_name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": class_name, "config": {"init": "uniform", **config} if class_name != "Merge" else config}


def embedding(i: int) -> dict[str, Any]:
    return layer("Embedding", name=f"e{i}", input_dim=WORDS, output_dim=N, input_length=STEPS, mask_zero=True,
                 batch_input_shape=[None, STEPS], input_dtype="int32")  # fmt: skip


def rnn(name: str, sequences: bool) -> dict[str, Any]:
    return layer(
        "SimpleRNN", name=name, output_dim=N, inner_init="uniform", activation="tanh", return_sequences=sequences
    )


def merged(*branches: list[dict[str, Any]], mode: str) -> Model:
    models = [{"class_name": "Sequential", "config": branch} for branch in branches]
    config = [layer("Merge", name="m", mode=mode, mode_type="raw", layers=models), rnn("last", False)]
    return model_from_json(json.dumps({"class_name": "Sequential", "keras_version": "1.2.2", "config": config}))


def run(x: np.ndarray, weights: list[np.ndarray], mask: np.ndarray | None = None) -> np.ndarray:
    """Every step's state; where a step is masked, that of the one before."""
    kernel, recurrent, bias = weights
    h, states = np.zeros((len(x), N)), []
    for t in range(x.shape[1]):
        new = np.tanh(x[:, t] @ kernel + h @ recurrent + bias)
        h = new if mask is None else np.where(mask[:, t, None], new, h)
        states.append(h)
    return np.stack(states, axis=1)


@pytest.mark.parametrize(("mode", "merge"), [("sum", np.add), ("mul", np.multiply)])
@pytest.mark.parametrize("deep", [True, False])
def test_no_mask_leaves_a_merged_model(mode: str, merge: Any, deep: bool) -> None:
    model = merged([embedding(0), *([rnn("inner", True)] if deep else [])], [embedding(1)], mode=mode)
    first, second = rng.standard_normal((2, WORDS, N)).astype("float32")
    inner, last = ([rng.standard_normal(shape).astype("float32") for shape in ((N, N), (N, N), (N,))] for _ in range(2))
    model.set_weights([first, *(inner if deep else []), second, *last])
    a, b = rng.integers(0, 3, (2, 4, STEPS))
    assert (a == 0).any() and (b[:, -1] == 0).any()
    left = run(first[a], inner, a != 0) if deep else first[a]
    expected = run(merge(left, second[b]), last)[:, -1]
    np.testing.assert_allclose(model.predict([a, b], verbose=0), expected, rtol=1e-4, atol=1e-5)


def test_the_same_numbers_once_it_is_written_as_keras_3() -> None:
    model = merged([embedding(0)], [embedding(1)], mode="sum")
    again = model_from_json(model.to_json())
    again.set_weights(model.get_weights())
    x = list(rng.integers(0, 3, (2, 4, STEPS)))
    np.testing.assert_allclose(again.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-5, atol=1e-6)
