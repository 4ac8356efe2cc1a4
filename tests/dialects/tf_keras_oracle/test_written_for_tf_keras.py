"""What we write as keras2 loads in tf_keras as the same model: layers, weights in their order, outputs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spec_compiler.diagnostics import SpecError
from spec_compiler.dialects.write import to_json
from spec_compiler.loading import load_spec, validate
from spec_compiler.lowering.lower import lower_spec
from spec_compiler.specs.model import ModelSpec
from tests.conftest import SHARED
from tests.dialects.tf_keras_oracle.oracle import assert_close, outputs_of, run, with_weights_of
from tests.layers.cases import Case, all_cases, one_a_class
from tests.layers.check import make_pair

tf_keras = pytest.importorskip("tf_keras")
pytestmark = pytest.mark.slow

CASES = [case for case in one_a_class(all_cases()) if case.class_name != "SpectralNormalization"]
"""tf_keras 2.21 cannot load its own documents of SpectralNormalization."""

FILES = [*sorted((SHARED / "keras2").glob("*.json")), *sorted((SHARED / "corpus").glob("*.*"))]
SMALL = 3_000_000


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_layer_written_as_keras2_computes_the_same_in_tf_keras(case: Case) -> None:
    pair = make_pair(case)
    theirs = loaded(pair.graph.spec)
    module = with_weights_of(theirs, pair.lowered)
    if "channels_first" in str(case.layer):
        return  # TensorFlow computes them on a GPU alone.
    assert_close(run(module, pair.arrays), outputs_of(theirs, pair.arrays))


@pytest.mark.skipif(not FILES, reason="the published files are not at hand")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name[:60])
def test_file_written_as_keras2_is_the_same_model_in_tf_keras(path: Path) -> None:
    if path.name == "README.md" or path.suffix == ".csv" or not validate(path).ok:
        pytest.skip("no model, or a custom layer")
    spec = load_spec(path)
    theirs = loaded(spec)
    assert names(theirs.layers) == names(spec.members())
    if not theirs.built or theirs.count_params() > SMALL:
        return
    module = with_weights_of(theirs, lower_spec(spec))
    rng = np.random.default_rng(1)
    arrays = [sample(tensor, rng) for tensor in theirs.inputs]
    assert_close(run(module, arrays), outputs_of(theirs, arrays), rtol=1e-4)


def names(layers: Iterable[Any]) -> list[tuple[str, str]]:
    """Names and classes, but for inputs, which a Sequential of tf_keras does not list, and TensorFlow's operations."""
    found = ((layer.name, type(layer).__name__.removesuffix("Spec")) for layer in layers)
    return sorted(pair for pair in found if "Op" not in pair[1] and pair[1] != "InputLayer")


def loaded(spec: ModelSpec) -> Any:
    """The model in tf_keras; skips where we say that Keras 2 has no words for it."""
    try:
        document = to_json(spec, "keras2")
    except SpecError as error:
        pytest.skip(f"refused: {error.diagnostics[0].message}")
    return tf_keras.models.model_from_json(document)


def sample(tensor: Any, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    shape = [2 if n is None and i == 0 else 8 if n is None else n for i, n in enumerate(tensor.shape)]
    if "int" in tensor.dtype.name:
        return rng.integers(0, 2, shape).astype(tensor.dtype.name)
    return rng.random(shape).astype("float32")
