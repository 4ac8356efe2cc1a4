"""Recurrent modules compiled, and made without numbers: right as torch's own are, on whose kernels they run."""

from __future__ import annotations

import pytest
import torch

from spec_compiler import lower, parse_spec


@pytest.mark.parametrize("masked", [False, True], ids=["plain", "masked"])
@pytest.mark.parametrize("layer", ["LSTM: {units: 3}", "Bidirectional: {layer: {LSTM: {units: 3}}}"])
def test_a_compiled_lstm_trains_on_inputs_without_gradients(layer: str, masked: bool) -> None:
    """torch to 2.13 compiles it to a kernel without a backward pass, were the input not made one with a gradient."""
    masking = "Masking, " if masked else ""
    module = lower(parse_spec(f"inputs: {{x: [5, 4]}}\nlayers: [{masking}{{{layer}}}]")).train()
    x, found = torch.randn(3, 5, 4), []
    torch.compiler.reset()
    for run in (module, torch.compile(module, backend="aot_eager", fullgraph=True)):
        module.zero_grad()
        run(x).square().sum().backward()
        found.append([parameter.grad for parameter in module.parameters()])
    for eager, compiled in zip(*found, strict=True):
        torch.testing.assert_close(compiled, eager)


@pytest.mark.parametrize("layer", ["LSTM", "SimpleRNN", "GRU", "GRU: {reset_after: false}", "LSTM: {activation: relu}"])
def test_a_module_without_numbers_takes_all_it_needs_from_a_state_dict(layer: str) -> None:
    name, _, given = layer.partition(": ")
    text = f"inputs: {{x: [5, 4]}}\nlayers: [{{{name}: {{units: 3, {given.strip('{}')}}}}}]"
    module, x = lower(parse_spec(text)).eval(), torch.randn(2, 5, 4)
    with torch.device("meta"):
        empty = lower(parse_spec(text)).eval()
    torch.utils.deterministic.fill_uninitialized_memory = True
    torch.use_deterministic_algorithms(True)
    try:
        filled = empty.to_empty(device="cpu")
    finally:
        torch.use_deterministic_algorithms(False)
    filled.load_state_dict(module.state_dict())
    torch.testing.assert_close(filled(x), module(x))
