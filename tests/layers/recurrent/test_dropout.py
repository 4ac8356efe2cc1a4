"""Dropout of recurrent layers: which elements share a fate, and how often each is dropped."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from spec_compiler import Input, layers
from spec_compiler.lowering.lower import lower
from spec_compiler.models import Model
from spec_compiler.nn import recurrent

RATE = 0.3


def module_of(layer: Any, n: int = 4, steps: int = 3) -> torch.fx.GraphModule:
    x = Input(shape=(steps, n))
    return lower(Model(x, layer(x)).spec).train()


def test_a_feature_is_dropped_at_every_step_or_at_none() -> None:
    # One unit a feature, and no recurrence: an output is 1 / (1 - rate) where its feature is kept.
    layer = layers.SimpleRNN(4, activation="linear", dropout=RATE, return_sequences=True, use_bias=False, name="rnn")
    module = module_of(layer)
    with torch.no_grad():
        module.rnn.weight_ih_l0.copy_(torch.eye(4))
        module.rnn.weight_hh_l0.zero_()
    torch.manual_seed(0)
    y = module(torch.ones(4000, 3, 4)).detach()
    kept = y > 0
    assert torch.equal(kept, kept[:, :1].expand_as(kept))
    torch.testing.assert_close(y[kept], torch.full_like(y[kept], 1 / (1 - RATE)))
    # Within five standard deviations of 4000 samples' four features.
    assert abs(kept.double().mean().item() - (1 - RATE)) < 5 * math.sqrt(RATE * (1 - RATE) / 16_000)
    assert not torch.equal(kept[:, :, 0], kept[:, :, 1])


@pytest.mark.parametrize("cls", [layers.LSTM, layers.GRU, layers.SimpleRNN])
def test_dropout_alone_keeps_the_fused_kernel(cls: type[Any]) -> None:
    module = module_of(cls(4, dropout=RATE))
    assert not any(type(m).__name__.endswith("Loop") for m in module.modules())


@pytest.mark.parametrize("cls", [layers.LSTM, layers.GRU, layers.SimpleRNN])
def test_recurrent_dropout_is_off_in_inference(cls: type[Any]) -> None:
    plain, dropped = module_of(cls(4, name="rnn")), module_of(cls(4, recurrent_dropout=RATE, dropout=RATE, name="rnn"))
    dropped.load_state_dict(plain.state_dict())
    x = torch.randn(3, 3, 4)
    torch.testing.assert_close(dropped.eval()(x), plain.eval()(x))


def test_each_gate_drops_states_of_its_own_the_same_at_every_step() -> None:
    # Gates read the state alone, one element each: their inputs tell which elements were kept.
    h, rate = torch.ones(2000, 5), RATE
    torch.manual_seed(0)
    keep = recurrent.kept(h, rate, 4)
    kept = torch.stack(keep) > 0
    assert abs(kept.double().mean().item() - (1 - rate)) < 5 * math.sqrt(rate * (1 - rate) / kept.numel())
    both_kept = (1 - rate) ** 2
    for i in range(4):
        for j in range(i):
            both = (kept[i] & kept[j]).double().mean().item()
            assert abs(both - both_kept) < 5 * math.sqrt(both_kept * (1 - both_kept) / h.numel())
    weight = torch.randn(4 * 5, 5)
    y = recurrent.gated(h, keep, weight)
    for gate, (factors, rows) in enumerate(zip(keep, weight.chunk(4), strict=True)):
        torch.testing.assert_close(y.chunk(4, dim=-1)[gate], (h * factors) @ rows.T)


@pytest.mark.parametrize("cls", [layers.LSTM, layers.GRU, layers.SimpleRNN])
def test_recurrent_dropout_changes_training_but_not_the_first_step(cls: type[Any]) -> None:
    # The state starts from zeros, of which there is nothing to drop.
    module = module_of(cls(4, recurrent_dropout=RATE, return_sequences=True))
    x = torch.randn(1, 3, 4).expand(64, 3, 4)
    y = module(x).detach()
    torch.testing.assert_close(y[:, 0], y[:1, 0].expand(64, 4))
    assert y[:, 2].std(dim=0).min() > 1e-3


@pytest.mark.parametrize("cls", [layers.LSTM, layers.GRU, layers.SimpleRNN])
@pytest.mark.parametrize("rates", [{"dropout": RATE}, {"recurrent_dropout": RATE}])
def test_a_seeded_generator_repeats_the_masks(cls: type[Any], rates: dict[str, float]) -> None:
    module, x = module_of(cls(4, **rates)), torch.randn(8, 3, 4)
    drawn = []
    for _ in range(2):
        torch.manual_seed(5)
        drawn.append(module(x))
    torch.testing.assert_close(*drawn)
