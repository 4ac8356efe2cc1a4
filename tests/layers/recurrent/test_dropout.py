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


def test_each_gate_drops_states_of_its_own() -> None:
    h, rate = torch.ones(2000, 5), RATE
    torch.manual_seed(0)
    keep = recurrent.kept(h, rate, 4)
    assert keep is not None
    kept = keep > 0
    assert abs(kept.double().mean().item() - (1 - rate)) < 5 * math.sqrt(rate * (1 - rate) / kept.numel())
    both_kept = (1 - rate) ** 2
    for i in range(4):
        for j in range(i):
            both = (kept[i] & kept[j]).double().mean().item()
            assert abs(both - both_kept) < 5 * math.sqrt(both_kept * (1 - both_kept) / h.numel())


def by_hand(rnn: Any, x: torch.Tensor, keep_x: torch.Tensor | None, keep_h: torch.Tensor | None) -> torch.Tensor:
    """Keras's formulas of the three layers, a gate and a step at a time, with tanh and sigmoid."""
    gates = rnn.weight_hh_l0.shape[0] // rnn.hidden_size
    kernels, states = rnn.weight_ih_l0.chunk(gates), rnn.weight_hh_l0.chunk(gates)
    bias, bias_h = rnn.bias_ih_l0.chunk(gates), rnn.bias_hh_l0.chunk(gates)
    h = c = x.new_zeros(len(x), rnn.hidden_size)

    def of(step: torch.Tensor, state: torch.Tensor, gate: int) -> tuple[torch.Tensor, torch.Tensor]:
        step = step if keep_x is None else step * keep_x[gate, :, 0]
        state = state if keep_h is None else state * keep_h[gate]
        return step @ kernels[gate].T + bias[gate], state @ states[gate].T + bias_h[gate]

    outputs = []
    for step in x.unbind(1):
        if gates == 1:
            h = torch.tanh(sum(of(step, h, 0)))
        elif gates == 4:
            i, f, g, o = (sum(of(step, h, gate)) for gate in range(4))
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
        else:
            r, z = (torch.sigmoid(sum(of(step, h, gate))) for gate in range(2))
            x_n, h_n = of(step, h if rnn.reset_after else r * h, 2)
            h = z * h + (1 - z) * torch.tanh(x_n + (r * h_n if rnn.reset_after else h_n))
        outputs.append(h)
    return torch.stack(outputs, dim=1)


@pytest.mark.parametrize("rates", [(0.0, 0.0), (RATE, 0.0), (0.0, RATE), (RATE, RATE)])
@pytest.mark.parametrize("name", ["LSTM", "GRU", "GRU(reset_after=False)", "SimpleRNN"])
def test_a_loop_computes_each_gate_over_the_elements_it_keeps(name: str, rates: tuple[float, float]) -> None:
    of_input, of_state = rates
    loops = {
        "LSTM": lambda: recurrent.LSTMLoop(3, 5, input_dropout=of_input, recurrent_dropout=of_state),
        "GRU": lambda: recurrent.GRULoop(3, 5, input_dropout=of_input, recurrent_dropout=of_state),
        "GRU(reset_after=False)": lambda: recurrent.GRULoop(
            3, 5, reset_after=False, input_dropout=of_input, recurrent_dropout=of_state
        ),
        "SimpleRNN": lambda: recurrent.SimpleRNNLoop(3, 5, recurrent_dropout=of_state),
    }
    rnn, x = loops[name]().double().train(), torch.randn(2, 7, 3, dtype=torch.float64)
    gates = rnn.weight_hh_l0.shape[0] // 5
    torch.manual_seed(1)
    y = rnn(x)[0]
    torch.manual_seed(1)
    keep_x = recurrent.kept(x[:, :1], of_input if gates > 1 else 0.0, gates)
    keep_h = recurrent.kept(x.new_zeros(2, 5), of_state, gates)
    expected = by_hand(rnn, x, keep_x, keep_h)
    torch.testing.assert_close(y, expected, rtol=1e-12, atol=1e-12)
    weights = list(rnn.parameters())
    for ours, theirs in zip(*(torch.autograd.grad(v.square().sum(), weights) for v in (y, expected)), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


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
