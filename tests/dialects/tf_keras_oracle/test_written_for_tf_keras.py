"""What we write as keras2 loads in tf_keras as the same model: layers, weights in their order, outputs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spec_compiler.diagnostics import Reporter, SpecError
from spec_compiler.dialects.keras2_words import NOT_FOUND_IN_2, NOT_IN_2
from spec_compiler.dialects.write import document, to_json
from spec_compiler.loading import load_spec, validate
from spec_compiler.lowering.lower import lower_spec, weights
from spec_compiler.specs import layers as L
from spec_compiler.specs.model import ModelSpec, SequentialSpec
from tests.conftest import SHARED
from tests.dialects.test_published_in_keras import REORDERED
from tests.dialects.tf_keras_oracle.oracle import assert_close, outputs_of, run, with_weights_of
from tests.layers.cases import Case, all_cases, one_a_class
from tests.layers.check import make_pair

tf_keras = pytest.importorskip("tf_keras")
pytestmark = pytest.mark.slow

CASES = [case for case in one_a_class(all_cases()) if case.class_name not in NOT_FOUND_IN_2]

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
    theirs = tf_keras.models.model_from_json(to_json(spec, "keras2"))  # none is refused
    assert names(theirs.layers) == names(spec.members())
    if not theirs.built:
        return
    lowered = lower_spec(spec)
    ours, expected = [variable.shape for _, variable, _ in weights(lowered)], [tuple(w.shape) for w in theirs.weights]
    if path.name.startswith(REORDERED):
        ours, expected = sorted(ours), sorted(expected)
    assert ours == expected
    if theirs.count_params() > SMALL:
        return
    module = with_weights_of(theirs, lowered)
    rng = np.random.default_rng(1)
    arrays = [sample(tensor, rng) for tensor in theirs.inputs]
    assert_close(run(module, arrays), outputs_of(theirs, arrays), rtol=1e-4)


def test_layer_that_tf_keras_does_not_find_is_warned_of() -> None:
    layers = [L.InputLayer(batch_shape=(None, 3), name="x"), L.SpectralNormalization(L.Dense(2), name="normalized")]
    spec = SequentialSpec(layers=layers, name="s")
    with pytest.warns(UserWarning, match="'normalized': tf_keras does not find its own SpectralNormalization"):
        text = to_json(spec, "keras2")
    with pytest.raises(ValueError, match="Unknown layer: 'SpectralNormalization'"):
        tf_keras.models.model_from_json(text)
    found = {"SpectralNormalization": tf_keras.layers.SpectralNormalization}
    assert tf_keras.models.model_from_json(text, custom_objects=found).count_params() == 10


def test_layers_that_we_say_keras2_lacks_are_those_that_tf_keras_lacks() -> None:
    classes = {getattr(L, name).__name__ for name in L.__all__}
    lacking = {name for name in classes if not hasattr(tf_keras.layers, name)}
    assert lacking == {name for name in classes if name in NOT_IN_2}


@pytest.mark.parametrize(
    "name", ["a/b", "a b", "", "a.b", "a:b", "ä", "a\\b", ".a", "/", "_a", "-a", " a", "a>b", ">a", "0"]
)
@pytest.mark.parametrize("of_the_model", [False, True])
def test_names_that_tf_keras_refuses_are_changed_and_no_others(name: str, of_the_model: bool) -> None:
    layers = [L.InputLayer(batch_shape=(None, 3), name="x"), L.Dense(2, name="dense" if of_the_model else name)]
    spec = SequentialSpec(layers=layers, name=name if of_the_model else "s")
    as_it_is = json.dumps(keras2_document(spec)).replace(json.dumps(written_name(spec, of_the_model)), json.dumps(name))
    try:
        tf_keras.models.model_from_json(as_it_is).predict(np.zeros((2, 3)), verbose=0)
        refused = False
    except Exception:  # of several kinds
        refused = True
    assert refused == (written_name(spec, of_the_model) != name)
    tf_keras.models.model_from_json(json.dumps(keras2_document(spec))).predict(np.zeros((2, 3)), verbose=0)


def keras2_document(spec: ModelSpec) -> dict[str, Any]:
    return document(spec, "keras2", Reporter())


def written_name(spec: ModelSpec, of_the_model: bool) -> str:
    config = keras2_document(spec)["config"]
    return str(config["name"] if of_the_model else config["layers"][1]["config"]["name"])


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_deconvolution_of_keras1_is_the_layer_that_equals_it(padding: str) -> None:
    n, size = (3, 4), ((8, 9) if padding == "valid" else (5, 7))
    old = L.Deconvolution2D(2, (3, 3), (2, 2), padding, output_shape=(None, *size, 2), name="old")
    layers = [L.InputLayer(batch_shape=(None, *n, 3), name="x"), old]
    spec = SequentialSpec(layers=layers, name="s")
    theirs = tf_keras.models.model_from_json(json.dumps(keras2_document(spec)))
    arrays = [np.random.default_rng(0).normal(size=(2, *n, 3)).astype("float32")]
    assert_close(run(with_weights_of(theirs, lower_spec(spec)), arrays), outputs_of(theirs, arrays))


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
