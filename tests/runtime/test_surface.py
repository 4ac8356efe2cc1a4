"""What the parts of a Model's surface do beside training: weights by layer, custom objects, export, summary's range."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from spec_compiler import Input, Model, Sequential, SpecError, initializers, layers, lowers, regularizers
from spec_compiler.models import model_from_json
from spec_compiler.specs.base import LayerSpec


def test_layers_have_weights_as_soon_as_shapes_are_known():
    dense = layers.Dense(3)
    assert dense.get_weights() == [] and not dense.built
    model = Sequential([Input((4,)), dense, layers.Dense(2)])
    assert dense.built and [array.shape for array in dense.get_weights()] == [(4, 3), (3,)]
    assert dense.count_params() == 15
    kernel, bias = dense.weights
    assert (kernel.name, kernel.path) == ("kernel", f"{dense.name}/kernel")
    kernel.assign(np.ones((4, 3)))
    np.testing.assert_array_equal(model.get_weights()[0], np.ones((4, 3)))
    with pytest.raises(SpecError, match=r"is \(3,\), got \(2,\)"):
        bias.assign(np.ones(2))


def test_layers_without_a_shape_have_none():
    dense = layers.Dense(3)
    model = Sequential([dense])
    assert not model.built and dense.weights == []
    with pytest.raises(ValueError, match="has no weights yet"):
        dense.set_weights([])
    model.build((None, 4))
    assert [array.shape for array in dense.get_weights()] == [(4, 3), (3,)]


def test_frozen_layers_weights_are_not_trainable():
    model = Sequential([Input((4,)), layers.Dense(3), layers.BatchNormalization(), layers.Dense(1, trainable=False)])
    assert [w.name for w in model.trainable_weights] == ["kernel", "bias", "gamma", "beta"]
    assert [w.name for w in model.non_trainable_weights] == ["moving_mean", "moving_variance", "kernel", "bias"]


class Twice(LayerSpec):
    """Multiply by two."""


@lowers(Twice)
def twice(layer, call, x):
    return x * 2


def test_custom_objects_are_known_while_a_document_is_read():
    text = Sequential([Input((4,)), Twice()]).to_json()
    model = model_from_json(text, custom_objects={"Twice": Twice})
    np.testing.assert_array_equal(model.predict(np.ones((1, 4)), verbose=0), 2 * np.ones((1, 4)))
    assert Model.from_config(model.get_config(), custom_objects={"Twice": Twice}).count_params() == 0
    with pytest.raises(SpecError, match="Twice"):
        model_from_json(text)
    with pytest.raises(TypeError, match="'Twice' is <type>"):
        model_from_json(text, custom_objects={"Twice": object})


def test_exported_file_computes_the_same_in_batches_of_any_size(tmp_path, capsys):
    a, b = Input((6, 6, 2)), Input((3,))
    h = layers.Flatten()(layers.Conv2D(4, 3, activation="relu")(a))
    model = Model([a, b], [layers.Dense(2)(layers.Concatenate()([h, b])), h])
    model.export(tmp_path / "model.pt2")
    assert capsys.readouterr().out == f"Saved artifact at '{tmp_path / 'model.pt2'}'.\n"
    program = torch.export.load(tmp_path / "model.pt2").module()
    for n in (1, 5):
        x = torch.randn(n, 6, 6, 2), torch.randn(n, 3)
        for found, expected in zip(program(*x), model.module(*x), strict=True):
            torch.testing.assert_close(found, expected)


def test_exported_attention_is_torch_s_kernel(tmp_path):
    ids = Input((6,), dtype="int64")
    x = layers.Embedding(9, 8, mask_zero=True)(ids)
    model = Model(ids, layers.MultiHeadAttention(2, 4)(x, x))
    model.export(tmp_path / "model.pt2")
    program = torch.export.load(tmp_path / "model.pt2")
    assert "scaled_dot_product_attention" in str(program.graph)
    given = torch.tensor([[1, 2, 3, 0, 0, 0], [4, 5, 6, 7, 8, 0], [0] * 6])
    torch.testing.assert_close(program.module()(given), model.module(given))


@pytest.mark.parametrize(("path", "format"), [("m.onnx", "onnx"), ("m", "tf_saved_model"), ("m.txt", "torch")])
def test_other_exports_are_refused(tmp_path, path, format):
    model = Sequential([Input((4,)), layers.Dense(1)])
    with pytest.raises(ValueError, match=r"\.pt2"):
        model.export(tmp_path / path, format)
    assert not list(tmp_path.iterdir())


def test_summary_lists_a_range_and_wraps_long_names():
    model = Sequential([Input((4,)), layers.Dense(3, name="a_name_that_leaves_no_room"), layers.ReLU(name="b")])
    lines: list[str] = []
    model.summary(print_fn=lines.append, layer_range=["a_name", "a_name"])
    assert lines[4:6] == ["a_name_that_leaves_no_room   (None, 3)                 15", "(Dense)"]
    assert not any(line.startswith("b ") for line in lines)
    with pytest.raises(ValueError, match="no layer 'c'"):
        model.summary(layer_range=["a", "c"])


def test_summary_does_not_claim_to_know_what_the_first_batch_will_tell():
    model = Sequential([layers.Dense(3, name="a"), layers.ReLU(name="b")])
    lines: list[str] = []
    model.summary(print_fn=lines.append)
    assert lines[4] == "a (Dense)                    ?                         ?"
    assert lines[-2] == "Total params: ? (the first batch gives the input's shape)"
    model.build((None, 4))
    lines.clear()
    model.summary(print_fn=lines.append)
    assert lines[4].endswith("(None, 3)                 15") and lines[-4] == "Total params: 15"


def test_modules_have_keras_short_names_and_getters():
    assert initializers.he_normal() == initializers.get("he_normal") == initializers.HeNormal()
    assert regularizers.l2(0.5) == regularizers.get({"class_name": "L2", "config": {"l2": 0.5}})
    assert initializers.deserialize(initializers.serialize(initializers.HeNormal(seed=1))).seed == 1
    assert initializers.get(None) is None
    with pytest.raises(SpecError, match="did you mean 'he_normal'"):
        initializers.get("hee_normal")


def test_sequential_of_many_layers_is_made_in_linear_time():
    import gc
    import time

    def seconds(n: int) -> float:
        made = [layers.Dense(2) for _ in range(n)]
        gc.disable()  # its cost hangs on what else the process holds
        try:
            start = time.process_time()
            Sequential([Input((2,)), *made])
            return time.process_time() - start
        finally:
            gc.enable()

    seconds(100)
    few, many = min(seconds(300) for _ in range(5)), min(seconds(6000) for _ in range(2))
    assert many < 80 * few, (few, many)  # linear is 20 times, quadratic 400
