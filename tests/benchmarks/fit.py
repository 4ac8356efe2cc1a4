"""Epoch times of `fit` beside a hand-written PyTorch loop, in one run: python tests/benchmarks/fit.py [--keras] [--threads N] [--device cuda]

The hand-written loop does what `fit` does: shuffle, batch, forward, loss, backward, Adam, and the epoch's mean loss and
accuracy. Each pair runs alternately, several times; the ratio is of the medians.
"""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spec_compiler import Input
from spec_compiler import layers as ours
from spec_compiler.layers import Conv2D, Dense, Flatten, MaxPooling2D
from spec_compiler.models import Model, Sequential

ROUNDS = 7


class Mlp(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(8, 32)
        self.b = nn.Linear(32, 64)
        self.c = nn.Linear(64, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(F.relu(self.b(F.relu(self.a(x)))))


class Cnn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(1, 32, 3)
        self.b = nn.Conv2d(32, 64, 3)
        self.c = nn.Linear(64 * 5 * 5, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.a(x)), 2)
        x = F.max_pool2d(F.relu(self.b(x)), 2)
        return self.c(x.flatten(1))


class Lstm(nn.Module):
    """Embedding, two LSTMs, a softmax over ten classes; (batch, 50) of ids."""

    def __init__(self) -> None:
        super().__init__()
        self.ids = nn.Embedding(1000, 32)
        self.a = nn.LSTM(32, 64, batch_first=True)
        self.b = nn.LSTM(64, 64, batch_first=True)
        self.c = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x, _ = self.a(self.ids(x))
        x, _ = self.b(x)
        return self.c(x[:, -1])


class PackedLstm(Lstm):
    """The same over the steps whose id is not 0, each sample's first ones, packed."""

    def forward(self, x: Tensor) -> Tensor:
        lengths = (x != 0).sum(1).cpu()
        x = nn.utils.rnn.pack_padded_sequence(self.ids(x), lengths, batch_first=True, enforce_sorted=False)
        x, _ = self.a(x)
        _, (h, _) = self.b(x)
        return self.c(h[0])


class OldGru(nn.Module):
    """Embedding, a GRU that resets before the matrix product, a softmax over ten classes; (batch, 50) of ids.

    torch has no kernel of it, so this loops over the steps, as one would by hand.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ids = nn.Embedding(1000, 32)
        self.inputs = nn.Linear(32, 3 * 64)
        self.gates = nn.Linear(64, 2 * 64, bias=False)
        self.new = nn.Linear(64, 64, bias=False)
        self.c = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.inputs(self.ids(x))
        h = x.new_zeros(len(x), 64)
        for t in range(x.shape[1]):
            gates, new = x[:, t].split([2 * 64, 64], dim=-1)
            z, r = torch.sigmoid(gates + self.gates(h)).chunk(2, dim=-1)
            h = z * h + (1 - z) * torch.tanh(new + self.new(r * h))
        return self.c(h)


class Block(nn.Module):
    """A transformer block, normalized first; (batch, steps, 64)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before = nn.LayerNorm(width, 1e-3)
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.between = nn.LayerNorm(width, 1e-3)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        n = self.before(x)
        q, k, v = (f(n).unflatten(-1, (self.heads, -1)).transpose(1, 2) for f in (self.query, self.key, self.value))
        x = x + self.out(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.between(x))))


class Transformer(nn.Module):
    """Embedding, two blocks, mean over the steps, a softmax over ten classes; (batch, 50) of ids."""

    def __init__(self) -> None:
        super().__init__()
        self.ids = nn.Embedding(1000, 64)
        self.blocks = nn.Sequential(Block(64, 4), Block(64, 4))
        self.c = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(self.blocks(self.ids(x)).mean(1))


def by_hand(
    module: nn.Module, x: Tensor, y: Tensor, batch: int, loss_of: Callable[[Tensor, Tensor], Tensor], hits: bool
):
    module.to(x.device).train()
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3, eps=1e-7, fused=True)

    def epoch() -> None:
        order = torch.randperm(len(x), device=x.device)
        total, right = torch.zeros((), device=x.device), torch.zeros((), device=x.device)
        for start in range(0, len(x), batch):
            index = order[start : start + batch]
            inputs, targets = x[index], y[index]
            optimizer.zero_grad()
            outputs = module(inputs)
            loss = loss_of(outputs, targets)
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                total += loss * len(inputs)
                if hits:
                    right += (outputs.argmax(-1) == targets).sum()
        total.item()

    return epoch


def mlp(keras: bool, device: str) -> dict[str, Callable[[], None]]:
    x, y = torch.randn(6400, 8, device=device), torch.randn(6400, 8, device=device)
    model = Sequential([Dense(32, "relu", input_shape=(8,)), Dense(64, "relu"), Dense(8)])
    model.compile("adam", "mse")
    model.module.to(device)
    found = {"hand": by_hand(Mlp(), x, y, 32, F.mse_loss, False)}
    found["fit"] = lambda: model.fit(x, y, batch_size=32, epochs=1, verbose=0)
    if keras:
        from keras import Input, layers
        from keras import Sequential as KerasSequential

        theirs = [Input((8,)), layers.Dense(32, "relu"), layers.Dense(64, "relu"), layers.Dense(8)]
        found["keras"] = keras_fit(KerasSequential(theirs), "mse", [], x, y, 32)
    return found


def cnn(keras: bool, device: str) -> dict[str, Callable[[], None]]:
    x, y = torch.rand(2560, 28, 28, 1, device=device), torch.randint(0, 10, (2560,), device=device)
    model = Sequential(
        [
            Conv2D(32, 3, activation="relu", input_shape=(28, 28, 1)),
            MaxPooling2D(),
            Conv2D(64, 3, activation="relu"),
            MaxPooling2D(),
            Flatten(),
            Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.module.to(device)
    nchw = x.permute(0, 3, 1, 2)
    hand = Cnn().to(memory_format=torch.channels_last)
    found = {"hand": by_hand(hand, nchw, y, 128, F.cross_entropy, True)}
    found["fit"] = lambda: model.fit(x, y, batch_size=128, epochs=1, verbose=0)
    if keras:
        from keras import Input, layers
        from keras import Sequential as KerasSequential

        theirs = [Input((28, 28, 1)), layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D()]
        theirs += [layers.Conv2D(64, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten()]
        theirs += [layers.Dense(10, activation="softmax")]
        found["keras"] = keras_fit(KerasSequential(theirs), "sparse_categorical_crossentropy", ["accuracy"], x, y, 128)
    return found


def lstm(keras: bool, device: str) -> dict[str, Callable[[], None]]:
    x, y = torch.randint(1, 1000, (1280, 50), device=device), torch.randint(0, 10, (1280,), device=device)

    def stack(layers) -> list:
        return [
            layers.Embedding(1000, 32),
            layers.LSTM(64, return_sequences=True),
            layers.LSTM(64),
            layers.Dense(10, activation="softmax"),
        ]

    model = Sequential([Input((50,), dtype="int64"), *stack(ours)])
    masked = Sequential([Input((50,), dtype="int64"), ours.Embedding(1000, 32, mask_zero=True), *stack(ours)[1:]])
    for made in (model, masked):
        made.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        made.module.to(device)
    found = {"hand": by_hand(Lstm(), x, y, 64, F.cross_entropy, True)}
    found["fit"] = lambda: model.fit(x, y, batch_size=64, epochs=1, verbose=0)
    padded = torch.where(torch.arange(50, device=device) < torch.randint(10, 51, (1280, 1), device=device), x, 0)
    found["hand with a mask"] = by_hand(PackedLstm(), padded, y, 64, F.cross_entropy, True)
    found["fit with a mask"] = lambda: masked.fit(padded, y, batch_size=64, epochs=1, verbose=0)
    if keras:
        import keras as k

        theirs = k.Sequential([k.Input((50,), dtype="int64"), *stack(k.layers)])
        found["keras"] = keras_fit(theirs, "sparse_categorical_crossentropy", ["accuracy"], x, y, 64)
    return found


def old_gru(keras: bool, device: str) -> dict[str, Callable[[], None]]:
    x, y = torch.randint(1, 1000, (1280, 50), device=device), torch.randint(0, 10, (1280,), device=device)

    def stack(layers, **kwargs) -> list:
        last = layers.Dense(10, activation="softmax")
        return [layers.Embedding(1000, 32), layers.GRU(64, **kwargs), last]

    found = {"hand": by_hand(OldGru(), x, y, 64, F.cross_entropy, True)}
    for name, kwargs in (("fit", {"reset_after": False}), ("fit reset_after", {})):
        model = Sequential([Input((50,), dtype="int64"), *stack(ours, **kwargs)])
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        model.module.to(device)
        found[name] = lambda model=model: model.fit(x, y, batch_size=64, epochs=1, verbose=0)
    if keras:
        import keras as k

        theirs = k.Sequential([k.Input((50,), dtype="int64"), *stack(k.layers, reset_after=False)])
        found["keras"] = keras_fit(theirs, "sparse_categorical_crossentropy", ["accuracy"], x, y, 64)
    return found


def transformer(keras: bool, device: str) -> dict[str, Callable[[], None]]:
    x, y = torch.randint(0, 1000, (1280, 50), device=device), torch.randint(0, 10, (1280,), device=device)

    def graph(layers, start, model):
        given = start((50,), dtype="int64")
        h = layers.Embedding(1000, 64)(given)
        for _ in range(2):
            n = layers.LayerNormalization()(h)
            h = layers.Add()([h, layers.MultiHeadAttention(4, 16)(n, n, use_causal_mask=True)])
            n = layers.Dense(256, activation="gelu")(layers.LayerNormalization()(h))
            h = layers.Add()([h, layers.Dense(64)(n)])
        h = layers.GlobalAveragePooling1D()(h)
        return model(given, layers.Dense(10, activation="softmax")(h))

    model = graph(ours, Input, Model)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.module.to(device)
    found = {"hand": by_hand(Transformer(), x, y, 64, F.cross_entropy, True)}
    found["fit"] = lambda: model.fit(x, y, batch_size=64, epochs=1, verbose=0)
    if keras:
        import keras as k

        theirs = graph(k.layers, k.Input, k.Model)
        found["keras"] = keras_fit(theirs, "sparse_categorical_crossentropy", ["accuracy"], x, y, 64)
    return found


def keras_fit(model, loss: str, metrics: list[str], x: Tensor, y: Tensor, batch: int) -> Callable[[], None]:
    model.compile("adam", loss, metrics=metrics)
    data, targets = x.numpy(force=True), y.numpy(force=True)
    return lambda: model.fit(data, targets, batch_size=batch, epochs=1, verbose=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keras", action="store_true", help="time Keras on its torch backend too")
    parser.add_argument("--threads", type=int, default=2, help="threads of torch; 1 where the machine is shared")
    parser.add_argument("--device", default="cpu", help="where all but Keras compute")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    for workload in (mlp, cnn, lstm, old_gru, transformer):
        runs = workload(arguments.keras, arguments.device)
        times: dict[str, list[float]] = {name: [] for name in runs}
        for run in runs.values():
            run()
        for _ in range(ROUNDS):
            for name, run in runs.items():
                started = time.perf_counter()
                run()
                times[name].append(time.perf_counter() - started)
        medians = {name: statistics.median(taken) for name, taken in times.items()}
        ratios = ", ".join(
            f"{name} {took * 1e3:.0f} ms ({took / medians['hand']:.2f}x)" for name, took in medians.items()
        )
        print(f"{workload.__name__}: {ratios}")


if __name__ == "__main__":
    main()
