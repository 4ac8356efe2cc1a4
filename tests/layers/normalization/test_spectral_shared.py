"""A kernel that a SpectralNormalization divides between the calls that compute with it, against a loop written out in torch.

Each call computes with the kernel as it is then, and all calls' gradients are of the one kernel: so it is in Keras on
TensorFlow. On torch, Keras changes the kernel under the backward pass, which torch refuses, and under a mixed policy it
does not change it at all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from spec_compiler import Input, layers
from spec_compiler.models import Model, Sequential
from spec_compiler.optimizers import SGD

RATE = 0.01
POLICIES = [
    ("float32", "float32"),
    ("mixed_bfloat16", "mixed_bfloat16"),
    ("mixed_float16", "mixed_float16"),
    ("mixed_bfloat16", "float32"),
    ("float32", "mixed_bfloat16"),
    ("float32", "float64"),
]
INNER: dict[str, Callable[[str], Any]] = {
    "dense": lambda dtype: layers.Dense(4, use_bias=False, name="inner", dtype=dtype),
    "conv": lambda dtype: layers.Conv1D(4, 2, padding="same", use_bias=False, name="inner", dtype=dtype),
    "embedding": lambda dtype: layers.Embedding(7, 4, name="inner", dtype=dtype),
}


def model_of(kind: str, order: str, outer: str, inner: str, nested: bool = False) -> Model:
    """The layer called as `order` says, `s` through the SpectralNormalization, `p` by itself: one call on the other's output.

    An embedding's outputs are added. `nested`: the SpectralNormalization stands in a model of its own.
    """
    layer = INNER[kind](inner)
    calls = {"p": layer, "s": layers.SpectralNormalization(layer, name="norm", dtype=outer)}
    x = Input({"dense": (4,), "conv": (5, 4), "embedding": (5,)}[kind], name="x")
    if nested:
        calls["s"] = Sequential([Input(x.shape[1:]), calls["s"]], name="within")
    if kind == "embedding":
        y = layers.Add(name="sum")([calls[one](x) for one in order] * (1 if len(order) > 1 else 2))
    else:
        # Weights before it make the first call want a gradient of its input, for which torch needs the kernel.
        y = layers.PReLU(name="first")(x)
        for one in order:
            y = calls[one](y)
    return Model(x, layers.Activation("linear", name="end", dtype="float32")(y))


def compute(kind: str, kernel: Tensor, x: Tensor) -> Tensor:
    if kind == "embedding":
        return F.embedding(x, kernel)
    if kind == "dense":
        return x @ kernel
    return F.conv1d(F.pad(x.transpose(1, 2), (0, 1)), kernel.permute(2, 1, 0)).transpose(1, 2)


def divided(kernel: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    """The kernel over its largest singular value, and the vector, after one step of the power iteration."""
    matrix = kernel.reshape(-1, kernel.shape[-1])
    v = F.normalize(u @ matrix.T)
    u = F.normalize(v @ matrix)
    return kernel / (v @ matrix @ u.T), u


def step(
    kind: str, order: str, weights: dict[str, Tensor], x: Tensor, y: Tensor, computed: torch.dtype
) -> tuple[float, dict[str, Tensor]]:
    """The loss of one step of SGD, and what the weights are after it."""
    alpha = weights["alpha"].clone().requires_grad_()
    kernel, u, read, outputs = weights["kernel"], weights["vector_u"], [], []
    z = x if kind == "embedding" else torch.where(x > 0, x, x * alpha)
    for one in order:
        if one == "s":
            kernel, u = divided(kernel, u)
        read.append(kernel.clone().requires_grad_())
        if kind == "embedding":
            outputs.append(compute(kind, read[-1].to(computed), x))
        else:
            z = compute(kind, read[-1].to(computed), z.to(computed))
    if kind == "embedding":
        z = sum(outputs) * (1 if len(order) > 1 else 2)
    loss = F.mse_loss(z.float(), y)
    loss.backward()
    trained = {"kernel": kernel - RATE * sum(one.grad for one in read), "vector_u": u, "alpha": weights["alpha"]}
    return float(loss.detach()), trained if alpha.grad is None else {
        **trained,
        "alpha": alpha.detach() - RATE * alpha.grad,
    }


@pytest.mark.parametrize("nested", [False, True], ids=["", "nested"])
@pytest.mark.parametrize(("outer", "inner"), POLICIES)
@pytest.mark.parametrize("order", ["s", "ss", "sss", "sp", "ps", "sps", "pss"])
@pytest.mark.parametrize("kind", INNER)
def test_each_call_computes_with_the_kernel_as_it_is_then(
    kind: str, order: str, outer: str, inner: str, nested: bool
) -> None:
    model = model_of(kind, order, outer, inner, nested)
    rng = np.random.default_rng(len(order))
    weights = {"kernel" if weight.name == "embeddings" else weight.name: weight for weight in model.weights}
    for weight in weights.values():
        weight.assign(rng.normal(scale=0.5, size=weight.shape))
    state = {name: torch.from_numpy(weight.numpy()) for name, weight in weights.items()}
    state.setdefault("alpha", torch.zeros(()))
    shape = (6, *model.input_shape[1:])
    x: Any = rng.integers(0, 7, shape) if kind == "embedding" else rng.standard_normal(shape).astype("float32")
    y = rng.standard_normal((6, *model.output_shape[1:])).astype("float32")
    model.compile(optimizer=SGD(RATE), loss="mse")
    computed = getattr(torch, inner.removeprefix("mixed_"))
    tolerance = 2e-2 if "16" in outer + inner else 1e-5
    for _ in range(3):
        expected, state = step(kind, order, state, torch.from_numpy(x), torch.from_numpy(y), computed)
        np.testing.assert_allclose(float(model.train_on_batch(x, y)), expected, rtol=tolerance)
        for name, weight in weights.items():
            np.testing.assert_allclose(weight.numpy(), state[name].numpy(), rtol=tolerance, atol=tolerance)
