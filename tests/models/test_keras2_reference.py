"""The reference models of tf_keras: its JSON in, its weights set, its outputs out."""

from __future__ import annotations

import numpy as np
import pytest

from spec_compiler.models import model_from_json
from tests.conftest import SHARED

FILES = sorted((SHARED / "keras2").glob("*.npz"))


@pytest.mark.skipif(not FILES, reason="the reference models are not beside this checkout")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_outputs_match_tf_keras(path):
    model = model_from_json(path.with_suffix(".json").read_text())
    with np.load(path) as data:
        held = {key: data[key] for key in data.files}
    pick = lambda letter: [held[f"{letter}{i}"] for i in range(sum(key[0] == letter for key in held))]  # noqa: E731
    model.set_weights(pick("w"))
    inputs, expected = pick("x"), pick("y")
    found = model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)
    for ours, theirs in zip(found if isinstance(found, list) else [found], expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
