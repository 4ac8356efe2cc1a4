"""Weight rules: which torch parameter a Keras variable is, and how one's layout becomes the other's.

A rule is data and is read in both directions. Keras's array goes through its steps in this order: a row is taken
(`row`), the blocks of gates of its last axis are put in torch's order (`gates`), it is reshaped (`shape`), its axes are
permuted (`axes`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Rule:
    """Keras's `variable` is torch's `parameter`, both named relative to the layer."""

    variable: str
    parameter: str
    axes: tuple[int, ...] | None = None
    """torch's axes, each by its place in Keras's array (after `shape`); None: the same."""
    shape: tuple[int, ...] | None = None
    """Keras's array in the shape that `axes` speaks of; None: its own."""
    gates: tuple[int, ...] | None = None
    """torch's gates, each by its place in Keras's order; None: the same."""
    row: int | None = None
    """The row of Keras's array that is this parameter, where one variable is several parameters."""

    def to_torch(self, value: Tensor) -> Tensor:
        """Keras's array in torch's layout."""
        if self.row is not None:
            value = value[self.row]
        if self.gates is not None:
            value = _reorder(value, self.gates)
        if self.shape is not None:
            value = value.reshape(self.shape)
        return value if self.axes is None else value.permute(self.axes)

    def to_keras(self, value: Tensor, shape: tuple[int, ...]) -> Tensor:
        """torch's array in Keras's layout; `shape` is the Keras variable's, less its rows where `row` is given."""
        if self.axes is not None:
            value = value.permute(_inverse(self.axes))
        if self.shape is not None:
            value = value.reshape(shape)
        return value if self.gates is None else _reorder(value, _inverse(self.gates))


def _reorder(value: Tensor, order: tuple[int, ...]) -> Tensor:
    blocks = value.chunk(len(order), dim=-1)
    return torch.cat([blocks[i] for i in order], dim=-1)


def _inverse(order: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(order.index(i) for i in range(len(order)))


def same(*variables: str) -> list[Rule]:
    """Rules for variables that torch calls the same and lays out the same."""
    return [Rule(name, name) for name in variables]


def under(name: str, rules: list[Rule]) -> list[Rule]:
    """Rules of a layer inside a layer: Keras's names under `name/`, torch's under `name.`."""
    return [replace(rule, variable=f"{name}/{rule.variable}", parameter=f"{name}.{rule.parameter}") for rule in rules]
