"""The GPU that tests run on where there is one, and how near it comes to the CPU."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor

NAME = "cuda"

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

HALF = {torch.float16: 2**-9, torch.bfloat16: 2**-6}
"""A few units in the last place, of 11 and 8 bits."""


@contextmanager
def in_full_precision() -> Iterator[None]:
    """Have float32 be multiplied as such, not rounded to 11 bits before as cuDNN does by itself."""
    allowed = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = allowed


def assert_close(found: Tensor, expected: Tensor, what: str, through: Iterable[Tensor] = ()) -> None:
    """Assert that a tensor of the GPU is one of the CPU: sums are taken in another order, so float32 keeps 4 of 7 digits.

    What came `through` tensors of half the precision is as exact as these.
    """
    assert found.shape == expected.shape and found.dtype == expected.dtype, f"{what}: {found.shape}, {found.dtype}"
    found, expected = found.detach().cpu(), expected.detach()
    scale = (
        float(expected.abs().nan_to_num(0, 0, 0).max()) if expected.numel() and expected.dtype != torch.bool else 0.0
    )
    tolerance = max(HALF.get(x.dtype, 1e-4) for x in (expected, *through))
    torch.testing.assert_close(
        found, expected, rtol=tolerance, atol=tolerance * max(scale, 0.1), equal_nan=True, msg=lambda m: f"{what}: {m}"
    )
