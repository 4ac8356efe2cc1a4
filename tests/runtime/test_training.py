"""Training held to Keras: the same data in the same order give the same losses, metrics and weights."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from spec_compiler.models import Model, model_from_json
from tests.models.oracle import randomize

rng = np.random.default_rng(3)


def floats(*shape: int) -> np.ndarray:
    return rng.normal(size=shape).astype("float32")


def classes(n: int, of: int) -> np.ndarray:
    return rng.integers(0, of, size=n)


def pair(keras_model: keras.Model) -> tuple[keras.Model, Model]:
    values = randomize(keras_model, 5)
    ours = model_from_json(keras_model.to_json())
    ours.set_weights(values)
    return keras_model, ours


def follow(keras_model, compiled, x, y, fit=None, epochs=3, batch_size=8, rtol=1e-4):
    """Fit both on the same data in the same order; histories and weights must agree."""
    theirs, ours = pair(keras_model)
    options = {"epochs": epochs, "batch_size": batch_size, "shuffle": False, "verbose": 0, **(fit or {})}
    theirs.compile(**{key: make() if callable(make) else make for key, make in compiled.items()})
    ours.compile(**{key: serialized(make() if callable(make) else make) for key, make in compiled.items()})
    expected = theirs.fit(x, y, **options).history
    found = ours.fit(x, y, **options).history
    assert found.keys() == expected.keys()
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=rtol, atol=1e-6, err_msg=name)
    for weight, a, b in zip(ours.weights, ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=2e-5, err_msg=weight.path)
    return theirs, ours


def serialized(value):
    """Keras's objects as the dicts that compile() takes."""
    if isinstance(value, keras.optimizers.Optimizer):
        return keras.optimizers.serialize(value)
    return value


def mlp(outputs: int = 3, activation: str = "softmax", **options) -> keras.Model:
    return keras.Sequential(
        [keras.Input((5,)), layers.Dense(8, activation="relu", **options), layers.Dense(outputs, activation=activation)]
    )


OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.05),
    "momentum": lambda: keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    "adam": lambda: keras.optimizers.Adam(0.01),
    "adamw": lambda: keras.optimizers.AdamW(0.01),
    "rmsprop": lambda: keras.optimizers.RMSprop(0.01),
    "clipped": lambda: keras.optimizers.Adam(0.01, clipnorm=0.1),
    "schedule": lambda: keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(0.02, 2, 0.9)),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_fit_follows_keras_with_every_optimizer(optimizer):
    compiled = {"optimizer": OPTIMIZERS[optimizer], "loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]}
    follow(mlp(), compiled, floats(27, 5), classes(27, 3))


@pytest.mark.parametrize(
    ("loss", "outputs", "activation", "targets"),
    [
        ("mse", 2, "linear", lambda: floats(27, 2)),
        ("mae", 2, "linear", lambda: floats(27, 2)),
        ("binary_crossentropy", 1, "sigmoid", lambda: classes(27, 2).astype("float32")[:, None]),
        ("categorical_crossentropy", 3, "softmax", lambda: np.eye(3, dtype="float32")[classes(27, 3)]),
        ("sparse_categorical_crossentropy", 3, "softmax", lambda: classes(27, 3)),
    ],
)
def test_fit_follows_keras_with_every_loss(loss, outputs, activation, targets):
    compiled = {"optimizer": "adam", "loss": loss, "metrics": ["accuracy", "mae"]}
    if loss == "sparse_categorical_crossentropy":
        compiled["metrics"] = ["accuracy"]
    follow(mlp(outputs, activation), compiled, floats(27, 5), targets(), {"validation_split": 0.3})


def test_regularizers_and_constraints_follow_keras():
    model = mlp(
        kernel_regularizer=keras.regularizers.L1L2(1e-2, 1e-2),
        bias_regularizer="l2",
        activity_regularizer=keras.regularizers.L2(1e-2),
        kernel_constraint=keras.constraints.MaxNorm(0.8, axis=0),
        bias_constraint="non_neg",
    )
    compiled = {"optimizer": "sgd", "loss": "sparse_categorical_crossentropy"}
    follow(model, compiled, floats(27, 5), classes(27, 3))


def test_sample_and_class_weights_follow_keras():
    compiled = {"optimizer": "sgd", "loss": "sparse_categorical_crossentropy"}
    compiled |= {"metrics": ["accuracy"], "weighted_metrics": ["accuracy"]}
    fit = {"sample_weight": rng.uniform(0, 2, 27).astype("float32")}
    follow(mlp(), compiled, floats(27, 5), classes(27, 3), fit)
    follow(mlp(), compiled, floats(27, 5), classes(27, 3), {"class_weight": {0: 0.5, 1: 2.0, 2: 1.0}})


def test_convolution_with_batch_normalization_follows_keras():
    model = keras.Sequential(
        [
            keras.Input((7, 9, 2)),
            layers.Conv2D(4, 2, strides=2, padding="same"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    compiled = {"optimizer": lambda: keras.optimizers.SGD(0.01), "loss": "sparse_categorical_crossentropy"}
    follow(model, compiled, floats(24, 7, 9, 2), classes(24, 3))


def test_masked_sequences_follow_keras():
    tokens = keras.Input((6,), dtype="int32")
    x = layers.Embedding(9, 4, mask_zero=True)(tokens)
    x = layers.LSTM(5, return_sequences=True)(x)
    model = keras.Model(tokens, layers.Dense(3, activation="softmax")(x))
    compiled = {"optimizer": "adam", "loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]}
    x = rng.integers(0, 9, (24, 6))
    x[:, 0] = 1  # Every sample has a step that counts: a mean over none is 0 / 0 in Keras.
    follow(model, compiled, x.astype("int32"), rng.integers(0, 3, (24, 6)))


def test_several_outputs_follow_keras():
    x = keras.Input((5,), name="x")
    h = layers.Dense(6, activation="tanh")(x)
    model = keras.Model(x, [layers.Dense(3, activation="softmax", name="digit")(h), layers.Dense(1, name="slant")(h)])
    compiled = {
        "optimizer": "adam",
        "loss": {"digit": "sparse_categorical_crossentropy", "slant": "mse"},
        "loss_weights": {"digit": 1.0, "slant": 0.3},
        "metrics": {"digit": ["accuracy"], "slant": ["mae"]},
    }
    targets = {"digit": classes(27, 3), "slant": floats(27, 1)}
    theirs, ours = follow(model, compiled, floats(27, 5), targets)
    x = floats(10, 5)
    y = {"digit": classes(10, 3), "slant": floats(10, 1)}
    expected = theirs.evaluate(x, y, verbose=0, return_dict=True)
    found = ours.evaluate(x, y, verbose=0, return_dict=True)
    assert found.keys() == expected.keys()
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-4)


def test_evaluate_returns_numbers_in_keras_order():
    theirs, ours = pair(mlp(7))
    for model in (theirs, ours):
        model.compile(
            "sgd", "sparse_categorical_crossentropy", metrics=["accuracy", "sparse_top_k_categorical_accuracy"]
        )
    x, y = floats(20, 5), classes(20, 7)
    np.testing.assert_allclose(ours.evaluate(x, y, verbose=0), theirs.evaluate(x, y, verbose=0), rtol=1e-5)


def test_frozen_layers_follow_keras():
    base = keras.Sequential([keras.Input((5,)), layers.Dense(4), layers.BatchNormalization()], name="base")
    base.trainable = False
    model = keras.Sequential([keras.Input((5,)), base, layers.Dense(3, activation="softmax")])
    compiled = {"optimizer": "adam", "loss": "sparse_categorical_crossentropy"}
    _, ours = follow(model, compiled, floats(24, 5), classes(24, 3))
    assert len(ours._step.optimizer.param_groups[0]["params"]) == 2


def test_unfreezing_takes_effect_at_the_next_fit():
    _, ours = pair(mlp())
    ours.layers[0].trainable = False
    ours.compile("sgd", "sparse_categorical_crossentropy")
    before = ours.layers[0].get_weights()[0]
    x, y = floats(8, 5), classes(8, 3)
    ours.fit(x, y, verbose=0)
    np.testing.assert_array_equal(ours.layers[0].get_weights()[0], before)
    ours.layers[0].trainable = True
    ours.fit(x, y, verbose=0)
    assert np.abs(ours.layers[0].get_weights()[0] - before).max() > 0


def test_train_on_batch_follows_keras():
    theirs, ours = pair(mlp())
    for model in (theirs, ours):
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    for _ in range(3):
        x, y = floats(8, 5), classes(8, 3)
        np.testing.assert_allclose(ours.train_on_batch(x, y), theirs.train_on_batch(x, y), rtol=1e-4)
    x, y = floats(8, 5), classes(8, 3)
    expected, found = theirs.test_on_batch(x, y, return_dict=True), ours.test_on_batch(x, y, return_dict=True)
    assert found.keys() == expected.keys()


def test_model_without_trainable_weights_warns_and_measures():
    _, ours = pair(mlp())
    ours.trainable = False
    ours.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.warns(RuntimeWarning, match="no weights that train"):
        history = ours.fit(floats(8, 5), classes(8, 3), epochs=2, shuffle=False, verbose=0).history
    assert history["loss"][0] == history["loss"][1]
    ours.optimizer.learning_rate = 0.25
    assert ours.optimizer.learning_rate == 0.25
    ours.trainable = True
    ours.fit(floats(8, 5), classes(8, 3), verbose=0)
    assert ours.optimizer.learning_rate == 0.25


def test_nan_loss_is_reported():
    _, ours = pair(mlp(1, "linear"))
    ours.compile("sgd", "mse")
    x = floats(8, 5)
    x[3, 2] = np.nan
    with pytest.warns(RuntimeWarning, match="loss is nan in epoch 1"):
        ours.fit(x, floats(8, 1), verbose=0)


def test_sequential_without_input_shape_builds_at_its_first_batch():
    from spec_compiler.layers import Dense
    from spec_compiler.models import Sequential

    model = Sequential([Dense(4, activation="relu"), Dense(1)])
    assert not model.built
    model.compile("sgd", "mse")
    model.fit(floats(9, 5), floats(9, 1), verbose=0)
    assert model.input_shape == (None, 5)
    assert model.predict(floats(3, 5), verbose=0).shape == (3, 1)


def test_dicts_go_by_the_keys_of_the_models_own():
    x = keras.Input((5,), name="x")
    hidden = layers.Dense(6, activation="tanh")(x)
    outputs = {"one": layers.Dense(2, name="p")(hidden), "two": layers.Dense(1, name="q")(hidden)}
    model = keras.Model({"in": x}, outputs)
    compiled = {"optimizer": "sgd", "loss": {"one": "mse", "two": "mae"}, "metrics": {"one": ["mae"], "two": ["mse"]}}
    theirs, ours = follow(model, compiled, {"in": floats(27, 5)}, {"one": floats(27, 2), "two": floats(27, 1)})
    x = floats(4, 5)
    expected, found = theirs.predict({"in": x}, verbose=0), ours.predict({"in": x}, verbose=0)
    assert found.keys() == expected.keys()
    np.testing.assert_allclose(found["two"], expected["two"], rtol=1e-4)


def test_a_list_of_one_output_is_that_output():
    from spec_compiler import Input
    from spec_compiler.layers import Dense

    x = Input((5,))
    model = Model([x], [Dense(2)(x)])
    assert model.input_shape == (None, 5) and model.output_shape == (None, 2)
    assert model.predict(floats(3, 5), verbose=0).shape == (3, 2)


@pytest.mark.parametrize("fitted", [False, True])
def test_learning_rate_is_set_on_the_model(fitted):
    theirs, ours = pair(mlp())
    x, y = floats(27, 5), classes(27, 3)
    for model, optimizer in ((theirs, keras.optimizers.SGD(0.1)), (ours, {"SGD": {"learning_rate": 0.1}})):
        model.compile(optimizer, "sparse_categorical_crossentropy")
        if fitted:
            model.fit(x, y, shuffle=False, verbose=0)
        assert float(model.optimizer.learning_rate) == pytest.approx(0.1)
        model.optimizer.learning_rate = 0.01
        model.fit(x, y, shuffle=False, verbose=0)
    np.testing.assert_allclose(ours.get_weights()[0], theirs.get_weights()[0], rtol=1e-4)


def test_learning_rate_stays_when_layers_are_frozen_between_fits():
    _, ours = pair(mlp())
    ours.compile("sgd", "sparse_categorical_crossentropy")
    x, y = floats(27, 5), classes(27, 3)
    ours.fit(x, y, verbose=0)
    ours.optimizer.learning_rate = 0.5
    ours.layers[0].trainable = False
    ours.fit(x, y, verbose=0)
    assert ours.optimizer.learning_rate == 0.5


def test_evaluating_leaves_the_history_of_fit():
    _, ours = pair(mlp())
    ours.compile("sgd", "sparse_categorical_crossentropy")
    x, y = floats(27, 5), classes(27, 3)
    history = ours.fit(x, y, epochs=2, verbose=0)
    ours.evaluate(x, y, verbose=0)
    ours.predict(x, verbose=0)
    assert ours.history is history and len(history.history["loss"]) == 2


def test_lines_show_metrics_of_several_thresholds(capsys):
    _, ours = pair(mlp(1, "sigmoid"))
    ours.compile("sgd", "binary_crossentropy", metrics=[{"Precision": {"thresholds": [0.3, 0.7]}}])
    ours.fit(floats(27, 5), classes(27, 2), verbose=2)
    ours.evaluate(floats(27, 5), classes(27, 2), verbose=2)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Epoch 1/1 - ") and " - loss: " in lines[0] and " - precision: [" in lines[0]
    assert lines[1].startswith("Evaluation - ") and len(lines) == 2
