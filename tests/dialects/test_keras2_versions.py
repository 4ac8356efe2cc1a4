"""What Keras 2's files mean by the version that wrote them, where the versions differ and the words do not."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
import torch

from spec_compiler.diagnostics import SpecError
from spec_compiler.dialects.write import to_dict, to_json, to_yaml
from spec_compiler.loading import parse_spec, validate
from spec_compiler.lowering.lower import lower_spec, weights
from spec_compiler.runtime.model import Model
from tests.dialects.documents import functional, layer, placed, sequential
from tests.layers.check import assert_close

L = keras.layers


def corners(x: torch.Tensor, factors: tuple[int, int]) -> torch.Tensor:
    """TensorFlow 1's `resize_bilinear` of (batch, height, width, channels), by its definition, pixel by pixel."""
    _, height, width, _ = x.shape
    rows = []
    for i in range(height * factors[0]):
        y, top = i / factors[0], i // factors[0]
        row = []
        for j in range(width * factors[1]):
            z, left = j / factors[1], j // factors[1]
            below, right = min(top + 1, height - 1), min(left + 1, width - 1)
            upper = x[:, top, left] * (1 - z + left) + x[:, top, right] * (z - left)
            lower = x[:, below, left] * (1 - z + left) + x[:, below, right] * (z - left)
            row.append(upper * (1 - y + top) + lower * (y - top))
        rows.append(torch.stack(row, 1))
    return torch.stack(rows, 1)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("size", [(2, 2), (3, 2), (1, 4)])
@pytest.mark.parametrize("known", [True, False])
def test_bilinear_interpolation_of_keras_2_on_tensorflow_1(
    known: bool, size: tuple[int, int], data_format: str
) -> None:
    """Keras 2.2.3 to 2.3.1 (backend/tensorflow_backend.py, `resize_images`) call TensorFlow 1's `resize_bilinear`."""
    last = data_format == "channels_last"
    dims = [4, 5] if known else [None, None]
    up = layer("UpSampling2D", name="up", size=list(size), interpolation="bilinear", data_format=data_format)
    text = json.loads(sequential([None, *dims, 3] if last else [None, 3, *dims], up))
    x = torch.randn(2, 4, 5, 3, generator=torch.Generator().manual_seed(0))
    for version, told in (("2.2.4", True), ("2.3.1", True), ("2.2.4-tf", False), ("2.4.0", False), (None, False)):
        spec = parse_spec(json.dumps({**text, "keras_version": version, "backend": "tensorflow"}))
        theirs = keras.Sequential([keras.Input((4, 5, 3)), L.UpSampling2D(size, interpolation="bilinear")])
        expected = corners(x, size) if told else theirs(x)
        module = Model.from_spec(spec).module
        found = module(x) if last else module(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        assert_close(found, expected, str(version))


def test_bilinear_interpolation_of_keras_2_keeps_its_version() -> None:
    up = layer("UpSampling2D", name="up", size=[2, 2], interpolation="bilinear", data_format="channels_last")
    text = json.loads(sequential([None, 4, 5, 3], up))
    old = parse_spec(json.dumps({**text, "keras_version": "2.2.4", "backend": "tensorflow"}))
    written = to_dict(old, "keras2")
    assert written["keras_version"] == "2.2.4" and "half_pixel_centers" not in str(written)
    assert parse_spec(json.dumps(written)).members() == old.members()
    assert parse_spec(to_yaml(old, "short")).members() == old.members()
    with pytest.warns(UserWarning, match="has no half_pixel_centers"):
        assert parse_spec(to_json(old, "keras3")).members() == old.members()
    later = json.loads(sequential([None, 4, 5, 3], up, {**up, "config": {**up["config"], "name": "up_1"}}))
    spec = parse_spec(json.dumps({**later, "keras_version": "2.2.4", "backend": "tensorflow"}))
    spec.members()[-1].half_pixel_centers = True
    with pytest.raises(SpecError, match="Keras 2's UpSampling2D has no half_pixel_centers=False"):
        to_json(spec, "keras2")
    report = str(validate(json.loads(sequential([4, 4, 4, 3], {**up, "config": {"half_pixel_centers": False}}))))
    assert "half_pixel_centers=False goes with bilinear interpolation, not nearest" in report


@pytest.mark.parametrize(("version", "follows"), [("2.4.0", False), ("2.9.0", False), ("2.10.0", True), (None, True)])
def test_attention_follows_masks_since_keras_2_10(version: str | None, follows: bool) -> None:
    """keras 2.10 (layers/attention/multi_head_attention.py) has `_compute_attention_mask`; before it, none is looked at."""
    x = keras.Input((5,), dtype="int32", name="x")
    y = L.Embedding(7, 4, mask_zero=follows, name="embedding")(x)
    y = L.MultiHeadAttention(2, 3, name="attention")(y, y)
    theirs = keras.Model(x, L.LSTM(3, name="lstm")(y))
    layers = [
        placed("InputLayer", "x", [], batch_input_shape=[None, 5], dtype="int32"),
        placed("Embedding", "embedding", [[["x", 0, 0, {}]]], input_dim=7, output_dim=4, mask_zero=True),
        placed(
            "MultiHeadAttention", "attention", [[["embedding", 0, 0, {"value": ["embedding", 0, 0]}]]],
            num_heads=2, key_dim=3, value_dim=3, attention_axes=None,
        ),
        placed("LSTM", "lstm", [[["attention", 0, 0, {}]]], units=3, recurrent_activation="sigmoid"),
    ]  # fmt: skip
    spec = parse_spec(functional(version or "2.15.0", *layers, inputs="x", output="lstm"))
    theirs.set_weights([np.random.default_rng(0).standard_normal(w.shape) * 0.5 for w in theirs.weights])
    ids = torch.tensor([[1, 2, 3, 0, 0], [4, 0, 0, 0, 0], [1, 2, 3, 4, 5]], dtype=torch.int32)
    documents = [to_json(spec, dialect) for dialect in ("keras2", "keras3")] + [to_yaml(spec, "short")]
    for one in (spec, *map(parse_spec, documents)):
        ours = Model.from_spec(one)
        ours.set_weights(theirs.get_weights())
        assert_close(ours.module(ids), theirs(ids), str(version))
    assert to_dict(spec, "keras3").get("masks") == ("keras2" if follows else "keras2.9")


@pytest.mark.parametrize(
    ("version", "cut"),
    [("2.0.8", True), ("2.1.6", True), ("2.2.0", False), ("2.1.5-tf", True), ("2.1.6-tf", False), ("2.4.0", False)],
)
def test_normal_distribution_was_cut_and_not_scaled_up_for_it(version: str, cut: bool) -> None:
    """Keras 2.2.0 and TensorFlow 1.9 (initializers.py, init_ops.py, `VarianceScaling`) divide by 0.8796 first."""
    start = layer("VarianceScaling", scale=2.0, mode="fan_in", distribution="normal", seed=3)
    text = json.loads(sequential([None, 400], layer("Dense", name="d", units=300, kernel_initializer=start)))
    spec = parse_spec(json.dumps({**text, "keras_version": version, "backend": "tensorflow"}))
    kernel = Model.from_spec(spec).get_weights()[0]
    deviation = (2 / 400) ** 0.5
    assert abs(kernel).max() == pytest.approx(2 * deviation / (1 if cut else 0.8796), rel=1e-3)
    assert kernel.std() == pytest.approx(deviation * (0.8796 if cut else 1), rel=0.01)
    again = parse_spec(to_json(spec, "keras2"))
    assert again.members() == spec.members()


def test_uniform_distribution_of_tensorflow_1_ends_at_one() -> None:
    """tf.keras to TensorFlow 1.12 (initializers.py: `uniform = RandomUniform` of init_ops.py, `maxval=None`)."""
    start = layer("RandomUniform", minval=0, maxval=None, seed=None, dtype="float32")
    config = {"batch_input_shape": [None, 5], "input_dim": 100, "output_dim": 50, "input_length": 5}
    embedding = layer("Embedding", name="e", embeddings_initializer=start, dtype="float32", **config)
    text = {"class_name": "Sequential", "config": [embedding], "keras_version": "2.1.6-tf", "backend": "tensorflow"}
    (values,) = Model.from_spec(parse_spec(json.dumps(text))).get_weights()
    assert 0 <= values.min() < 0.01 and 0.99 < values.max() <= 1


@pytest.mark.parametrize("order", ["channels_first", "channels_last"])
def test_spatial_dropout_goes_by_the_order_of_axes_of_the_rest(order: str) -> None:
    """No Keras 2 writes SpatialDropout2D's `data_format` (layers/core.py, `Dropout.get_config`), which was the user's."""
    shape = [8, 40, 6, 6] if order == "channels_first" else [8, 6, 6, 40]
    convolution = layer("Conv2D", name="c", filters=40, kernel_size=[1, 1], data_format=order)
    text = sequential(shape, convolution, layer("SpatialDropout2D", name="d", rate=0.5, noise_shape=None, seed=None))
    module = Model.from_spec(parse_spec(text)).module.train()
    dropped = module(torch.randn(shape)) == 0
    dropped = dropped if order == "channels_first" else dropped.permute(0, 3, 1, 2)
    whole = dropped.flatten(2)
    assert torch.equal(whole.all(-1), whole.any(-1)) and 0.3 < whole.float().mean() < 0.7


def test_input_length_of_several_axes() -> None:
    """Keras 2's Embedding (layers/embeddings.py, `compute_output_shape`) takes a list for an input of several axes."""
    embedding = layer("Embedding", name="e", input_dim=7, output_dim=2, input_length=[3, 4])
    spec = parse_spec(json.dumps(layer("Sequential", name="m", layers=[embedding])))
    assert Model.from_spec(spec).output_shape == (None, 3, 4, 2)


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize(
    ("version", "sorted_"),
    [("2.0.8", True), ("2.3.1", True), ("2.1.6-tf", True), ("2.2.4-tf", False), ("2.15.0", False)],
)
def test_models_inside_others_had_the_weights_that_train_first(version: str, sorted_: bool, frozen: bool) -> None:
    """Keras to 2.3 and TensorFlow to 1.13 (engine/base_layer.py, `weights`); network.py has `weights` of its own since."""
    layers = [
        layer("Dense", name="a", units=3, batch_input_shape=[None, 4], use_bias=False),
        layer("BatchNormalization", name="b"),
        layer("Dense", name="c", units=2, use_bias=False),
    ]
    inner = layer("Sequential", name="inner", layers=layers, trainable=not frozen)
    text = json.loads(sequential([None, 4], inner, layer("BatchNormalization", name="d")))
    spec = parse_spec(json.dumps({**text, "keras_version": version, "backend": "tensorflow"}))
    found = [f"{one.layer.name}/{variable.name}" for one, variable, _ in weights(lower_spec(spec))]
    moving, last = ["b/moving_mean", "b/moving_variance"], ["d/gamma", "d/beta", "d/moving_mean", "d/moving_variance"]
    first = ["a/kernel", "b/gamma", "b/beta"]
    assert found == [*first, *(["c/kernel", *moving] if sorted_ else [*moving, "c/kernel"]), *last]
