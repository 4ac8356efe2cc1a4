"""What stated callbacks share, and those among them that watch one number."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from typing import Any, Literal

from spec_compiler.runtime.callback import Callback, Logs
from spec_compiler.specs.base import SpecObject

Mode = Literal["auto", "min", "max"]


class StatedCallback(SpecObject, Callback):
    """A callback whose arguments are fields and whose state is ordinary attributes."""

    kind = "callback"

    def __setattr__(self, name: str, value: Any) -> None:
        if name in type(self).model_fields:
            super().__setattr__(name, value)
        else:
            object.__setattr__(self, name, value)

    def _arguments(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in type(self).model_fields}

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._arguments() == other._arguments()

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        fields = type(self).model_fields
        stated = [f"{name}={value!r}" for name, value in self._arguments().items() if value != fields[name].default]
        return f"{type(self).__name__}({', '.join(stated)})"

    __str__ = __repr__


_WORDS: dict[Literal["up", "down"], str] = {
    "down": "loss error crossentropy divergence poisson hinge logcosh mse mae mape msle bce",
    "up": "accuracy acc auc precision recall cosine_similarity",
}


def better(name: str, directions: Mapping[str, str | None]) -> Literal["up", "down"]:
    """Whether more (`up`) or less of the loss or metric `name` is better: what the model says, or else its last words.

    Raises ValueError when neither tells.
    """
    bare = name.removeprefix("val_")
    known = directions.get(bare)
    if known in ("up", "down"):
        return known  # type: ignore[return-value]
    stem = re.sub(r"_\d+$", "", bare)
    for direction, words in _WORDS.items():
        if any(stem == word or stem.endswith(f"_{word}") for word in words.split()):
            return direction
    raise ValueError(f"monitor='{name}': give mode='max' or mode='min'; its name does not tell whether more is better")


class Monitor(StatedCallback):
    """What callbacks share that watch one number for improvement; state: `best`."""

    def _start(self, best: float | None) -> None:
        self.best = best
        self._sign: int | None = None

    def _improves(self, value: float, reference: float | None, least: float) -> bool:
        """Whether `value` is better than `reference` by more than `least`."""
        if self._sign is None:
            mode, monitor = self.mode, self.monitor  # type: ignore[attr-defined]
            if mode == "auto":
                mode = "max" if better(monitor, getattr(self.model, "metric_directions", {})) == "up" else "min"
            self._sign = 1 if mode == "max" else -1
        return reference is None or self._sign * (value - reference) > least

    def _monitored(self, logs: Logs | None) -> float | None:
        name: str = self.monitor  # type: ignore[attr-defined]
        value = (logs or {}).get(name)
        if value is None:
            known = ", ".join(logs or {}) or "none"
            warnings.warn(
                f"{type(self).__name__} watches '{name}', which is not in the logs; there are: {known}", stacklevel=2
            )
        return value
