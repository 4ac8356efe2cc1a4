"""A constant in a tensor's place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Constant:
    """A constant where a call of Keras 2's has its first argument."""

    value: Any
