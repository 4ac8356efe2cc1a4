"""What the cases of one call cannot show: states kept from batch to batch, rows with every step masked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import pytest
import torch

from spec_compiler import Input, callbacks, layers
from spec_compiler.diagnostics import Reporter, SpecError
from spec_compiler.lowering.lower import assign, build, parameters_of, weights
from spec_compiler.lowering.to_fx import lower_graph
from spec_compiler.models import Model, model_from_json
from spec_compiler.nn.steps import States
from spec_compiler.passes import check
from tests.layers.check import assert_close, read_model

L = keras.layers


def lowered(oracle: keras.Model, seed: int = 0) -> torch.fx.GraphModule:
    """Our module of a Keras model, both with the same random weights."""
    rng = np.random.default_rng(seed)
    oracle.set_weights([rng.standard_normal(w.shape).astype("float32") * 0.5 for w in oracle.weights])
    graph = check(read_model(oracle), Reporter())
    assert graph is not None
    found = lower_graph(graph)
    module = build(found)
    with torch.no_grad():
        for (layer, _, rules), value in zip(weights(found), oracle.get_weights(), strict=True):
            assign(parameters_of(module, layer, rules), rules, torch.from_numpy(value))
    return module.eval()


def assert_same(ours: Any, theirs: Any) -> None:
    for a, b in zip(keras.tree.flatten(ours), keras.tree.flatten(theirs), strict=True):
        assert_close(a, b.detach(), "output")


def stacked(**kwargs: Any) -> keras.Layer:
    return L.RNN([L.LSTMCell(3), L.GRUCell(4)], **kwargs)


def both_ways(**kwargs: Any) -> keras.Layer:
    return L.Bidirectional(L.LSTM(4, **kwargs))


STATEFUL: Sequence[Callable[..., keras.Layer]] = [
    lambda **kwargs: L.LSTM(4, **kwargs),
    lambda **kwargs: L.GRU(4, **kwargs),
    lambda **kwargs: L.GRU(4, reset_after=False, **kwargs),
    lambda **kwargs: L.SimpleRNN(4, activation="softsign", **kwargs),
    stacked,
    both_ways,
]


@pytest.mark.parametrize("make", STATEFUL)
@pytest.mark.parametrize("return_sequences", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_stateful_layer_continues_where_the_last_batch_ended(
    make: Callable[..., keras.Layer], return_sequences: bool, masked: bool
) -> None:
    x = keras.Input(batch_shape=(3, 5, 2))
    mask = keras.Input(batch_shape=(3, 5), dtype="bool")
    layer = make(stateful=True, return_sequences=return_sequences)
    oracle = keras.Model([x, mask], layer(x, mask=mask)) if masked else keras.Model(x, layer(x))
    module = lowered(oracle)
    rng = np.random.default_rng(1)
    for batch in range(4):
        if batch == 3:
            # Keras's own reset_states() fails on stacked cells.
            for state in keras.tree.flatten(layer.states):
                state.assign(keras.ops.zeros_like(state))
            for kept in module.modules():
                if isinstance(kept, States):
                    kept.reset_states()
        inputs = [torch.from_numpy(rng.standard_normal((3, 5, 2)).astype("float32"))]
        if masked:
            steps = rng.random((3, 5)) < 0.5
            steps[0] = False
            inputs.append(torch.from_numpy(steps))
        assert_same(module(*inputs), oracle(inputs if masked else inputs[0]))


def test_states_are_no_weights_and_keep_no_graph() -> None:
    x = keras.Input(batch_shape=(3, 5, 2))
    module = lowered(keras.Model(x, L.LSTM(4, stateful=True)(x)))
    assert not any("state" in name for name in module.state_dict())
    for _ in range(2):
        module(torch.randn(3, 5, 2)).sum().backward()


MASKED: Sequence[Callable[..., keras.Layer]] = [
    *STATEFUL,
    lambda **kwargs: L.LSTM(4, zero_output_for_mask=True, **kwargs),
    lambda **kwargs: L.LSTM(4, go_backwards=True, **kwargs),
    lambda **kwargs: L.LSTM(4, activation="relu", **kwargs),
]


@pytest.mark.parametrize("make", MASKED)
@pytest.mark.parametrize("return_sequences", [False, True])
def test_rows_with_every_step_masked_match_keras(make: Callable[..., keras.Layer], return_sequences: bool) -> None:
    x, mask = keras.Input((5, 2)), keras.Input((5,), dtype="bool")
    oracle = keras.Model([x, mask], make(return_sequences=return_sequences, return_state=True)(x, mask=mask))
    module = lowered(oracle)
    steps = torch.tensor([[0, 0, 0, 0, 0], [1, 1, 1, 0, 0], [0, 0, 1, 1, 1], [1, 0, 1, 0, 1], [1, 1, 1, 1, 1]]).bool()
    x_btf = torch.randn(5, 5, 2)
    assert_same(module(x_btf, steps), oracle([x_btf, steps]))


@pytest.mark.parametrize("make", [STATEFUL[0], STATEFUL[1], STATEFUL[3]])
def test_masked_steps_before_the_first_give_zeros_but_keep_the_states_given(make: Callable[..., keras.Layer]) -> None:
    layer = make(return_sequences=True, return_state=True)
    x, mask = keras.Input((5, 2)), keras.Input((5,), dtype="bool")
    start = [keras.Input((4,)) for _ in range(2 if isinstance(layer, L.LSTM) else 1)]
    oracle = keras.Model([x, mask, *start], layer(x, initial_state=start, mask=mask))
    module = lowered(oracle)
    steps = torch.tensor([[0, 0, 0, 0, 0], [0, 0, 1, 1, 0], [0, 1, 0, 1, 1]]).bool()
    inputs = [torch.randn(3, 5, 2), steps, *(torch.randn(3, 4) for _ in start)]
    found = module(*inputs)
    assert_same(found, oracle(inputs))
    assert not found[0][0].any()
    assert torch.equal(found[1][0], inputs[2][0])


@pytest.mark.parametrize("inner", ["float32", "mixed_bfloat16", "float64"])
@pytest.mark.parametrize("outer", ["float32", "mixed_bfloat16", "float64"])
@pytest.mark.parametrize("cls, count", [(L.LSTM, 4), (L.GRU, 2), (L.SimpleRNN, 2)])
def test_states_are_given_to_both_directions_in_their_own_dtype(
    cls: type[keras.Layer], count: int, outer: str, inner: str
) -> None:
    x, start = keras.Input((5, 2)), [keras.Input((4,)) for _ in range(count)]
    layer = L.Bidirectional(cls(4, return_sequences=True, return_state=True, dtype=inner), dtype=outer)
    oracle = keras.Model([x, *start], layer(x, initial_state=start))
    module, inputs = lowered(oracle), [torch.randn(3, 5, 2), *(torch.randn(3, 4) for _ in start)]
    near = 0.05 if "bfloat16" in outer + inner else 1e-5
    for a, b in zip(module(*inputs), oracle(inputs), strict=True):
        assert a.dtype == b.dtype
        torch.testing.assert_close(a, b.detach(), rtol=near, atol=near)


@pytest.mark.parametrize("cls", [layers.LSTM, layers.GRU, layers.SimpleRNN])
@pytest.mark.parametrize("arguments", [{}, {"activation": "relu"}, {"reset_after": False}])
def test_states_of_another_batch_are_refused(cls: Any, arguments: dict[str, Any]) -> None:
    """torch's kernel for the CPU would read beyond an LSTM's."""
    if "reset_after" in arguments and cls is not layers.GRU:
        return
    x = Input(batch_shape=(2, 5, 4))
    stateful = Model(x, cls(3, stateful=True, **arguments)(x))
    for batch in (1, 3):
        with pytest.raises(
            ValueError, match=rf"states to start from are of shape \(2, 3\), the batch needs \({batch}, 3\)"
        ):
            stateful.module(torch.randn(batch, 5, 4))
        with pytest.raises(SpecError, match="give `batch_size=2`, and as many samples or a multiple"):
            stateful.predict(np.ones((batch, 5, 4)), verbose=0)
    assert stateful.predict(np.ones((4, 5, 4)), batch_size=2, verbose=0).shape == (4, 3)
    y, start = Input((5, 4)), [Input((3,)) for _ in range(2 if cls is layers.LSTM else 1)]
    module = Model([y, *start], cls(3, **arguments)(y, initial_state=start)).module
    for shape in ((1, 3), (4, 3), (2, 4)):
        with pytest.raises(ValueError, match=r"the batch needs \(2, 3\)"):
            module(torch.randn(2, 5, 4), *(torch.randn(shape) for _ in start))
    with pytest.raises(ValueError, match="expected steps of 4 features"):
        module(torch.randn(2, 5, 3), *(torch.randn(2, 3) for _ in start))


def zeroed(model: keras.Model) -> None:
    """Reset a Keras model's states: its own reset_states() fails on stacked cells, and is no model's."""
    for layer in model._flatten_layers():
        for state in keras.tree.flatten(getattr(layer, "states", None) or []):
            state.assign(keras.ops.zeros_like(state))


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("make", STATEFUL)
def test_a_models_states_last_from_batch_to_batch_until_they_are_reset(
    make: Callable[..., keras.Layer], nested: bool
) -> None:
    rows = [make(stateful=True, return_sequences=True), L.Dense(2)]
    start = keras.Input(batch_shape=(3, 5, 2))
    inner = [keras.Sequential([keras.Input(batch_shape=(3, 5, 2)), *rows], name="inner")] if nested else rows
    theirs = keras.Sequential([start, *inner])
    ours = model_from_json(theirs.to_json())
    rng = np.random.default_rng(2)
    theirs.set_weights([rng.standard_normal(w.shape).astype("float32") * 0.5 for w in theirs.weights])
    ours.set_weights(theirs.get_weights())
    x = rng.standard_normal((9, 5, 2)).astype("float32")

    def assert_predicts_alike() -> np.ndarray[Any, Any]:
        found = ours.predict(x, batch_size=3, verbose=0)
        assert_close(torch.from_numpy(found), torch.from_numpy(theirs.predict(x, batch_size=3, verbose=0)), "output")
        return found

    first = assert_predicts_alike()
    assert not np.allclose(assert_predicts_alike(), first)
    layer = (ours.get_layer("inner") if nested else ours).layers[0]
    for reset in (ours.reset_states, layer.reset_states, layer.reset_state):
        reset()
        zeroed(theirs)
        assert np.array_equal(assert_predicts_alike(), first)


# Of the others, with a cell that LSTM and GRU run on torch's kernels, Keras cannot train a stateful one on torch.
@pytest.mark.parametrize("make", [STATEFUL[2], STATEFUL[3], stacked])
def test_fit_keeps_states_within_an_epoch_and_a_callback_resets_them(make: Callable[..., keras.Layer]) -> None:
    theirs = keras.Sequential([keras.Input(batch_shape=(3, 5, 2)), make(stateful=True), L.Dense(1)])
    ours = model_from_json(theirs.to_json())
    ours.set_weights(theirs.get_weights())
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((9, 5, 2)).astype("float32"), rng.standard_normal((9, 1))

    class Reset(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            zeroed(self.model)

    class OurReset(callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.model.reset_states()

    losses = []
    for model, reset in ((ours, OurReset()), (theirs, Reset())):
        model.compile("sgd", "mse")
        history = model.fit(x, y, batch_size=3, epochs=3, shuffle=False, verbose=0, callbacks=[reset])
        losses.append(history.history["loss"])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)


@pytest.mark.parametrize("make", [STATEFUL[0], STATEFUL[1], both_ways])
def test_states_go_from_one_nested_model_to_another_and_train(make: Callable[..., keras.Layer]) -> None:
    x = keras.Input((5, 2))
    encoder = keras.Model(x, make(return_state=True)(x)[1:], name="encoder")
    steps, *states = keras.Input((4, 2)), *(keras.Input((4,)) for _ in encoder.outputs)
    decoder = keras.Model([steps, *states], make(return_sequences=True)(steps, initial_state=states), name="decoder")
    a, b = keras.Input((5, 2)), keras.Input((4, 2))
    theirs = keras.Model([a, b], L.Dense(1)(decoder([b, *encoder(a)])))
    ours = model_from_json(theirs.to_json())
    ours.set_weights(theirs.get_weights())
    rng = np.random.default_rng(4)
    given = [rng.standard_normal((6, n, 2)).astype("float32") for n in (5, 4)]
    assert_close(
        torch.from_numpy(ours.predict(given, verbose=0)), torch.from_numpy(theirs.predict(given, verbose=0)), "output"
    )
    for model in (ours, theirs):
        model.compile("sgd", "mse")
    for _ in range(2):
        losses = [model.train_on_batch(given, np.ones((6, 4, 1))) for model in (ours, theirs)]
        np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
