"""Operations of which Keras gives no numbers to hold them to."""

from __future__ import annotations

import re
from typing import Any

import keras
import pytest
import torch

from spec_compiler import ops
from spec_compiler.lowering.lower import lower
from spec_compiler.specs.functional import Input, trace
from spec_compiler.specs.layers.ops_einops import arrangement
from spec_compiler.specs.shapes import ShapeError
from tests.layers.ops.oracle import flat


def computed(function: Any, *tensors: torch.Tensor) -> Any:
    """What our operation makes of the tensors."""
    inputs = [Input(batch_shape=tuple(x.shape), dtype=str(x.dtype).removeprefix("torch.")) for x in tensors]
    (y,) = flat(lower(trace(inputs, function(*inputs), "case"))(*tensors))
    return y


@pytest.mark.parametrize("axis", [-1, 0, None])
@pytest.mark.parametrize("kth", [0, 2, 4])
def test_argpartition_splits_at_the_kth(kth: int, axis: int | None) -> None:
    x = torch.rand(5, 5, generator=torch.Generator().manual_seed(0))
    places = computed(lambda x: ops.argpartition(x, kth, axis), x).long()
    x, axis = (x.flatten(), 0) if axis is None else (x, axis)
    found = x.gather(axis, places)
    length = found.size(axis)
    kept = found.narrow(axis, kth, 1)
    assert torch.equal(kept, x.sort(axis).values.narrow(axis, kth, 1))
    assert (found.narrow(axis, 0, kth) <= kept).all()
    assert (found.narrow(axis, kth, length - kth) >= kept).all()
    assert torch.equal(places.sort(axis).values, x.argsort(axis).sort(axis).values)


@pytest.mark.parametrize("increasing", [False, True])
def test_vander_has_gradients(increasing: bool) -> None:
    x = torch.tensor([0.0, -1.5, 2.0], requires_grad=True)
    y = computed(lambda x: ops.vander(x, 4, increasing), x)
    powers = [torch.ones_like(x), x, x * x, x * x * x]
    expected = torch.stack(powers if increasing else powers[::-1], 1)
    weight = torch.arange(12.0).view(3, 4)
    torch.testing.assert_close(y, expected)
    (ours,), (theirs,) = (torch.autograd.grad((z * weight).sum(), x) for z in (y, expected))
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64"])
def test_saturate_cast_stays_in_range(dtype: str) -> None:
    x = torch.tensor([-1e30, -5e9, -200.5, -1.0, 0.5, 300.0, 5e9, 1e30])
    info = torch.iinfo(getattr(torch, dtype))
    y = computed(lambda x: ops.saturate_cast(x, dtype), x)
    expected = [int(min(max(number, info.min), info.max)) for number in x.tolist()]
    # The largest int32 and int64 are no float32: the one below is as near as one gets.
    torch.testing.assert_close(y.double(), torch.tensor(expected, dtype=torch.float64), rtol=1e-7, atol=0)


@pytest.mark.parametrize(
    ("pattern", "lengths"),
    [
        ("b (h w) c -> b w h c", {"h": 2}),
        ("b h c -> (b h) c", {}),
        ("b h (c d) -> h b (d c)", {"c": 2}),
        ("b h c -> c b h", {}),
    ],
)
def test_rearrange_takes_unknown_lengths(pattern: str, lengths: dict[str, int]) -> None:
    # Keras places it in a model only where all are known.
    x = torch.arange(3 * 6 * 4.0).view(3, 6, 4)
    given = Input(batch_shape=(None, None, 4), dtype="float32")
    y = ops.rearrange(given, pattern, **lengths)
    (found,) = flat(lower(trace([given], [y], "case"))(x))
    assert torch.equal(found, keras.ops.rearrange(x, pattern, **lengths))


@pytest.mark.parametrize(
    ("pattern", "lengths", "fault"),
    [
        ("a b -> a", {}, "each name stands once before"),
        ("a b -> a a b", {}, "each name stands once before"),
        ("a ... -> ... a", {}, "a pattern holds names"),
        ("a (b -> b a", {}, "a pattern holds names"),
        ("a () b -> b a", {}, "a pattern holds names"),
        ("a b", {}, "the pattern names the axes before and after"),
        ("a b c -> c b a", {}, "names 3 axes"),
        ("a (b c) -> a b c", {}, "all but one of the lengths"),
        ("a (b c) -> a b c", {"b": 4}, "an axis of length 6 cannot be split by 4"),
        ("a (b c) -> a b c", {"b": 2, "c": 2}, "an axis of length 6 cannot be split by 4"),
        ("a (b c) -> a b c", {"b": 2, "d": 2}, "there is no axis 'd'"),
        ("a (b c) -> a b c", {"b": 0}, "the length of 'b' is a whole number"),
        ("a " * 20_000 + "! -> a", {}, "a pattern holds names"),
    ],
)
def test_rearrange_says_what_does_not_suit(pattern: str, lengths: dict[str, int], fault: str) -> None:
    with pytest.raises(ShapeError, match=re.escape(fault)):
        arrangement((None, 6), pattern, lengths)


@pytest.mark.parametrize("sequence_length", [6, 8])
def test_istft_fills_up_to_its_length(sequence_length: int) -> None:
    # Keras says so, and on torch gives what there is.
    x = [torch.randn(6, 5, generator=torch.Generator().manual_seed(i)) for i in range(2)]
    whole, cut = (computed(lambda a, b, n=n: ops.istft((a, b), sequence_length, 2, 8, length=n), *x) for n in (30, 9))
    assert whole.shape == (30,)
    torch.testing.assert_close(whole[:9], cut)
    assert not whole[18:].any()
