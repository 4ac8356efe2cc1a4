"""What the cases of one call cannot show of convolutional recurrent layers: kept states, and which elements dropout drops."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import torch

from spec_compiler import Input, layers
from spec_compiler.lowering.lower import lower
from spec_compiler.models import Model
from spec_compiler.nn.steps import States
from tests.layers.recurrent.test_states import assert_same, lowered

RATE = 0.3


@pytest.mark.parametrize("return_sequences", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_stateful_layer_continues_where_the_last_batch_ended(
    return_sequences: bool, masked: bool, data_format: str
) -> None:
    shape = (3, 4, 5, 3, 2)
    x, mask = keras.Input(batch_shape=shape), keras.Input(batch_shape=(3, 4), dtype="bool")
    layer = keras.layers.ConvLSTM2D(
        2, 2, stateful=True, return_sequences=return_sequences, data_format=data_format, padding="same"
    )
    oracle = keras.Model([x, mask], layer(x, mask=mask)) if masked else keras.Model(x, layer(x))
    module = lowered(oracle)
    rng = np.random.default_rng(1)
    for batch in range(4):
        if batch == 3:
            layer.reset_states()
            for kept in module.modules():
                if isinstance(kept, States):
                    kept.reset_states()
        inputs = [torch.from_numpy(rng.standard_normal(shape).astype("float32"))]
        if masked:
            steps = rng.random((3, 4)) < 0.5
            steps[0] = False
            inputs.append(torch.from_numpy(steps))
        assert_same(module(*inputs), oracle(inputs if masked else inputs[0]))


def test_rows_with_every_step_masked_match_keras() -> None:
    x, mask = keras.Input((5, 4, 2)), keras.Input((5,), dtype="bool")
    layer = keras.layers.ConvLSTM1D(3, 2, return_sequences=True, return_state=True)
    start = [keras.Input((3, 3)), keras.Input((3, 3))]
    oracle = keras.Model([x, mask, *start], layer(x, initial_state=start, mask=mask))
    steps = torch.tensor([[0, 0, 0, 0, 0], [1, 1, 1, 0, 0], [0, 0, 1, 1, 1], [1, 0, 1, 0, 1], [1, 1, 1, 1, 1]]).bool()
    inputs = [torch.randn(5, 5, 4, 2), steps, torch.randn(5, 3, 3), torch.randn(5, 3, 3)]
    found = lowered(oracle)(*inputs)
    assert_same(found, oracle(inputs))
    assert not found[0][0].any()
    assert torch.equal(found[1][0], inputs[2][0])


def module_of(layer: Any, *shape: int) -> torch.fx.GraphModule:
    x = Input(shape=shape)
    return lower(Model(x, layer(x)).spec).train()


def test_an_element_is_dropped_for_a_gate_at_every_step_or_at_none() -> None:
    # One filter a channel and no recurrence: with open gates, the cell sums what its own gate kept of each step.
    layer = layers.ConvLSTM1D(
        2, 1, activation="linear", recurrent_activation="relu", dropout=RATE, return_sequences=True, name="rnn"
    )
    module = module_of(layer, 3, 4, 2)
    with torch.no_grad():
        module.rnn.recurrent.weight.zero_()
        weight = torch.zeros(4, 2, 2)
        weight[2] = torch.eye(2)
        module.rnn.input.weight.copy_(weight.reshape(8, 2, 1))
        module.rnn.input.bias.copy_(torch.tensor([1.0, 1, 0, 1]).repeat_interleave(2))
    y = module(torch.ones(1000, 3, 4, 2)).detach()
    kept = y > 0
    assert torch.equal(kept, kept[:, :1].expand_as(kept))
    torch.testing.assert_close(y[:, 2][kept[:, 2]], torch.full_like(y[:, 2][kept[:, 2]], 3 / (1 - RATE)))
    assert abs(kept.float().mean().item() - (1 - RATE)) < 0.02
    assert not torch.equal(kept[..., 0], kept[..., 1])
    assert not torch.equal(kept[..., :1, :], kept[..., 1:2, :])


@pytest.mark.parametrize("rates", [{"dropout": RATE}, {"recurrent_dropout": RATE}])
def test_dropout_is_off_in_inference_and_repeats_with_the_seed(rates: dict[str, float]) -> None:
    make = layers.ConvLSTM2D
    plain = module_of(make(2, 2, name="rnn"), 3, 4, 5, 2)
    dropped = module_of(make(2, 2, name="rnn", **rates), 3, 4, 5, 2)
    dropped.load_state_dict(plain.state_dict())
    x, drawn = torch.randn(3, 3, 4, 5, 2), []
    for _ in range(2):
        torch.manual_seed(5)
        drawn.append(dropped(x))
    torch.testing.assert_close(*drawn)
    assert (drawn[0] - plain(x)).abs().max() > 1e-3
    torch.testing.assert_close(dropped.eval()(x), plain.eval()(x))


def test_lengths_unknown_beforehand_and_even_strides_match_keras_on_known_ones() -> None:
    # Keras 3 wants the lengths; older Keras did not.
    known, x = keras.layers.ConvLSTM2D(3, 2, strides=2, padding="same"), torch.randn(2, 3, 5, 4, 2)
    oracle = keras.Sequential([keras.Input((3, 5, 4, 2)), known])
    layer = layers.ConvLSTM2D(3, 2, strides=2, padding="same")
    symbol = Input(shape=(None, None, None, 2))
    model = Model(symbol, layer(symbol))
    assert model.output_shape == (None, None, None, 3)
    model.set_weights(oracle.get_weights())
    np.testing.assert_allclose(
        model.predict(x.numpy(), verbose=0), oracle.predict(x.numpy(), verbose=0), rtol=1e-5, atol=1e-6
    )
