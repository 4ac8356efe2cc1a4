"""Keras, whose models these are held to, attends with exact gradients."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.layers.keras_oracle import exact_attention


@pytest.fixture(autouse=True)
def keras_attends_exactly() -> Iterator[None]:
    with exact_attention():
        yield
