"""Epoch times of `fit` beside a hand-written PyTorch loop, in one run: python tests/benchmarks/fit.py [--keras]

The hand-written loop does what `fit` does: shuffle, batch, forward, loss, backward, Adam, and the epoch's mean loss and
accuracy. Each pair runs alternately, several times; the ratio is of the medians.
"""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spec_compiler.layers import Conv2D, Dense, Flatten, MaxPooling2D
from spec_compiler.models import Sequential

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


def by_hand(
    module: nn.Module, x: Tensor, y: Tensor, batch: int, loss_of: Callable[[Tensor, Tensor], Tensor], hits: bool
):
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3, eps=1e-7, fused=True)
    module.train()

    def epoch() -> None:
        order = torch.randperm(len(x))
        total, right = torch.zeros(()), torch.zeros(())
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


def mlp(keras: bool) -> dict[str, Callable[[], None]]:
    x, y = torch.randn(6400, 8), torch.randn(6400, 8)
    model = Sequential([Dense(32, "relu", input_shape=(8,)), Dense(64, "relu"), Dense(8)])
    model.compile("adam", "mse")
    found = {"hand": by_hand(Mlp(), x, y, 32, F.mse_loss, False)}
    found["fit"] = lambda: model.fit(x, y, batch_size=32, epochs=1, verbose=0)
    if keras:
        from keras import Input, layers
        from keras import Sequential as KerasSequential

        theirs = [Input((8,)), layers.Dense(32, "relu"), layers.Dense(64, "relu"), layers.Dense(8)]
        found["keras"] = keras_fit(KerasSequential(theirs), "mse", [], x, y, 32)
    return found


def cnn(keras: bool) -> dict[str, Callable[[], None]]:
    x, y = torch.rand(2560, 28, 28, 1), torch.randint(0, 10, (2560,))
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
    ours = x.permute(0, 3, 1, 2)
    hand = Cnn().to(memory_format=torch.channels_last)
    found = {"hand": by_hand(hand, ours, y, 128, F.cross_entropy, True)}
    found["fit"] = lambda: model.fit(x, y, batch_size=128, epochs=1, verbose=0)
    if keras:
        from keras import Input, layers
        from keras import Sequential as KerasSequential

        theirs = [Input((28, 28, 1)), layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D()]
        theirs += [layers.Conv2D(64, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten()]
        theirs += [layers.Dense(10, activation="softmax")]
        found["keras"] = keras_fit(KerasSequential(theirs), "sparse_categorical_crossentropy", ["accuracy"], x, y, 128)
    return found


def keras_fit(model, loss: str, metrics: list[str], x: Tensor, y: Tensor, batch: int) -> Callable[[], None]:
    model.compile("adam", loss, metrics=metrics)
    data, targets = x.numpy(), y.numpy()
    return lambda: model.fit(data, targets, batch_size=batch, epochs=1, verbose=0)


def main() -> None:
    torch.set_num_threads(2)
    for workload in (mlp, cnn):
        runs = workload("--keras" in sys.argv)
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
