"""Layers that Keras 2 computes otherwise than Keras 3, read from its files: numbers, the order of weights, refusals."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
import torch

from spec_compiler.diagnostics import SpecError
from spec_compiler.dialects.write import to_dict, to_json
from spec_compiler.loading import parse_spec, validate
from spec_compiler.lowering.lower import lower_spec, weights
from spec_compiler.runtime.model import Model
from spec_compiler.specs.initializers.scaling import VarianceScaling
from spec_compiler.specs.layers.legacy import Highway, MaxoutDense
from spec_compiler.specs.layers.normalization import BatchNormalization
from spec_compiler.specs.regularizers import L1L2
from tests.dialects.documents import functional, layer, placed, sequential
from tests.layers.check import assert_close

L = keras.layers


@pytest.mark.parametrize(("strides", "dilation"), [(1, 1), (2, 1), (1, 3)])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_causal_separable_convolution_is_a_valid_one_of_the_padded_input(
    strides: int, dilation: int, data_format: str
) -> None:
    config = {"kernel_size": 3, "strides": strides, "dilation_rate": dilation, "depth_multiplier": 2}
    config |= {"filters": 5, "activation": "tanh", "data_format": data_format}
    last = data_format == "channels_last"
    text = sequential([None, 9, 4] if last else [None, 4, 9], layer("SeparableConv1D", padding="causal", **config))
    ours = Model.from_spec(parse_spec(text))
    pad = 2 * dilation
    theirs = keras.Sequential([keras.Input((9 + pad, 4) if last else (4, 9 + pad)), L.SeparableConv1D(**config)])
    theirs.set_weights(ours.get_weights())
    x = np.random.default_rng(0).standard_normal((2, 9, 4)).astype("float32")
    padded = np.pad(x, ((0, 0), (pad, 0), (0, 0)))
    x, padded = (x, padded) if last else (np.moveaxis(x, 1, 2), np.moveaxis(padded, 1, 2))
    found, expected = torch.from_numpy(ours.predict(x, verbose=0)), theirs(padded).detach()
    assert_close(found, expected, "output")
    assert ours.output_shape == (None, *expected.shape[1:])
    with pytest.warns(UserWarning, match="has no causal padding"):
        assert parse_spec(to_json(ours.spec, "keras3")).members() == ours.spec.members()
    assert parse_spec(to_json(ours.spec, "keras2")).members() == ours.spec.members()


@pytest.mark.parametrize(
    ("trainable", "order"),
    [(True, ["layer/kernel", "layer/bias", "vector_u"]), (False, ["vector_u", "layer/kernel", "layer/bias"])],
)
def test_spectral_normalization_has_its_weights_in_the_order_of_the_files_keras(
    trainable: bool, order: list[str]
) -> None:
    inner = layer("Dense", name="d", units=3, trainable=trainable)
    text = sequential([None, 4], layer("SpectralNormalization", layer=inner, trainable=trainable))
    spec = parse_spec(text)
    assert [variable.name for _, variable, _ in weights(lower_spec(spec))] == order
    again = lower_spec(parse_spec(to_json(spec, "keras3")))
    assert [variable.name for _, variable, _ in weights(again)] == ["layer/kernel", "vector_u", "layer/bias"]


def test_softmax_of_nothing_but_masked_elements_has_them_alike() -> None:
    x, mask = keras.Input((3,), name="x"), keras.Input((3,), dtype="bool", name="mask")
    theirs = keras.Model([x, mask], L.Softmax(name="s")(x, mask=mask))

    layers = [
        placed("InputLayer", "x", [], batch_input_shape=[None, 3]),
        placed("InputLayer", "mask", [], batch_input_shape=[None, 3], dtype="bool"),
        placed("Softmax", "s", [[["x", 0, 0, {"mask": ["mask", 0, 0]}]]], axis=-1, robust_masking=True),
    ]
    ends = {"input_layers": [["x", 0, 0], ["mask", 0, 0]], "output_layers": [["s", 0, 0]]}
    spec = parse_spec(json.dumps(layer("Functional", name="m", layers=layers, **ends)))
    values = torch.tensor([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])
    masks = torch.tensor([[True, False, True], [False, False, False]])
    written = parse_spec(to_json(spec, "keras3"))
    assert to_dict(spec, "keras3")["masks"] == "keras2"
    for one in (spec, written):
        found = Model.from_spec(one).module(values, masks)
        assert_close(found[:1], theirs([values[:1], masks[:1]]), "with elements")
        assert_close(found[1:], torch.full((1, 3), 1 / 3), "without")


@pytest.mark.parametrize("method", ["bicubic", "area", "lanczos3", "gaussian", "mitchellcubic"])
def test_interpolation_of_tensorflow_alone_is_refused(method: str) -> None:
    for name, config in (("UpSampling2D", {}), ("Resizing", {"height": 3, "width": 4})):
        report = str(validate(json.loads(sequential([None, 6, 7, 2], layer(name, interpolation=method, **config)))))
        assert f"interpolation='{method}' of {name} cannot be built: torch lacks it [SC902]" in report
        assert "SC104" not in report


def test_bicubic_interpolation_of_keras_3_has_no_words_in_keras_2() -> None:
    model = keras.Sequential([keras.Input((4, 4, 1)), L.UpSampling2D(2, interpolation="bicubic")])
    with pytest.raises(SpecError, match="another bicubic interpolation"):
        to_json(parse_spec(model.to_json()), "keras2")


MERGED = {
    "sum": lambda a, b: a + b,
    "ave": lambda a, b: (a + b) / 2,
    "mul": lambda a, b: a * b,
    "max": torch.maximum,
    "concat": lambda a, b: torch.cat([a, b], -1),
    "dot": lambda a, b: (a * b).sum(-1, keepdim=True),
}


@pytest.mark.parametrize("mode", MERGED)
def test_merge_that_keras_2_kept_from_keras_1(mode: str) -> None:
    """Keras 2.0 and 2.1 have `Merge` still (legacy/layers.py), among layers in their own words."""
    config = {"mode": mode, "mode_type": "raw", "concat_axis": -1, "dot_axes": [1, 1], "arguments": {}}
    config |= {f"output_{what}": None for what in ("shape", "mask")}
    config |= {f"output_{what}_type": "raw" for what in ("shape", "mask")}
    layers = [placed("InputLayer", name, [], batch_input_shape=[None, 4]) for name in "ab"]
    layers += [
        placed("Merge", "merge", [[["a", 0, 0, {}], ["b", 0, 0, {}]]], **config),
        placed("Dense", "dense", [[["merge", 0, 0, {}]]], units=2, use_bias=True),
        placed("Dense", "dense_2", [[["dense", 0, 0, {}]]], units=2, use_bias=True),
    ]
    spec = parse_spec(functional("2.0.8", *layers, inputs="a b", output="merge"))
    a, b = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(0))
    assert_close(Model.from_spec(spec).module(a, b), MERGED[mode](a, b), mode)


def test_sequential_that_begins_with_a_merge_in_keras_2() -> None:
    """Keras 2.0 (models.py, `legacy_get_config`) puts the branches in the first layer's arguments."""
    dense = {"units": 4, "use_bias": True}
    branches = [
        layer("Sequential", name=None, layers=[layer("Dense", name=name, batch_input_shape=[None, 3], **dense)])
        for name in "ab"
    ]
    branches = [{**branch, "config": branch["config"]["layers"]} for branch in branches]
    merge = layer("Merge", name="merge", mode="concat", mode_type="raw", concat_axis=-1, layers=branches)
    text = {"class_name": "Sequential", "config": [merge, layer("Dense", name="c", **dense)], "keras_version": "2.0.9"}
    spec = parse_spec(json.dumps(text))
    assert [one.class_name for one in spec.members()] == ["InputLayer", "Dense"] * 2 + ["Concatenate", "Dense"]


def test_dense_layers_that_keras_2_kept_with_keras_1s_words() -> None:
    """Keras 2.0 to 2.3 write `MaxoutDense` and `Highway` so (legacy/layers.py, `get_config`)."""
    start = layer("VarianceScaling", scale=1.0, mode="fan_avg", distribution="uniform", seed=None)
    old = {f"{which}_{what}": None for which in "Wb" for what in ("regularizer", "constraint")}
    old |= {"init": start, "activity_regularizer": None, "bias": False, "input_dim": None, "trainable": True}
    old["W_regularizer"] = layer("L1L2", l1=0.0, l2=0.5)
    layers = [layer("Dense", name=f"d{i}", units=4, kernel_initializer=start) for i in range(3)]
    layers += [
        layer("MaxoutDense", name="maxout", output_dim=5, nb_feature=3, **old),
        layer("Highway", name="highway", activation="relu", **old),
    ]
    spec = parse_spec(sequential([None, 4], *layers))
    given = {"kernel_regularizer": L1L2(l2=0.5), "use_bias": False}
    given["kernel_initializer"] = VarianceScaling(mode="fan_avg", distribution="uniform")
    expected = [MaxoutDense(5, 3, name="maxout", **given), Highway(name="highway", activation="relu", **given)]
    assert spec.members()[-2:] == expected


def test_batch_normalization_over_devices() -> None:
    """tf.keras 2.2 to 2.15 (layers/normalization, `SyncBatchNormalization`) has a class for what is an argument since."""
    config = {"name": "norm", "axis": [2], "momentum": 0.9, "virtual_batch_size": None}
    spec = parse_spec(sequential([None, 5, 4], layer("SyncBatchNormalization", **config)))
    assert spec.members()[-1] == BatchNormalization(axis=2, momentum=0.9, synchronized=True, name="norm")
    written = to_dict(spec, "keras2")["config"]["layers"][-1]
    assert written["class_name"] == "SyncBatchNormalization" and "synchronized" not in written["config"]


@pytest.mark.parametrize("name", ["Attention", "AdditiveAttention"])
@pytest.mark.parametrize("causal", [True, False])
def test_attention_that_says_itself_that_it_is_causal(name: str, causal: bool) -> None:
    """tf.keras 2.1 to 2.9 (layers/dense_attention.py, `get_config`): since 2.10 each call says it."""
    x = keras.Input((5, 4), name="x")
    theirs = keras.Model(x, getattr(L, name)(use_scale=False, name="a")([x, x], use_causal_mask=causal))
    layers = [
        placed("InputLayer", "x", [], batch_input_shape=[None, 5, 4]),
        placed(name, "a", [[["x", 0, 0, {}], ["x", 0, 0, {}]]], use_scale=False, causal=causal, dropout=0.0),
    ]
    spec = parse_spec(functional("2.4.0", *layers, inputs="x", output="a"))
    data = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(0))
    assert_close(Model.from_spec(spec).module(data), theirs(data), name)
    again = parse_spec(to_json(spec, "keras2"))
    assert_close(Model.from_spec(again).module(data), theirs(data), "written")


def test_causal_attention_at_every_step_is_refused() -> None:
    inner = layer("Attention", name="a", causal=True)
    report = str(validate(json.loads(sequential([None, 3, 5, 4], layer("TimeDistributed", name="t", layer=inner)))))
    assert "causal=True of Attention cannot be built [SC902]" in report
