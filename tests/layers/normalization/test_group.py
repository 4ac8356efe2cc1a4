"""Group normalization as the first layer, whose input wants no gradient: torch's own crashes the process."""

from __future__ import annotations

import pytest
import torch

from spec_compiler import emit, lower, parse_spec


@pytest.mark.parametrize("shape", [[5, 4], [5, 3, 4], [2, 5, 3, 4], [5, 7, 1], [5, 6, 7, 1]])
def test_gradients_of_the_weights_alone(shape: list[int]) -> None:
    groups = min(shape[-1], 2)
    spec = parse_spec(f"inputs: {{x: {shape}}}\nlayers: [{{GroupNormalization: {{groups: {groups}}}}}]")
    x = torch.randn(3, *shape, dtype=torch.float64)
    norm = lower(spec)
    source: dict[str, object] = {"__name__": "emitted"}
    exec(compile(emit(spec), "emitted", "exec"), source)
    found = []
    for module, given in ((norm, x), (norm, x.clone().requires_grad_()), (source[type(norm).__name__](), x)):  # type: ignore[operator]
        module.double().zero_grad()
        module(given).square().sum().backward()
        found.append([p.grad.clone() for p in module.parameters()])
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            torch.testing.assert_close(a, b)
