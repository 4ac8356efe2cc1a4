"""What Keras 3 does not take as it is: names with a `/`, and layers of old. Both are written, and warned of."""

from __future__ import annotations

import inspect
import json
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from spec_compiler.diagnostics import Reporter
from spec_compiler.dialects.write import document, to_dict, to_json
from spec_compiler.loading import parse_spec
from spec_compiler.models import Model, load_model
from spec_compiler.specs import layers as L
from spec_compiler.specs.model import CallSpec, FunctionalSpec, Placed, Ref, SequentialSpec
from spec_compiler.specs.training import TrainingSpec
from tests.dialects.short.description import describe

REFUSED = ["a/b", "/", "block_1/conv", "a/b/c"]
TAKEN = ["", "a b", "a:b", "ä", "a\\b", "-", "_a", " a"]
"""Keras 3's torch backend makes no weights under a name with a `.`, other backends do: it is left alone."""


def slashed() -> FunctionalSpec:
    """Names with a slash wherever a name stands: inputs, a shared layer, a nested model, a wrapper, outputs."""
    inner = FunctionalSpec(
        name="inner/model",
        placed=[
            Placed(L.InputLayer(batch_shape=(None, 5, 3), name="in/put"), []),
            Placed(L.Dense(3, name="in/dense"), [CallSpec((Ref("in/put"),))]),
        ],
        inputs=Ref("in/put"),
        outputs=Ref("in/dense"),
    )
    both = L.Bidirectional(L.LSTM(2, name="l/stm"), name="b/oth")
    steps = L.TimeDistributed(L.Dense(2, name="in/ner"), name="s/teps")
    leaky = L.Dense(2, activation=L.LeakyReLU(name="le/aky"), name="h/ead")
    placed = [
        Placed(L.InputLayer(batch_shape=(None, 5, 3), name="x/y"), []),
        Placed(L.Dense(3, name="x_y"), [CallSpec((Ref("x/y"),)), CallSpec((Ref("x_y"),))]),
        Placed(inner, [CallSpec((Ref("x_y", 1),))]),
        Placed(steps, [CallSpec((Ref("inner/model"),))]),
        Placed(both, [CallSpec((Ref("s/teps"),))]),
        Placed(leaky, [CallSpec((Ref("b/oth"),))]),
    ]
    return FunctionalSpec(name="m/n", placed=placed, inputs=Ref("x/y"), outputs=[Ref("h/ead"), Ref("b/oth")])


def reported(spec: Any, dialect: str = "keras3") -> tuple[dict[str, Any], list[str]]:
    reporter = Reporter()
    written = document(spec, dialect, reporter)
    return written, [fault.message for fault in reporter.diagnostics]


@pytest.mark.parametrize("name", REFUSED + TAKEN)
def test_names_are_changed_where_keras_refuses_them(name: str) -> None:
    refuses = False
    try:
        keras.layers.Dense(2, name=name)
    except ValueError:
        refuses = True
    spec = SequentialSpec(name="s", layers=[L.InputLayer(batch_shape=(None, 3), name="x"), L.Dense(2, name=name)])
    written, messages = reported(spec)
    assert refuses == bool(messages) == (name in REFUSED)
    assert keras.models.model_from_json(json.dumps(written)).layers[0].name == name.replace("/", "_")


def test_names_are_one_in_every_place_and_unique() -> None:
    spec = slashed()
    written, messages = reported(spec)
    assert "the name 'x/y' is written as 'x_y_1': Keras 3 takes none with a '/'" in messages
    assert "/" not in json.dumps(written).replace("float32", "")
    theirs = keras.models.model_from_json(json.dumps(written))
    assert [layer.name for layer in theirs.layers] == ["x_y_1", "x_y", "inner_model", "s_teps", "b_oth", "h_ead"]
    ours = Model.from_spec(spec)
    theirs.set_weights(ours.get_weights())
    x = np.random.default_rng(0).normal(size=(3, 5, 3)).astype("float32")
    for a, b in zip(ours.predict(x, verbose=0), theirs.predict(x, verbose=0), strict=True):
        np.testing.assert_allclose(a, b, 1e-5, 1e-6)
    assert [layer.name for layer in spec.members()] == ["x/y", "x_y", "inner/model", "s/teps", "b/oth", "h/ead"]


def test_how_to_train_follows_the_names_of_outputs() -> None:
    spec = slashed()
    spec.training = TrainingSpec(loss={"h/ead": "mse", "b/oth": "mae"}, loss_weights={"b/oth": 0.5, "h/ead": 1.0})
    theirs = keras.models.model_from_json(json.dumps(reported(spec)[0]))
    theirs.compile_from_config(reported(spec)[0]["compile_config"])
    assert theirs.loss == {"h_ead": "mse", "b_oth": "mae"}
    x = np.zeros((2, 5, 3), "float32")
    theirs.fit(x, [np.zeros((2, 2)), np.zeros((2, 4))], verbose=0)


def test_from_python_a_warning_names_the_caller() -> None:
    with pytest.warns(
        UserWarning,
        match=r"^the name 'm/n' is written as 'm_n': (.|\n)*the name 'x/y' is written as 'x_y_1'(.|\n)*\[SC113\]",
    ) as caught:
        to_json(slashed())
    assert {Path(warning.filename).name for warning in caught} == {Path(__file__).name}
    with pytest.warns(UserWarning, match="'x/y'") as caught:
        Model.from_spec(slashed()).to_json()
    assert {Path(warning.filename).name for warning in caught} == {Path(__file__).name}


def test_what_we_keep_for_ourselves_has_the_names_as_they_are(tmp_path: Path) -> None:
    model = Model.from_spec(slashed())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = Model.from_config(model.get_config())
        model.save(tmp_path / "m.safetensors")
        loaded = load_model(tmp_path / "m.safetensors")
    for other in (again, loaded):
        assert describe(other.spec) == describe(model.spec)
    for a, b in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


# Layers.

OLD = {
    "LocallyConnected1D": (lambda: L.LocallyConnected1D(2, 3), (7, 3)),
    "LocallyConnected2D": (lambda: L.LocallyConnected2D(2, 3), (7, 6, 3)),
    "Highway": (L.Highway, (4,)),
    "MaxoutDense": (lambda: L.MaxoutDense(3), (4,)),
    "ParametricSoftplus": (L.ParametricSoftplus, (4,)),
    "SReLU": (L.SReLU, (4,)),
}
"""Those that Keras 3 has no equal of."""
TODAY = {"ThresholdedReLU": "ReLU", "Deconvolution2D": "Conv2DTranspose"}
OF_APPLICATIONS = {"LayerScale", "CustomScaleLayer"}
"""Keras finds them by their module."""


def test_layers_of_ours_that_keras_lacks_are_these() -> None:
    classes = {getattr(L, name) for name in L.__all__}
    lacking = {cls.__name__ for cls in classes if not hasattr(keras.layers, cls.__name__)} - {"GroupedQueryAttention"}
    assert lacking == {*OLD, *TODAY, *OF_APPLICATIONS}


@pytest.mark.parametrize("name", OLD)
@pytest.mark.parametrize("wrapped", [False, True])
def test_layer_that_keras_lacks_is_warned_of_and_comes_back(name: str, wrapped: bool) -> None:
    make, shape = OLD[name]
    layer = make()
    layer.name = "old"
    if wrapped:
        layer, shape = L.TimeDistributed(layer, name="steps"), (2, *shape)
    spec = SequentialSpec(name="s", layers=[L.InputLayer(batch_shape=(None, *shape), name="x"), layer])
    written, messages = reported(spec)
    assert messages == [f"layer 'old': Keras 3 has no {name}"]
    text = json.dumps(written)
    assert describe(parse_spec(text)) == describe(spec)
    with pytest.raises(ValueError, match=f"Could not deserialize 'keras.layers.{name}'"):
        keras.models.model_from_json(text)
    own = type(
        name,
        (keras.layers.Identity,),
        {"__init__": lambda self, name, **_: keras.layers.Layer.__init__(self, name=name)},
    )
    assert len(keras.models.model_from_json(text, custom_objects={name: own}).layers) == 1
    with pytest.warns(UserWarning, match=f"Keras 3 has no {name}"):
        to_dict(spec)


PASSED_ON = {"zero_output_for_mask", "unroll", "seed", "rms_scaling", "bounding_box_format", "lora_rank", "lora_alpha",
             "quantization_config", "activity_regularizer"}  # fmt: skip
"""Arguments that Keras's classes pass on to a parent."""


def test_arguments_of_ours_that_keras_lacks_are_these() -> None:
    lacking = set()
    for cls in {getattr(L, name) for name in L.__all__}:
        theirs = getattr(keras.layers, cls.__name__, None)
        if theirs is not None:
            own = set(cls.model_fields) - {"name", "trainable", "dtype"}
            lacking |= own - set(inspect.signature(theirs.__init__).parameters) - PASSED_ON
    assert lacking == {"time_major", "half_pixel_centers"}  # which are warned of


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(
    ("kernel", "strides"), [((3, 3), (2, 3)), ((2, 4), (3, 2)), ((5, 1), (3, 3)), ((4, 4), (1, 2))]
)
def test_deconvolution_of_keras1_is_written_as_the_layer_that_equals_it(
    padding: str, kernel: Any, strides: Any
) -> None:
    n = (3, 4)
    least = [(m - 1) * s + (1 if padding == "same" else k) for m, k, s in zip(n, kernel, strides, strict=True)]
    sizes = [(least[0] + i, least[1] + j) for i in range(strides[0]) for j in range(strides[1])]
    for size in sizes:
        old = L.Deconvolution2D(2, kernel, strides, padding, output_shape=(None, *size, 2), name="old")
        spec = SequentialSpec(name="s", layers=[L.InputLayer(batch_shape=(None, *n, 3), name="x"), old])
        written, messages = reported(spec)
        usual = [
            padding == "same" and k % 2 == 0 and m == d * s for k, s, m, d in zip(kernel, strides, size, n, strict=True)
        ]
        assert bool(messages) == any(usual), size
        if messages:
            continue
        theirs = keras.models.model_from_json(json.dumps(written))
        ours = Model.from_spec(spec)
        theirs.set_weights(ours.get_weights())
        x = np.random.default_rng(0).normal(size=(2, *n, 3)).astype("float32")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch's own padding, which Keras corrects
            wanted = theirs(x).detach().numpy()
        np.testing.assert_allclose(ours.predict(x, verbose=0), wanted, 1e-5, 1e-6)
