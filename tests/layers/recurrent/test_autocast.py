"""Recurrent layers as plain modules under `torch.autocast`, where torch computes some steps in another dtype."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from spec_compiler import Input, layers
from spec_compiler.lowering.lower import lower
from spec_compiler.models import Model

LAYERS: dict[str, Any] = {
    "LSTM": lambda: layers.LSTM(4),
    "LSTM(elu)": lambda: layers.LSTM(4, activation="elu"),
    "LSTM(recurrent_dropout)": lambda: layers.LSTM(4, recurrent_dropout=0.2),
    "GRU": lambda: layers.GRU(4),
    "GRU(reset_after=False)": lambda: layers.GRU(4, reset_after=False),
    "GRU(elu)": lambda: layers.GRU(4, activation="elu"),
    "GRU(recurrent_dropout)": lambda: layers.GRU(4, recurrent_dropout=0.2),
    "SimpleRNN": lambda: layers.SimpleRNN(4),
    "SimpleRNN(elu)": lambda: layers.SimpleRNN(4, activation="elu"),
    "SimpleRNN(recurrent_dropout)": lambda: layers.SimpleRNN(4, recurrent_dropout=0.2),
}


@pytest.mark.parametrize("masked", [False, True], ids=["plain", "masked"])
@pytest.mark.parametrize("name", LAYERS)
def test_autocast_gives_the_same_numbers_as_far_as_bfloat16_holds_them(name: str, masked: bool) -> None:
    x = Input(shape=(5, 3))
    module = lower(Model(x, LAYERS[name]()(layers.Masking()(x) if masked else x)).spec)
    data = torch.randn(2, 5, 3)
    expected = module.eval()(data)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(module(data).float(), expected, rtol=0.05, atol=0.05)
        loss = module.train()(data).float().square().sum()
    loss.backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in module.parameters())
