"""What layers ask of torch in training, where one way takes several times as long as another that gives the same."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode

from spec_compiler import Input, layers
from spec_compiler.lowering.lower import lower
from spec_compiler.models import Model


class Calls(TorchDispatchMode):
    """Notes the kernels that torch calls, by name, and the tensors they get."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[tuple[str, list[Tensor]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.made.append((func.overloadpacket.__name__, [x for x in args if isinstance(x, Tensor)]))
        return func(*args, **(kwargs or {}))

    @property
    def names(self) -> set[str]:
        return {name for name, _ in self.made}

    def tensors_of(self, part: str) -> list[Tensor]:
        """The first tensor that each kernel got whose name has `part`."""
        return [tensors[0] for name, tensors in self.made if part in name]


def calls_of(made: Any, inputs: Any, *arrays: Tensor) -> Calls:
    """The calls of a forward and a backward pass of the model of those inputs and outputs."""
    module = lower(Model(inputs, made).spec).train()
    leaves = [x.clone().requires_grad_() for x in arrays]
    calls = Calls()
    with calls:
        module(*leaves).square().sum().backward()
    return calls


def masked(*shape: int) -> Tensor:
    """Random numbers, those of some steps all zero."""
    x = torch.randn(shape)
    x[:, ::2] = 0
    return x


def test_batch_normalization_of_steps_gets_a_fourth_axis() -> None:
    x = Input((6, 4))
    inputs = calls_of(layers.BatchNormalization()(x), x, torch.randn(3, 6, 4)).tensors_of("native_batch_norm")
    assert inputs
    assert all(one.dim() == 4 for one in inputs)


def test_group_normalization_gets_channels_first_in_memory() -> None:
    x = Input((5, 6, 4))
    inputs = calls_of(layers.GroupNormalization(2)(x), x, torch.randn(3, 5, 6, 4)).tensors_of("native_group_norm")
    assert inputs
    assert all(one.is_contiguous() for one in inputs)


def test_pooling_gets_its_gradient_as_its_input_lies_in_memory() -> None:
    x = Input((5, 6, 4))
    for cls in (layers.AveragePooling2D, layers.MaxPooling2D):
        calls = calls_of(cls(2, strides=1, padding="same")(x), x, torch.randn(3, 5, 6, 4))
        (gradient,) = calls.tensors_of("pool2d_backward") or calls.tensors_of("pool2d_with_indices_backward")
        assert gradient.is_contiguous(memory_format=torch.channels_last)


def test_transposed_convolution_makes_a_length_that_the_strides_divide() -> None:
    x = Input((5, 6, 4))
    made = layers.Conv2DTranspose(4, 3, strides=2, padding="same")(x)
    (gradient,) = calls_of(made, x, torch.randn(3, 5, 6, 4)).tensors_of("convolution_backward")
    assert not any(n % 2 for n in gradient.shape[2:])
    assert gradient.is_contiguous(memory_format=torch.channels_last)


def test_slopes_of_elements_lie_in_memory_as_images_do() -> None:
    x = Input((5, 6, 4))
    convolved = layers.Conv2D(4, 3, padding="same")(x)
    for layer in (layers.PReLU(), layers.PReLU(shared_axes=[1]), layers.PReLU(shared_axes=[1, 2])):
        calls = calls_of(layer(convolved), x, torch.randn(3, 5, 6, 4))
        products = [tensors for name, tensors in calls.made if name == "mul" and len(tensors) == 2]
        assert products
        for a, b in products:
            assert order_of(a, b) == order_of(b, a)


def order_of(x: Tensor, other: Tensor) -> list[int]:
    """The axes that both of two tensors have elements along, as they follow each other in the memory of `x`."""
    rank = max(x.dim(), other.dim())
    x, other = (one[(None,) * (rank - one.dim())] for one in (x, other))
    axes = [axis for axis in range(rank) if x.size(axis) > 1 and other.size(axis) > 1]
    return sorted(axes, key=lambda axis: -x.stride(axis))


def test_steps_are_moved_as_whole_rows_under_a_mask() -> None:
    x = Input((6, 4))
    y = layers.LSTM(3, return_sequences=True)(layers.Masking()(x))
    assert not {"gather", "scatter_add"} & calls_of(y, x, masked(3, 6, 4)).names


def test_masked_attention_on_the_cpu_has_as_many_products_as_torch_s_steps_where_scores_are_few() -> None:
    x = Input((6, 4))
    steps = layers.Masking()(x)
    calls = calls_of(layers.Attention()([steps, steps]), x, masked(3, 6, 4))
    # Two forward, and two backward for each of them.
    assert len(calls.tensors_of("bmm")) == 6


def test_masked_attention_on_the_cpu_keeps_no_scores_where_they_are_many() -> None:
    for t, kept in ((128, True), (129, False)):
        x = Input((t, 4))
        steps = layers.Masking()(x)
        y = layers.MultiHeadAttention(3, 2)(steps, steps)
        assert ("_softmax" in calls_of(y, x, masked(2, t, 4)).names) == kept


@pytest.mark.parametrize("use_causal_mask", [False, True])
def test_attention_without_a_mask_is_one_head_of_a_fused_kernel(use_causal_mask: bool) -> None:
    x = Input((6, 4))
    y = layers.Attention(use_scale=True)([x, x], use_causal_mask=use_causal_mask)
    with sdpa_kernel([SDPBackend.FLASH_ATTENTION]):
        assert "_softmax" not in calls_of(y, x, torch.randn(3, 6, 4)).names
