"""Dtype policies against Keras: what is computed in, what weights are kept in, and what is cast on the way."""

from __future__ import annotations

import json
from typing import Any
from unittest import mock

import keras
import numpy as np
import pytest
import torch

from spec_compiler import layers, lower, parse_spec, set_random_seed, validate_text
from spec_compiler.dialects.write import to_json
from spec_compiler.lowering.lower import build, lower_spec
from spec_compiler.models import Sequential, model_from_json
from spec_compiler.optimizers import AdamW
from tests.layers import check
from tests.layers.cases import Case, all_cases, one_a_class, with_policy

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

TOLERANCE = {"float64": 1e-10, "float32": 1e-5, "float16": 2**-10, "bfloat16": 2**-7}
"""Of each dtype computed in: 1e-10, or the spacing of its numbers next to 1."""
POLICIES = ["float64", "mixed_bfloat16", "mixed_float16", "bfloat16", "float16"]


LOST = ("SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D")
"""Layers of which Keras's `get_config` forgets that the policy is a mixed one."""


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras on torch takes operations on float64 for float32; on TensorFlow it does not."""
    monkeypatch.setitem(keras.src.backend.common.dtypes.BIT64_TO_BIT32_DTYPE, "float64", "float64")


@pytest.fixture(autouse=True)
def kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras on torch assigns to a cast copy of a variable, under a mixed policy, and loses it; on TensorFlow it does not."""

    def assign(variable: Any, value: Any) -> None:
        with torch.no_grad():
            variable._value.copy_(value)

    monkeypatch.setattr(keras.Variable, "_direct_assign", assign)


def cases() -> list[Case]:
    """One case a class, and one under a mask; not of normalizations, which take float32 for float64 behind a Masking."""
    masked = [case for case in all_cases() if case.mask or "Masking" in str(case.front)]
    masked = [case for case in one_a_class(masked) if not case.id.startswith("normalization/")]
    return [*{case.id: case for case in (*one_a_class(all_cases()), *masked)}.values()]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("case", cases(), ids=lambda case: case.id)
def test_policy_matches_keras(case: Case, policy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = with_policy(case, policy)
    if case.class_name in LOST and policy.startswith("mixed"):
        pytest.skip("Keras's own config of the layer does not hold the policy")
    try:
        oracle, _, arrays = check.keras_oracle.build(case)
        with torch.no_grad():
            check.keras_oracle.run(oracle, [torch.from_numpy(a) for a in arrays], training=False)
    except (RuntimeError, NotImplementedError) as error:
        assert "not implemented for" in str(error)
        pytest.skip(f"torch has no kernel for Keras: {error}"[:200])
    tolerance = TOLERANCE[policy.removeprefix("mixed_")]
    pair = check.make_pair(case)
    check._assert_variables(pair)
    check._assert_config(pair)
    check._assert_documents(pair)
    check._set_weights(pair)
    assert_dtypes(pair)
    steps = 8 if "16" in policy else 1
    monkeypatch.setattr(check, "RTOL", steps * tolerance)
    monkeypatch.setattr(check, "ATOL", steps * tolerance)
    check._assert_computation(pair, training=False)
    check._assert_source(pair)
    if case.random:
        check._assert_random_training(pair)
        return
    check._assert_computation(pair, training=True)


def assert_dtypes(pair: check.Pair) -> None:
    """Weights are kept in Keras's dtypes, and the outputs come in the dtypes inferred."""
    held = []
    for layer, variable, rules in check.weights(pair.lowered):
        (dtype,) = {str(p.dtype).removeprefix("torch.") for p in check.parameters_of(pair.module, layer, rules)}
        held.append((variable.name, dtype))
    assert [dtype for _, dtype in held] == [v.dtype for v in pair.oracle.weights], held
    outputs, _ = check._run_ours(pair, training=False)
    inferred = [value.dtype for value in check.values_in(pair.graph.outputs)]
    assert [str(y.dtype).removeprefix("torch.") for y in outputs] == inferred


def model_of(stack: list[keras.Layer], dtype: str = "float32", shape: tuple[int, ...] = (6, 4)) -> keras.Model:
    return keras.Sequential([keras.Input(shape, dtype=dtype), *stack])


def chain(policy: str, other: str) -> keras.Model:
    """Layers of two policies in turn, a nested model and a shared layer among them."""
    k = keras.layers
    x = keras.Input((6, 4))
    shared = k.Dense(4, dtype=policy, name="shared")
    y = k.LayerNormalization(dtype=other)(shared(shared(x)))
    z = k.Conv1D(4, 3, padding="same", dtype=policy, name="conv")(y)
    y = k.Add(dtype=policy)([y, z])
    inner = keras.Input((6, 4))
    nested = keras.Model(inner, k.Dense(4, activation="tanh", dtype=other)(inner), name="nested")
    y = k.BatchNormalization(dtype=policy)(nested(y))
    y, h, c = k.LSTM(3, return_sequences=True, return_state=True, recurrent_initializer="zeros", dtype=policy)(y)
    y = k.LSTM(3, recurrent_initializer="zeros", dtype=other)(y, initial_state=[h, c])
    return keras.Model(x, [k.Dense(2, dtype="float32")(y), h])


CHAINS = [("mixed_bfloat16", "float32"), ("float32", "mixed_float16"), ("float64", "float32"), ("float16", "float64")]


@pytest.mark.parametrize(("policy", "other"), CHAINS)
def test_floats_are_cast_between_layers_of_different_policies(policy: str, other: str) -> None:
    theirs = chain(policy, other)
    ours = model_from_json(theirs.to_json())
    check.keras_oracle.randomize(theirs, np.random.default_rng(0))
    ours.set_weights(theirs.get_weights())
    assert [str(w.dtype) for w in ours.get_weights()] == [v.dtype for v in theirs.weights]
    x = np.random.default_rng(1).standard_normal((3, 6, 4)).astype("float32")
    half = any("16" in one for one in (policy, other))
    tolerance = 8 * TOLERANCE["bfloat16" if "b" in policy else "float16"] if half else 1e-5
    for a, b in zip(ours.predict(x, verbose=0), theirs.predict(x, verbose=0), strict=True):
        assert a.dtype == (b.dtype if b.dtype.name != "bfloat16" else np.float32)
        np.testing.assert_allclose(a, b.astype(a.dtype), rtol=tolerance, atol=tolerance)


WRAPPED = {
    "bidirectional": lambda outer, inner: keras.layers.Bidirectional(keras.layers.GRU(3, dtype=inner), dtype=outer),
    "states": lambda outer, inner: keras.layers.Bidirectional(
        keras.layers.LSTM(3, dtype=inner, return_sequences=True), merge_mode="sum", dtype=outer
    ),
    "cell": lambda outer, inner: keras.layers.RNN(keras.layers.LSTMCell(3, dtype=inner), dtype=outer),
    "cells": lambda outer, inner: keras.layers.RNN(
        [keras.layers.GRUCell(3, dtype=inner), keras.layers.SimpleRNNCell(2, dtype=inner)],
        return_sequences=True,
        dtype=outer,
    ),
    "time": lambda outer, inner: keras.layers.TimeDistributed(keras.layers.Dense(3, dtype=inner), dtype=outer),
    "spectral": lambda outer, inner: keras.layers.SpectralNormalization(
        keras.layers.Dense(3, dtype=inner), dtype=outer
    ),
}


@pytest.mark.parametrize(("outer", "inner"), [("mixed_bfloat16", "float32"), ("float32", "mixed_bfloat16")])
@pytest.mark.parametrize("wrapper", WRAPPED)
def test_a_wrapper_and_the_layer_inside_have_policies_of_their_own(wrapper: str, outer: str, inner: str) -> None:
    theirs = model_of([WRAPPED[wrapper](outer, inner)])
    ours = model_from_json(theirs.to_json())
    check.keras_oracle.randomize(theirs, np.random.default_rng(0))
    ours.set_weights(theirs.get_weights())
    x = np.random.default_rng(1).standard_normal((3, 6, 4)).astype("float32")
    with torch.no_grad():
        a, b = ours.module.eval()(torch.from_numpy(x)), theirs(x)
    assert a.dtype == b.dtype
    torch.testing.assert_close(a, b, rtol=2**-5, atol=2**-5)


@pytest.mark.parametrize("outer", ["float32", "float64", "mixed_bfloat16"])
@pytest.mark.parametrize(
    "cells", [["float64"], ["float32"], ["float64", "float32"], ["float32", "float64"], ["mixed_bfloat16", "float64"]]
)
def test_cells_have_policies_of_their_own(cells: list[str], outer: str) -> None:
    made = [keras.layers.GRUCell(3, dtype=cells[0]), *(keras.layers.LSTMCell(2, dtype=dtype) for dtype in cells[1:])]
    rnn = keras.layers.RNN(made if len(made) > 1 else made[0], dtype=outer, return_sequences=True)
    theirs = keras.Sequential([keras.Input((5, 4)), keras.layers.Masking(), rnn])
    ours = model_from_json(theirs.to_json())
    ours.set_weights(theirs.get_weights())
    assert [w.dtype for w in ours.weights] == [w.dtype for w in theirs.weights]
    x = np.random.default_rng(0).standard_normal((3, 5, 4)).astype("float32")
    x[0, 3:] = 0
    found, expected = ours(x), theirs(x)
    assert found.dtype == expected.dtype == getattr(torch, ours.outputs[0].dtype)
    tolerance = TOLERANCE["bfloat16" if "mixed_bfloat16" in (outer, *cells) else "float32"]
    np.testing.assert_allclose(found.detach().float(), expected.detach().float(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "bfloat16", "float64", "mixed_float16"])
def test_training_under_a_policy_follows_keras(policy: str) -> None:
    k = keras.layers
    stack = [
        k.Conv1D(4, 3, activation="relu", kernel_regularizer="l2", dtype=policy),
        k.BatchNormalization(dtype=policy),
        k.Flatten(dtype=policy),
        k.Dense(2, activity_regularizer="l2", kernel_constraint="max_norm", dtype=policy),
    ]
    theirs = model_of(stack)
    ours = model_from_json(theirs.to_json())
    check.keras_oracle.randomize(theirs, np.random.default_rng(0))
    ours.set_weights(theirs.get_weights())
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((16, 6, 4)).astype("float32"), rng.standard_normal((16, 2)).astype("float32")
    ours.compile("sgd", "mse")
    theirs.compile("sgd", "mse", auto_scale_loss=False)
    tolerance = 8 * TOLERANCE[policy.removeprefix("mixed_")] if "16" in policy else 1e-5
    for _ in range(3):
        np.testing.assert_allclose(ours.train_on_batch(x, y), theirs.train_on_batch(x, y), rtol=tolerance)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b.astype(a.dtype), rtol=tolerance, atol=tolerance)


def test_fit_in_mixed_precision_learns() -> None:
    model = Sequential([layers.Input((8, 8, 3))])
    for layer in (layers.Conv2D(8, 3, activation="relu", dtype="mixed_bfloat16"), layers.GlobalMaxPooling2D()):
        model.add(layer)
    model.add(layers.Dense(3, activation="softmax"))
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 256)
    x = rng.standard_normal((256, 8, 8, 3)).astype("float32") + 2 * np.eye(3, dtype="float32")[y][:, None, None]
    set_random_seed(0)
    model.compile(AdamW(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, epochs=10, verbose=0).history
    assert history["accuracy"][-1] > 0.95 and model.get_weights()[0].dtype == np.float32


FORMS = {
    "plain": "mixed_bfloat16",
    "keras 2": {"class_name": "Policy", "config": {"name": "mixed_bfloat16"}},
    "keras 3": {
        "module": "keras",
        "class_name": "DTypePolicy",
        "config": {"name": "mixed_bfloat16"},
        "registered_name": None,
        "shared_object_id": 1234,
    },
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_policy_is_read(form: str) -> None:
    config = {"name": "a", "units": 2, "dtype": FORMS[form]}
    item = {"class_name": "InputLayer", "config": {"batch_shape": [None, 3], "name": "x"}}
    document = {"class_name": "Sequential", "config": {"layers": [item, {"class_name": "Dense", "config": config}]}}
    spec = parse_spec(json.dumps(document))
    assert spec.members()[-1].dtype == "mixed_bfloat16"
    assert '"Policy"' in to_json(spec, "keras2") and "mixed_bfloat16" in to_json(spec, "short")
    assert keras.models.model_from_json(to_json(spec, "keras3")).layers[-1].dtype_policy.name == "mixed_bfloat16"


def test_a_policy_there_is_none_of_is_told() -> None:
    report = validate_text("inputs: {x: [3]}\nlayers:\n  - Dense: {units: 1, dtype: mixed_float8}\n")
    assert [(d.code.id, d.span.line, d.span.column) for d in report.diagnostics if d.span] == [("SC104", 3, 30)]


def test_initial_weights_are_drawn_in_the_dtype_they_are_kept_in() -> None:
    model = Sequential([layers.Input((4,)), layers.Dense(4, kernel_initializer="orthogonal", dtype="float64")])
    kernel = model.get_weights()[0]
    np.testing.assert_allclose(kernel @ kernel.T, np.eye(4), atol=1e-14)
    for policy in ("float16", "bfloat16"):
        Sequential([layers.Input((4, 4)), layers.GRU(4, dtype=policy)]).build()


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32"])
@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.Dense(3),
        keras.layers.Rescaling(0.5),
        keras.layers.TimeDistributed(keras.layers.Dense(3)),
        keras.layers.Dense(3, dtype="float64"),
    ],
    ids=lambda layer: f"{layer.name}-{layer.dtype}" if isinstance(layer, keras.Layer) else layer,
)
def test_whole_numbers_become_floats_where_floats_come_out(layer: keras.Layer, dtype: str) -> None:
    theirs = keras.Sequential([keras.Input((4, 2), dtype=dtype), type(layer).from_config(layer.get_config())])
    ours = model_from_json(theirs.to_json())
    ours.set_weights(theirs.get_weights())
    x = np.random.default_rng(0).integers(0, 2, (3, 4, 2)).astype(dtype)
    wanted = keras.ops.convert_to_numpy(theirs(x))
    found = ours.predict(x, verbose=0)
    assert found.dtype == wanted.dtype
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16", "bfloat16"])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_volumes_are_averaged_in_half_precision(policy: str, padding: str) -> None:
    """Keras has no kernel for it outside a GPU: it is the average in float32, rounded."""
    item = f"AveragePooling3D: {{pool_size: 2, padding: {padding}, dtype: {policy}}}"
    module = lower(parse_spec(f"inputs: {{x: [4, 5, 3, 2]}}\nlayers: [{{{item}}}]"))
    wide = keras.layers.AveragePooling3D(2, padding=padding)
    dtype = getattr(torch, policy.removeprefix("mixed_"))
    x = torch.rand(2, 4, 5, 3, 2).to(dtype)
    with mock.patch.object(keras.src.backend.nn, "average_pool", check.keras_oracle.average_pool):
        expected = wide(x.float())
    y = module(x.float())
    assert y.dtype == dtype
    torch.testing.assert_close(y, expected.to(dtype))


@pytest.mark.parametrize(("outer", "inner"), [("mixed_float16", "float32"), ("float32", "mixed_bfloat16")])
def test_a_recurrent_layer_both_ways_at_every_step_comes_out_in_the_dtype_of_the_outermost(
    outer: str, inner: str
) -> None:
    both = keras.layers.Bidirectional(keras.layers.LSTM(2, dtype=inner), dtype=inner)
    theirs = model_of([keras.layers.TimeDistributed(both, dtype=outer)], shape=(2, 5, 3))
    ours = model_from_json(theirs.to_json())
    check.keras_oracle.randomize(theirs, np.random.default_rng(0))
    ours.set_weights(theirs.get_weights())
    x = np.random.default_rng(1).standard_normal((3, 2, 5, 3)).astype("float32")
    with torch.no_grad():
        a, b = ours.module.eval()(torch.from_numpy(x)), theirs(x)
    assert str(a.dtype) == f"torch.{theirs.outputs[0].dtype}"
    torch.testing.assert_close(a.float(), b.float(), rtol=2**-5, atol=2**-5)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float32"])
@pytest.mark.parametrize("back", ["float32", "float16"])
def test_an_embedding_in_reverse_comes_out_in_the_dtype_stated(policy: str, back: str) -> None:
    layer = keras.layers.ReversibleEmbedding(7, 3, reverse_dtype=back, dtype=policy)
    x = keras.Input((5, 3))
    layer(keras.Input((5,), dtype="int32"))
    theirs = keras.Model(x, layer(x, reverse=True))
    text = f"ReversibleEmbedding: {{input_dim: 7, output_dim: 3, reverse_dtype: {back}, dtype: {policy}}}"
    lowered = lower_spec(parse_spec(f"inputs: {{x: [5, 3]}}\nlayers: [{{{text}, with: {{reverse: true}}}}]"))
    module = build(lowered)
    array = torch.from_numpy(np.random.default_rng(1).standard_normal((2, 5, 3)).astype("float32"))
    a, b = module(array), theirs(array)
    assert str(a.dtype) == str(b.dtype) == f"torch.{lowered.graph.outputs.dtype}"
