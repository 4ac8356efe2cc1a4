"""Masked steps are moved to the end by what every runtime has: torch has no stable sort for ONNX."""

from __future__ import annotations

import pytest
import torch

from spec_compiler import lower, parse_spec
from spec_compiler.nn.steps import compact, spread


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_unmasked_steps_come_first_in_their_order(share: float, steps: int) -> None:
    x, mask = torch.randn(20, steps, 3), torch.rand(20, steps) < share
    compacted, place, past = compact(x, mask)
    for i, (sample, kept) in enumerate(zip(x, mask, strict=True)):
        assert torch.equal(compacted[i], torch.cat([sample[kept], sample[~kept]]))
        assert past[i].sum() == (~kept).sum()
        assert not past[i, : kept.sum()].any()
    assert torch.equal(spread(compacted, place)[mask], x[mask])


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "SimpleRNN"])
def test_a_masked_layer_exports_without_a_sort(kind: str) -> None:
    text = f"inputs: {{x: {{shape: [5], dtype: int32}}}}\nlayers: [Embedding: {{input_dim: 9, output_dim: 4, mask_zero: true}}, {kind}: {{units: 3}}]"
    program = torch.export.export(lower(parse_spec(text)).eval(), (torch.randint(0, 9, (2, 5)),))
    assert not [node for node in program.graph.nodes if "sort" in str(node.target)]
