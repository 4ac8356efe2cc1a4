"""Keras 2 documents read and written again are the same, but for the list in `keras2_writer`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from spec_compiler.diagnostics import Reporter, SpecError
from spec_compiler.dialects import detect
from spec_compiler.dialects.known import KERAS_LAYERS
from spec_compiler.dialects.write import to_dict, to_json
from spec_compiler.loading import load_spec, parse_spec, validate
from spec_compiler.source import load
from spec_compiler.specs import layers as L
from spec_compiler.specs import registry
from spec_compiler.specs.model import CallSpec, FunctionalSpec, Placed, Ref, SequentialSpec
from tests.conftest import SHARED

DOCUMENTS = sorted((SHARED / "keras2").glob("*.json"))
"""Written by tf_keras 2.21."""

NOT_BUILT_YET = {
    path
    for path in DOCUMENTS
    for layer in json.loads(path.read_text())["config"]["layers"]
    if layer["class_name"] in KERAS_LAYERS and layer["class_name"] not in L.__all__
}
WHOLE = [path for path in DOCUMENTS if path not in NOT_BUILT_YET]

LEFT_OUT = ("module", "registered_name", "build_config", "shared_object_id")
ONLY_SOME_WRITE = ("optional", "rng_type", "implementation")


def stated(document: Any) -> Any:
    """The document without what `keras2_writer` says it leaves out."""
    if isinstance(document, list):
        return [stated(one) for one in document]
    if not isinstance(document, dict):
        return document
    dropped = LEFT_OUT if "class_name" in document else ONLY_SOME_WRITE
    return {key: stated(value) for key, value in document.items() if key not in dropped}


LATER = {"dtype", "groups", "data_format", "trainable", "ragged", "noise_shape", "seed", "time_major", "interpolation",
         "keepdims", "reset_after", "softmax_robust_masking"}  # fmt: skip
"""Arguments that some versions of Keras 2 did not write yet."""
FIRST_LAYERS_ALONE = ("batch_input_shape", "input_length")
SPELLINGS = {"Model": "Functional", "normal": "truncated_normal"}


def assert_same(theirs: Any, ours: Any, path: str = "") -> None:
    """Hold what we write to what was read, up to the list in `keras2_writer`."""
    if isinstance(theirs, dict):
        _assert_same_keys(theirs, ours, path)
        for key in theirs.keys() & ours.keys():
            assert_same(theirs[key], ours[key], f"{path}.{key}")
    elif isinstance(theirs, list) and isinstance(ours, list):
        assert len(theirs) == len(ours), path
        for i, pair in enumerate(zip(theirs, ours, strict=True)):
            assert_same(*pair, f"{path}[{i}]")
    else:
        spelt = [theirs, SPELLINGS.get(theirs) if isinstance(theirs, str) else None]
        if path.endswith(".axis"):
            spelt.append([theirs])
        if path.endswith("initializer") and isinstance(ours, dict):
            known = registry.find("initializer", theirs)
            ours, spelt = ours["class_name"], ["GlorotUniform" if known is None else known.__name__]
        assert ours in spelt, f"{path}: {theirs} became {ours}"


def _assert_same_keys(theirs: dict[str, Any], ours: dict[str, Any], path: str) -> None:
    if isinstance(theirs.get("config"), list):
        theirs["config"] = {"name": ours["config"]["name"], "layers": theirs["config"]}
    layers = theirs.get("layers")
    if isinstance(layers, list) and len(ours["layers"]) == len(layers) + 1:
        assert ours["layers"].pop(0)["class_name"] == "InputLayer", path
    lost = theirs.keys() - ours.keys()
    assert lost <= {*FIRST_LAYERS_ALONE, *(["dtype"] if "initializer" in path else [])}, f"{path}: {lost} lost"
    assert ours.keys() - theirs.keys() <= LATER | {"build_input_shape"}, f"{path}: {ours.keys() - theirs.keys()} added"


def published() -> list[Path]:
    """The published files of Keras 2."""
    found = []
    for path in sorted((SHARED / "corpus").glob("*")):
        if path.suffix in (".json", ".yaml"):
            detected = detect(load(path).data, Reporter())
            if detected is not None and detected.dialect == "keras2" and validate(path).ok:
                found.append(path)
    return found


PUBLISHED = published()


def plain(document: Any) -> Any:
    return json.loads(json.dumps(document))


@pytest.mark.skipif(not DOCUMENTS, reason="the reference models are not at hand")
@pytest.mark.parametrize("path", WHOLE, ids=lambda path: path.stem)
def test_document_of_tf_keras_read_and_written_again_is_the_same(path: Path) -> None:
    theirs, ours = stated(json.loads(path.read_text())), stated(plain(to_dict(load_spec(path), "keras2")))
    assert ours == theirs


@pytest.mark.skipif(not PUBLISHED, reason="the published files are not at hand")
@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.name[:60])
def test_published_file_of_keras2_read_and_written_again_is_the_same(path: Path) -> None:
    detected = detect(load(path).data, Reporter())
    assert detected is not None
    model = {key: detected.data[key] for key in ("class_name", "config")}
    ours = plain(to_dict(load_spec(path), "keras2"))
    assert_same(stated(model), stated({key: ours[key] for key in model}))


@pytest.mark.parametrize("path", sorted((Path(__file__).parent / "keras3").glob("*.json")), ids=lambda path: path.stem)
def test_a_keras3_model_in_keras2_words_is_the_same_model(path: Path) -> None:
    spec = load_spec(path)
    again = parse_spec(to_json(spec, "keras2"))
    assert again.origin is not None and again.origin.dialect == "keras2"
    assert [type(layer) for layer in again.walk()] == [type(layer) for layer in spec.walk()]
    assert again.name == spec.name
    assert [layer.get_config() for layer in again.walk() if not hasattr(layer, "members")] == [
        layer.get_config() for layer in spec.walk() if not hasattr(layer, "members")
    ]


def test_what_keras2_has_no_words_for_is_named() -> None:
    layers = [
        L.InputLayer(batch_shape=(None, 4), name="x"),
        L.RMSNormalization(name="rms"),
        L.Dense(2, activation="glu", name="glu"),
        L.Dense(2, activation="hard_sigmoid", name="hard"),
        L.AlphaDropout(0.1, noise_shape=(2, 2), name="noisy"),
    ]
    with pytest.raises(SpecError) as error:
        to_dict(SequentialSpec(layers=layers, name="s"), "keras2")
    messages = [fault.message for fault in error.value.diagnostics]
    assert messages == [
        "layer 'rms': Keras 2 has no RMSNormalization",
        "layer 'glu': Keras 2 has no activation 'glu'",
        "layer 'hard': Keras 2 has no activation 'hard_sigmoid'",
        "layer 'noisy': Keras 2's AlphaDropout has no noise_shape=[2, 2]",
    ]


def test_keras2s_hard_sigmoid_goes_through_every_dialect() -> None:
    layers = [L.InputLayer(batch_shape=(None, 4), name="x"), L.Dense(2, activation="hard_sigmoid_keras2", name="hard")]
    spec = SequentialSpec(layers=layers, name="s")
    assert to_dict(spec, "keras2")["config"]["layers"][1]["config"]["activation"] == "hard_sigmoid"
    for dialect in ("keras2", "keras3", "short"):
        again = parse_spec(to_json(spec, dialect))
        assert next(layer for layer in again.walk() if layer.name == "hard").activation == "hard_sigmoid_keras2"


def test_unknown_dialect_is_named() -> None:
    spec = SequentialSpec(layers=[L.InputLayer(batch_shape=(None, 4))], name="s")
    with pytest.raises(ValueError, match="one of keras3, keras2, short, got 'onnx'"):
        to_dict(spec, "onnx")


def test_masked_steps_that_keras2_does_not_set_to_zero_are_refused() -> None:
    x, mask = (
        L.InputLayer(batch_shape=(None, 4, 5, 3), name="x"),
        L.InputLayer(batch_shape=(None, 4), dtype="bool", name="m"),
    )
    for zero in (False, True):
        layer = L.ConvLSTM1D(2, 2, return_sequences=True, zero_output_for_mask=zero, name="y")
        placed = [Placed(x, []), Placed(mask, []), Placed(layer, [CallSpec((Ref("x"),), {"mask": Ref("m")})])]
        spec = FunctionalSpec(placed=placed, inputs=[Ref("x"), Ref("m")], outputs=Ref("y"), name="m1")
        if not zero:
            to_dict(spec, "keras2")
            continue
        with pytest.raises(SpecError, match="Keras 2's ConvLSTM1D deals otherwise with these masks"):
            to_dict(spec, "keras2")


def test_calls_and_arguments_that_keras2_refuses_are_named() -> None:
    """tf_keras raises on each of these."""
    x, q = L.InputLayer(batch_shape=(None, 8, 9, 3), name="x"), L.InputLayer(batch_shape=(None, 5, 4), name="q")
    mask = L.InputLayer(batch_shape=(None, 5), dtype="bool", name="mask")
    on_x = [
        L.DepthwiseConv2D(3, strides=2, dilation_rate=2, name="depthwise"),
        L.SeparableConv2D(4, 3, strides=2, dilation_rate=(3, 1), name="separable"),
        L.Conv2DTranspose(4, 3, dilation_rate=(3, 2), name="transposed"),
    ]
    placed = [Placed(layer, []) for layer in (x, q, mask)]
    placed += [Placed(layer, [CallSpec((Ref("x"),))]) for layer in on_x]
    steps = L.InputLayer(batch_shape=(None, None, 4), name="steps")
    placed += [Placed(steps, []), Placed(L.GRU(2, unroll=True, name="unrolled"), [CallSpec((Ref("steps"),))])]
    value = L.InputLayer(batch_shape=(None, 6, 3), name="value")
    additive = L.AdditiveAttention(name="additive")
    placed += [Placed(value, []), Placed(additive, [CallSpec(([Ref("q"), Ref("value"), Ref("keys")],))])]
    placed.append(Placed(L.InputLayer(batch_shape=(None, 6, 4), name="keys"), []))
    placed.append(Placed(L.Add(name="sum"), [CallSpec(([Ref("x")],))]))
    attention = L.MultiHeadAttention(2, 3, name="attention")
    placed.append(Placed(attention, [CallSpec((Ref("q"), Ref("q")), {"value_mask": Ref("mask")})]))
    inputs = [Ref("x"), Ref("q"), Ref("mask"), Ref("steps"), Ref("value"), Ref("keys")]
    outputs = [Ref(str(one.layer.name)) for one in placed[3:] if one.calls]
    with pytest.raises(SpecError) as error:
        to_dict(FunctionalSpec(placed=placed, inputs=inputs, outputs=outputs, name="m"), "keras2")
    assert [fault.message for fault in error.value.diagnostics] == [
        "layer 'depthwise': Keras 2's DepthwiseConv2D has strides or a dilation_rate, not both",
        "layer 'separable': Keras 2's SeparableConv2D has strides or a dilation_rate, not both",
        "layer 'transposed': Keras 2's Conv2DTranspose has one dilation for all axes, not [3, 2]",
        "layer 'unrolled': Keras 2's GRU unrolls a number of steps that is known",
        "layer 'additive': Keras 2's AdditiveAttention has a scale for values as long as the keys alone",
        "layer 'sum': Keras 2's Add takes two tensors or more",
        "layer 'attention': Keras 2's MultiHeadAttention is not called with value_mask",
    ]
