"""A model that takes more than the budget is refused before anything is allocated, naming the layer that takes most."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from spec_compiler import lower, parse_spec
from spec_compiler.diagnostics import Reporter
from spec_compiler.passes import check
from spec_compiler.passes.check_budget import Budget

MODEL = "inputs: {{x: {{shape: [4], dtype: int32}}}}\nlayers:\n  - {item}\n"


def faults(item: str, budget: Budget) -> list[str]:
    reporter = Reporter()
    check(parse_spec(MODEL.format(item=item)), reporter, budget)
    return [d.message for d in reporter.diagnostics]


@pytest.mark.parametrize(
    ("item", "count"),
    [
        ("RepeatVector: {n: 1000}", 4_000),
        ("Embedding: {input_dim: 10, output_dim: 7}", 28),
        # These have a first axis that is no batch.
        ("{ops.linspace: {num: 300, axis: 0}, with: {start: 0.0, stop: {from: x}}}", 1_200),
        ("ops.reshape: {newshape: [50, 2]}", 100),
        ("{ops.bincount: {minlength: 700}, with: {x: {from: x}}}", 701),
        # Their first axis is the batch's times something, or more than it.
        ("ops.tile: {repeats: [1000, 1]}", 4_000),
        ("ops.repeat: {repeats: 1000}", 4_000),
        ("ops.pad: {pad_width: [[500, 499], [0, 0]]}", 4_000),
    ],
)
def test_activations_are_those_of_a_sample(item: str, count: int) -> None:
    assert faults(item, Budget()) == []
    assert faults(item, Budget(activations=count)) == []
    (message,) = faults(item, Budget(activations=count - 1))
    assert f"{count:,} activations" in message


def test_what_follows_an_operation_is_counted_with_the_rows_that_it_makes_of_a_sample() -> None:
    text = "inputs: {x: [1000]}\nlayers: [ops.reshape: {newshape: [-1, 1]}, Dense: {units: 500}]\n"
    assert counted(text) == 1_000 + 1_000 * 500


def counted(text: str) -> int:
    """The activations that the budget counts."""
    reporter = Reporter()
    check(parse_spec(text), reporter, Budget(activations=0))
    (message,) = [d.message for d in reporter.diagnostics]
    found = re.match(r"the model has ([\d,]+) activations", message)
    assert found
    return int(found[1].replace(",", ""))


@pytest.mark.parametrize(
    ("shape", "item"),
    [
        ([40, 3], "Conv1D: {filters: 1, kernel_size: 200, padding: same}"),
        ([10, 1], "Conv1D: {filters: 1, kernel_size: 4, dilation_rate: 1000000, padding: causal}"),
        ([20, 8, 3], "SeparableConv2D: {filters: 1, kernel_size: 2, depth_multiplier: 50}"),
        ([30, 9, 2], "TimeDistributed: {layer: {SeparableConv1D: {filters: 1, kernel_size: 1, depth_multiplier: 50}}}"),
        ([30, 12, 2], "ConvLSTM1D: {filters: 3, kernel_size: 1, padding: same}"),
        ([60, 2], "LSTM: {units: 6}"),
        ([60, 2], "GRU: {units: 6, activation: relu}"),
        ([60, 2], "Bidirectional: {layer: {SimpleRNN: {units: 20}}}"),
        ([60, 2], "RNN: {cell: [{GRUCell: {units: 5}}, {LSTMCell: {units: 6}}]}"),
        ([60, 2], "{MultiHeadAttention: {num_heads: 3, key_dim: 90}, from: [x, x]}"),
        ([60, 2], "{MultiHeadAttention: {num_heads: 3, key_dim: 2, value_dim: 3}, from: [x, x]}"),
        ([60, 2], "{MultiHeadAttention: {num_heads: 3, key_dim: 2, dropout: 0.5}, from: [x, x]}"),
        ([60, 2], "{MultiHeadAttention: {num_heads: 3, key_dim: 2, sliding_window: 4}, from: [x, x]}"),
        ([200, 2], "{MultiHeadAttention: {num_heads: 9, key_dim: 2, sliding_window: 4}, from: [x, x]}"),
        ([60, 2], "{GroupQueryAttention: {num_query_heads: 4, num_key_value_heads: 2, head_dim: 70}, from: [x, x]}"),
        ([60, 2], "{Attention: {score_mode: dot}, from: [x, x]}"),
        ([60, 9], "{Attention: {score_mode: concat}, from: [x, x]}"),
        ([60, 9], "{AdditiveAttention: {use_scale: false}, from: [x, x]}"),
        ([7, 300, 3], "Resizing: {height: 12, width: 5, pad_to_aspect_ratio: true}"),
        ([7, 300, 3], "{ops.resize: {size: [12, 5], pad_to_aspect_ratio: true}, with: {images: {from: x}}}"),
        ([40, 3, 2], "{ops.dot_product_attention: {}, with: {query: {from: x}, key: {from: x}, value: {from: x}}}"),
        ([40, 30], "{ops.cdist: {}, with: {x: {from: x}, y: {from: x}}}"),
        (
            [9, 1],
            "{ops.conv: {padding: same, dilation_rate: 31}, with: {inputs: {from: x}, kernel: [[[1.0]], [[2.0]]]}}",
        ),
        ([50], "{ops.multi_hot: {num_classes: 30}, with: {inputs: {from: x}}}"),
        ([5, 30], "{ops.einsum: {subscripts: 'bij,bkl,bij->b'}, with: {operands: [{from: x}, {from: x}, {from: x}]}}"),
    ],
)
def test_what_is_made_on_the_way_is_counted(shape: list[int], item: str) -> None:
    text = f"inputs: {{x: {shape}}}\nlayers:\n  - {item}\n"
    module = lower(parse_spec(text))
    with Largest() as largest:
        module.train()(torch.rand(1, *shape))
    assert largest.size <= counted(text)


class Largest(TorchDispatchMode):
    """While it lasts, keeps how many elements the largest tensor made has."""

    size = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        # The bytes are oneDNN's scratch.
        made = [leaf for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor) and leaf.dtype != torch.uint8]
        self.size = max([self.size, *(t.untyped_storage().nbytes() // t.element_size() for t in made)])
        return result


def test_weights_are_counted_once() -> None:
    assert faults("Dense: {units: 3}", Budget(params=15)) == []
    (message,) = faults("Dense: {units: 3}", Budget(params=14))
    assert "15 parameters" in message


@pytest.mark.parametrize(
    "item", ["ops.repeat: {repeats: 1000000000}", "{ops.diagflat: {k: 1000000000}, with: {x: {from: x}}}"]
)
def test_what_one_sample_makes_too_large_is_told(item: str) -> None:
    assert any("more than" in message for message in faults(item, Budget()))
