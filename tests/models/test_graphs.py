"""Graphs of every shape against Keras: shared layers, nesting, several inputs and outputs, masks across models."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch
from keras import layers

from spec_compiler import emit, validate_text
from spec_compiler.lowering.names import class_name
from spec_compiler.models import Model, model_from_json
from tests.models.oracle import check_model, randomize

rng = np.random.default_rng(0)


def floats(*shape: int) -> np.ndarray:
    return rng.normal(size=shape).astype("float32")


def ids(*shape: int, high: int = 9) -> np.ndarray:
    return rng.integers(0, high, size=shape).astype("int32")


def test_layer_called_twice_matches_keras():
    a, b = keras.Input((4,)), keras.Input((4,))
    shared = layers.Dense(3, activation="tanh")
    check_model(keras.Model([a, b], layers.Concatenate()([shared(a), shared(b)])), [floats(5, 4), floats(5, 4)])


SHARED_ON_TWO_LENGTHS = {
    "Conv1D": lambda: layers.Conv1D(2, 3, strides=2, padding="same"),
    "SeparableConv1D": lambda: layers.SeparableConv1D(2, 4, strides=3, padding="same"),
    "dilated": lambda: layers.Conv1D(2, 3, dilation_rate=30, padding="causal"),
    "MaxPooling1D": lambda: layers.MaxPooling1D(3, strides=2, padding="same"),
    "AveragePooling1D": lambda: layers.AveragePooling1D(13, strides=1, padding="same"),
    "SpectralNormalization": lambda: layers.SpectralNormalization(layers.Conv1D(2, 3, strides=2, padding="same")),
}
"""Layers that pad differently for 5 steps than for 6."""


@pytest.mark.parametrize("kind", SHARED_ON_TWO_LENGTHS)
def test_layer_called_on_two_lengths_matches_keras(kind):
    a, b = keras.Input((5, 4)), keras.Input((6, 4))
    shared = SHARED_ON_TWO_LENGTHS[kind]()
    y, z = (layers.Dense(2)(shared(x)) for x in (a, b))
    model = check_model(keras.Model([a, b], [y, z]), [floats(3, 5, 4), floats(3, 6, 4)])
    assert_source_agrees(model, floats(3, 5, 4), floats(3, 6, 4))


SHARED_ON_TWO_RANKS = {
    "PReLU": (lambda: layers.PReLU("random_normal"), (4, 3), (4, 3)),
    "LayerNormalization": (lambda: layers.LayerNormalization(scale=False), (4, 3), (2, 4, 3)),
    "LayerNormalization on widths": (lambda: layers.LayerNormalization(scale=False, center=False), (4, 3), (4, 5)),
}
"""Layers whose weights stand along axes that are elsewhere in the one input than in the other."""


@pytest.mark.parametrize("kind", SHARED_ON_TWO_RANKS)
def test_layer_called_on_two_ranks_or_layouts_matches_keras(kind):
    make, one, other = SHARED_ON_TWO_RANKS[kind]
    a, b = keras.Input(one), keras.Input(other)
    shared = make()
    # A convolution leaves the channels where torch has them.
    y, z = (layers.Dense(2)(shared(x)) for x in (layers.Conv1D(3, 1)(a), b))
    model = check_model(keras.Model([a, b], [y, z]), [floats(3, *one), floats(3, *other)])
    assert_source_agrees(model, floats(3, *one), floats(3, *other))


def assert_source_agrees(model: Model, *inputs: np.ndarray) -> None:
    """The emitted file gives the module's outputs to the last bit."""
    emitted: dict[str, object] = {"__name__": "emitted"}
    exec(emit(model.spec), emitted)
    module = emitted[class_name(model.name)]()
    module.load_state_dict(model.module.state_dict())
    tensors = [torch.from_numpy(x) for x in inputs]
    for ours, theirs in zip(module.eval()(*tensors), model.module.eval()(*tensors), strict=True):
        assert torch.equal(ours, theirs)


def test_nested_model_with_two_outputs_called_twice_matches_keras():
    x = keras.Input((4,))
    p = layers.Dense(3, activation="relu")(x)
    inner = keras.Model(x, [p, layers.Dense(2)(p)])
    a, b = keras.Input((4,)), keras.Input((4,))
    pa, qa = inner(a)
    pb, qb = inner(b)
    y = layers.Add()([layers.Dense(2)(pa), qb])
    check_model(keras.Model([a, b], [y, qa, pb]), [floats(5, 4), floats(5, 4)])


def test_sequential_inside_functional_inside_sequential_matches_keras():
    deep = keras.Sequential([keras.Input((6,)), layers.Dense(4, activation="relu"), layers.BatchNormalization()])
    x = keras.Input((6,))
    middle = keras.Model(x, layers.Concatenate()([deep(x), x]))
    check_model(keras.Sequential([keras.Input((6,)), layers.Dense(6), middle, layers.Dense(2)]), [floats(3, 6)])


def test_mask_goes_through_a_nested_model():
    x = keras.Input((7, 4))
    inner = keras.Model(x, layers.LSTM(5, return_sequences=True)(layers.Dense(4)(x)))
    tokens = keras.Input((7,), dtype="int32")
    y = layers.LSTM(3)(inner(layers.Embedding(9, 4, mask_zero=True)(tokens)))
    check_model(keras.Model(tokens, y), [ids(6, 7)])


def test_what_attention_has_read_keeps_its_mask():
    """Keras takes the masks off what its attention has read, so whoever reads it later sees none; a second call does."""

    def model(again: bool) -> keras.Model:
        tokens = keras.Input((4,), dtype="int32")
        embedding = layers.Embedding(9, 6, mask_zero=True, name="embedding")
        x = embedding(tokens)
        y = layers.MultiHeadAttention(2, 3, name="first")(x, x)
        x = embedding(tokens) if again else x
        return keras.Model(tokens, layers.MultiHeadAttention(2, 3, name="second")(y, x))

    theirs, ours = model(again=True), model_from_json(model(again=False).to_json())
    ours.set_weights(randomize(theirs))
    given = ids(5, 4)
    np.testing.assert_allclose(ours.predict(given, verbose=0), theirs(given).detach().numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("masked_first", [True, False])
def test_nested_model_called_with_a_mask_and_without(masked_first):
    x = keras.Input((7, 4))
    inner = keras.Model(x, layers.LSTM(5, return_sequences=True)(x))
    tokens, plain = keras.Input((7,), dtype="int32"), keras.Input((7, 4))
    masked = layers.Embedding(9, 4, mask_zero=True)(tokens)
    given = [masked, plain] if masked_first else [plain, masked]
    outputs = [layers.LSTM(3)(inner(one)) for one in given]
    check_model(keras.Model([tokens, plain], outputs), [ids(6, 7), floats(6, 7, 4)])


@pytest.mark.parametrize(("one", "other"), [([4, 2], [5, 2]), ([4, 2], [4, 3]), ([4, 2], [2, 4, 2])])
def test_nested_model_that_states_no_input_takes_that_of_its_first_call(one, other):
    a, b = keras.Input(one), keras.Input(other)
    inner = keras.Sequential([layers.Dense(3)])
    inner(a)
    with pytest.raises(ValueError, match="incompatible"):
        inner(b)
    text = f"""
inputs: {{a: {one}, b: {other}}}
layers: [{{inner: , from: a, name: p}}, {{call: p, from: b, name: q}}]
outputs: [p, q]
models: {{inner: {{layers: [Dense: {{units: 3}}]}}}}
"""
    assert "is called on" in str(validate_text(text))


def test_mask_of_places_is_none_of_steps():
    x = keras.Input((3, 5, 2))
    model = keras.Model(x, layers.ConvLSTM1D(2, 2)(layers.Masking()(x)))
    with pytest.raises(RuntimeError):
        model(floats(2, 3, 5, 2))
    text = "inputs: {x: [3, 5, 2]}\nlayers: [Masking, ConvLSTM1D: {filters: 2, kernel_size: 2}]"
    assert "follows a mask of rank 2, and that of its input has 3" in str(validate_text(text))


def test_nested_model_that_makes_a_mask():
    x = keras.Input((7,), dtype="int32")
    embed = keras.Model(x, layers.Embedding(9, 4, mask_zero=True)(x))
    tokens = keras.Input((7,), dtype="int32")
    check_model(keras.Model(tokens, layers.GRU(3)(embed(tokens))), [ids(6, 7)])


def test_residual_convolutions_match_keras():
    x = keras.Input((9, 7, 3))
    y = layers.Conv2D(8, 3, padding="same", strides=2)(x)
    z = layers.ReLU()(layers.BatchNormalization()(y))
    z = layers.Conv2D(8, (4, 3), padding="same")(z)
    z = layers.MaxPooling2D(2, padding="same")(layers.Add()([y, z]))
    check_model(keras.Model(x, layers.Dense(3)(layers.GlobalAveragePooling2D()(z))), [floats(2, 9, 7, 3)])


def test_flatten_after_convolution_keeps_keras_order():
    model = keras.Sequential([keras.Input((5, 6, 3)), layers.Conv2D(4, 2), layers.Flatten(), layers.Dense(3)])
    check_model(model, [floats(2, 5, 6, 3)])


def test_dense_between_convolutions_works_on_channels():
    model = keras.Sequential([keras.Input((5, 6, 3)), layers.Conv2D(4, 2), layers.Dense(7), layers.Conv2D(2, 3)])
    check_model(model, [floats(2, 5, 6, 3)])


@pytest.mark.parametrize("axis", [1, 2, 3, -1])
def test_concatenate_along_any_axis_of_feature_maps(axis):
    x = keras.Input((4, 4, 4))
    y = layers.Conv2D(4, 3, padding="same")(x)
    z = layers.Conv2D(4, 1)(x)
    check_model(keras.Model(x, layers.Conv2D(2, 1)(layers.Concatenate(axis=axis)([y, z]))), [floats(2, 4, 4, 4)])


def test_dict_inputs_and_outputs_match_keras():
    inputs = {"a": keras.Input((3,), name="a"), "b": keras.Input((2,), name="b")}
    y = layers.Dense(4, name="d")(layers.Concatenate()([inputs["a"], inputs["b"]]))
    keras_model = keras.Model(inputs, {"y": y, "z": layers.Dense(1, name="e")(y)})
    from spec_compiler.models import model_from_json
    from tests.models.oracle import randomize

    values = randomize(keras_model)
    model = model_from_json(keras_model.to_json())
    model.set_weights(values)
    data = {"a": floats(5, 3), "b": floats(5, 2)}
    expected, found = keras_model.predict(data, verbose=0), model.predict(data, verbose=0)
    assert found.keys() == expected.keys()
    for key in expected:
        np.testing.assert_allclose(found[key], expected[key], rtol=1e-5, atol=1e-6)


def test_return_state_feeds_another_layer():
    x, y = keras.Input((5, 3)), keras.Input((4, 3))
    _, h, c = layers.LSTM(6, return_state=True)(x)
    decoded = layers.LSTM(6, return_sequences=True)(y, initial_state=[h, c])
    check_model(keras.Model([x, y], layers.Dense(2)(decoded)), [floats(3, 5, 3), floats(3, 4, 3)])


def test_layer_names_that_are_no_identifiers():
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(3, name="block-1 conv"),
            layers.Dense(2, name="forward"),
            layers.Dense(2, name="1"),
        ]
    )
    check_model(model, [floats(2, 4)])
