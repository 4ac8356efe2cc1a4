"""What wrong calls of a model say: the argument or input, what was expected, and what came."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from spec_compiler import Input, Model, Sequential, SpecError, layers, losses, optimizers

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(20, 8)).astype("float32"), rng.normal(size=(20, 2)).astype("float32")


def regression() -> Model:
    model = Sequential([Input((8,), name="x"), layers.Dense(2, name="y")])
    model.compile("sgd", "mse")
    return model


def classifier() -> Model:
    model = Sequential([Input((8,), name="x"), layers.Dense(3, activation="softmax", name="y")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


CALLS = {
    "one sample": (lambda m: m.predict(X[0]), "takes arrays of shape (None, 8), got (8,)"),
    "too few": (lambda m: m.predict(X[:, :3]), "input 'x' takes arrays of shape (None, 8), got (20, 3)"),
    "strings": (lambda m: m.predict(X.astype(str)), "input 'x' holds strings, not numbers"),
    "objects": (lambda m: m.predict(X.astype(object)), "input 'x' holds objects, not numbers"),
    "complex": (lambda m: m.predict(X.astype(complex)), "input 'x' holds complex numbers, not real ones"),
    "ragged": (lambda m: m.predict([[1.0] * 8, [1.0] * 7]), "input 'x' cannot be made an array"),
    "nothing": (lambda m: m.predict(None), "input 'x' is missing: x is None"),
    "no samples": (lambda m: m.predict(X[:0]), "input 'x' is empty: its shape is (0, 8)"),
    "another name": (lambda m: m.predict({"z": X}), "the model has no input 'z', only input 'x'"),
    "two": (lambda m: m.predict([X, X]), "the model takes one array for input 'x', got 2 arrays"),
    "no batch": (lambda m: m.predict(iter([])), "x gave no batch"),
    "unequal": (lambda m: m.fit(X, Y[:5]), "different numbers of samples: input 'x' 20, target 'y' 5"),
    "no target": (lambda m: m.fit(X), "y is missing"),
    "narrow target": (lambda m: m.fit(X, Y[:, :1]), "predictions of shape (20, 2), targets of shape (20, 1)"),
    "weights": (lambda m: m.fit(X, Y, sample_weight=np.ones(3)), "sample_weight 3"),
    "epochs": (lambda m: m.fit(X, Y, epochs="3"), "epochs is a whole number, got '3'"),
    "negative": (lambda m: m.fit(X, Y, epochs=-1), "epochs is a whole number, got -1"),
    "batch size": (lambda m: m.fit(X, Y, batch_size=0), "batch_size is a whole number of at least 1, got 0"),
    "split": (lambda m: m.fit(X, Y, validation_split=1.5), "validation_split=1.5 of 20 samples leaves nothing"),
    "validation": (lambda m: m.fit(X, Y, validation_data=(X[:, :2], Y)), "validation_data: input 'x' takes"),
    "validation 2": (lambda m: m.fit(X, Y, validation_data=iter([(X, X)])), "predictions of shape (20, 2)"),
    "empty generator": (lambda m: m.fit(iter([])), "x gave no batch"),
    "read generator": (lambda m: m.fit(X, Y, epochs=2, validation_data=iter([(X, Y)])), "to evaluate on gave no batch"),
    "wide batch": (lambda m: m.fit(iter([(X, Y, X, X)])), "batch 1 is x, (x, y) or (x, y, sample_weight), got 4 items"),
    "torch's optimizer": (
        lambda m: m.compile(torch.optim.SGD(m.module.parameters(), 0.1), "mse"),
        "SGD of torch's kind holds parameters",
    ),
}


@pytest.mark.parametrize("case", CALLS)
def test_wrong_call_says_what_was_expected_and_what_came(case):
    call, said = CALLS[case]
    with pytest.raises(SpecError) as caught:
        call(regression())
    assert said in str(caught.value)


@pytest.mark.parametrize("value", [7, -1])
def test_classes_beyond_the_predictions_are_named(value):
    with pytest.raises(SpecError, match=f"'y' has 3 classes, numbered from 0 to 2, and its target holds {value}"):
        classifier().fit(X, np.full(20, value))


def token_model() -> Model:
    ids, other = Input((5,), dtype="int32", name="ids"), Input((None, 3), name="other")
    x = layers.Concatenate(axis=1)([layers.Embedding(10, 3, name="table")(ids), other])
    model = Model([ids, other], layers.GlobalMaxPooling1D()(layers.MaxPooling1D(6)(x)))
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize("value", [10, -1])
@pytest.mark.parametrize("call", ["predict", "evaluate", "__call__"])
def test_ids_beyond_the_embedding_are_named(call, value):
    x, y = [np.full((2, 5), value), np.zeros((2, 4, 3))], np.zeros((2, 3))
    given = {"predict": (x,), "evaluate": (x, y), "__call__": x}[call]
    with pytest.raises(SpecError, match=f"input 'ids' holds {value}, and layer 'table' knows ids from 0 to 9"):
        getattr(token_model(), call)(*given)


def test_open_sizes_that_a_layer_cannot_take_are_shown():
    with pytest.raises(SpecError, match=r"'ids' \(2, 5\), 'other' \(2, 0, 3\)"):
        token_model().predict([np.zeros((2, 5)), np.zeros((2, 0, 3))], verbose=0)


def test_generator_that_ends_early_ends_training():
    model = regression()
    with pytest.warns(RuntimeWarning, match="ended after 2 of 5 steps in epoch 1"):
        history = model.fit(((X, Y) for _ in range(2)), steps_per_epoch=5, epochs=3, verbose=0)
    assert history.epoch == [0] and np.isfinite(history.history["loss"]).all()


def test_stopping_in_an_epoch_is_no_end_of_the_data():
    from spec_compiler.callbacks import LambdaCallback

    model = regression()

    def stop(batch, logs):
        model.stop_training = True

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        history = model.fit(X, Y, 4, steps_per_epoch=3, callbacks=[LambdaCallback(on_train_batch_end=stop)], verbose=0)
    assert history.epoch == [0]


def test_classes_stand_for_objects_of_their_defaults():
    model = regression()
    model.compile(optimizers.SGD, losses.MeanAbsoluteError)
    expected = regression()
    expected.set_weights(model.get_weights())
    expected.compile("sgd", "mae")
    assert model.evaluate(X, Y, verbose=0) == expected.evaluate(X, Y, verbose=0)
