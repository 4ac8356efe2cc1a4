"""Callbacks against Keras's, told the same story: what they stop, save, restore and write."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from spec_compiler.diagnostics import SpecError
from spec_compiler.runtime.callback_monitor import better
from spec_compiler.runtime.callbacks import (
    Callback,
    CallbackList,
    CSVLogger,
    EarlyStopping,
    History,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
    TerminateOnNaN,
)
from spec_compiler.specs.objects import resolve

STORIES = {
    "falls": [5.0, 4.0, 3.0, 2.5, 2.4, 2.35, 2.34, 2.339, 2.3389, 2.33889],
    "rises": [0.1, 0.3, 0.35, 0.5, 0.6, 0.7, 0.71, 0.72, 0.9, 0.95],
    "turns": [3.0, 2.0, 1.0, 1.5, 0.9, 1.2, 1.3, 1.4, 0.8, 1.5],
    "flat": [1.0] * 10,
    "nan": [1.0, math.nan, 0.5, math.nan, math.nan, 0.4, 0.45, 0.5, 0.6, 0.7],
}


class Model:
    """As much of a model as callbacks use; its weights are the number of epochs trained."""

    def __init__(self, optimizer=None):
        self.stop_training = False
        self.trained = 0
        self.saved = []
        self.optimizer = optimizer or SimpleNamespace(learning_rate=0.5)

    def get_weights(self):
        return [np.array(self.trained)]

    def set_weights(self, weights):
        self.trained = int(weights[0])

    def save(self, path, overwrite=True):
        self.saved.append(("model", str(path)))

    def save_weights(self, path, overwrite=True):
        self.saved.append(("weights", str(path)))


def tell(callback, story, model, name="val_loss", batches=0):
    """Run the epochs of a story until the callback stops them; the logs of each epoch as they end up."""
    callback.set_model(model)
    told = []
    callback.on_train_begin()
    for epoch, value in enumerate(story):
        callback.on_epoch_begin(epoch)
        for batch in range(batches):
            callback.on_train_batch_end(batch, {name: value, "loss": value})
        model.trained += 1
        logs = {name: value, "loss": value / 2}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            callback.on_epoch_end(epoch, logs)
        told.append(logs)
        if model.stop_training:
            break
    callback.on_train_end()
    return told


STOPPING = [
    {"monitor": "val_loss", "patience": patience, "min_delta": delta, "baseline": base, "restore_best_weights": restore}
    for patience, delta, base, restore in itertools.product((0, 1, 3), (0.0, 0.05, -0.05), (None, 1.1), (False, True))
]
STOPPING += [
    {"monitor": "val_loss", "mode": "max", "patience": 2},
    {"monitor": "val_loss", "patience": 1, "start_from_epoch": 4, "restore_best_weights": True},
    {"monitor": "missing_loss", "patience": 1, "mode": "min"},
]


@pytest.mark.parametrize("options", STOPPING, ids=str)
def test_early_stopping_matches_keras(options):
    for story in STORIES.values():
        ours, theirs = Model(), Model()
        callback, reference = EarlyStopping(**options), keras.callbacks.EarlyStopping(**options)
        assert len(tell(callback, story, ours)) == len(tell(reference, story, theirs))
        assert (ours.trained, ours.stop_training) == (theirs.trained, theirs.stop_training)
        state = ("wait", "stopped_epoch", "best", "best_epoch")
        np.testing.assert_equal([getattr(callback, s) for s in state], [getattr(reference, s) for s in state])


def test_early_stopping_starts_anew_with_each_training():
    callback = EarlyStopping(patience=1)
    assert [len(tell(callback, STORIES["flat"], Model())) for _ in range(2)] == [2, 2]


@pytest.mark.parametrize(
    "options",
    [
        {"factor": factor, "patience": patience, "cooldown": cooldown, "min_lr": low, "min_delta": delta}
        for factor, patience, cooldown, low, delta in itertools.product(
            (0.5, 0.1), (1, 2), (0, 2), (0.0, 0.2), (1e-4, 0.2)
        )
    ],
    ids=str,
)
def test_reducing_the_rate_matches_keras(options):
    for story in STORIES.values():
        ours, theirs = Model(), Model(keras.optimizers.SGD(0.5))
        got = tell(ReduceLROnPlateau(**options), story, ours)
        expected = tell(keras.callbacks.ReduceLROnPlateau(**options), story, theirs)
        np.testing.assert_allclose(
            [logs["learning_rate"] for logs in got], [logs["learning_rate"] for logs in expected], rtol=1e-6
        )
        assert ours.optimizer.learning_rate == pytest.approx(float(theirs.optimizer.learning_rate))


CHECKPOINTS = [
    {"filepath": "{epoch:02d}-{val_loss:.2f}.keras"},
    {"filepath": "best.keras", "save_best_only": True},
    {"filepath": "{epoch}.keras", "save_best_only": True, "mode": "max"},
    {"filepath": "{epoch}.keras", "save_best_only": True, "initial_value_threshold": 1.0},
    {"filepath": "{epoch}.weights.h5", "save_weights_only": True},
    {"filepath": "{epoch}-{batch}.keras", "save_freq": 5},
    {"filepath": "sub/{epoch}-{batch:03d}-{loss:.1e}.keras", "save_freq": 3, "save_best_only": True},
]


@pytest.mark.parametrize("options", CHECKPOINTS, ids=str)
def test_checkpoints_match_keras(options, tmp_path):
    options = {**options, "filepath": str(tmp_path / options["filepath"])}
    saved = []
    for story in ("falls", "turns", "rises"):
        ours, theirs = Model(), Model()
        tell(ModelCheckpoint(**options), STORIES[story], ours, batches=4)
        reference = keras.callbacks.ModelCheckpoint(**options)
        reference.set_model(theirs)
        if isinstance(options.get("save_freq"), int) and options.get("save_best_only"):
            reference._set_monitor_op()  # Keras forgets it until the end of the first epoch
        tell(reference, STORIES[story], theirs, batches=4)
        assert ours.saved == theirs.saved
        saved += ours.saved
    assert saved


@pytest.mark.parametrize("separator, append, validated", list(itertools.product(",;", (False, True), (False, True))))
def test_tables_are_those_of_keras(separator, append, validated, tmp_path):
    name = "val_loss" if validated else "accuracy"
    for callback, path in [(CSVLogger, "ours.csv"), (keras.callbacks.CSVLogger, "theirs.csv")]:
        for _ in range(2):
            tell(callback(str(tmp_path / path), separator=separator, append=append), STORIES["turns"], Model(), name)
    assert (tmp_path / "ours.csv").read_bytes() == (tmp_path / "theirs.csv").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ours.csv", "theirs.csv"]


def test_a_table_is_whole_after_every_epoch(tmp_path):
    path = tmp_path / "below" / "log.csv"
    logger = CSVLogger(path)
    logger.on_train_begin()
    for epoch in range(3):
        logger.on_epoch_end(epoch, {"loss": 0.5})
        assert len(path.read_text().splitlines()) == epoch + 2


def test_lists_in_a_table_are_those_of_keras(tmp_path):
    for callback, path in [(CSVLogger, "ours.csv"), (keras.callbacks.CSVLogger, "theirs.csv")]:
        logger = callback(str(tmp_path / path))
        logger.on_train_begin()
        logger.on_epoch_end(0, {"precision": [0.5, 0.25], "val_loss": 1.0})
        logger.on_train_end()
    assert (tmp_path / "ours.csv").read_bytes() == (tmp_path / "theirs.csv").read_bytes()


@pytest.mark.parametrize(
    "schedule", [lambda epoch: 0.1 / (epoch + 1), lambda epoch, rate: rate * 0.9], ids=["epoch", "rate"]
)
def test_scheduled_rates_match_keras(schedule):
    ours, theirs = Model(), Model(keras.optimizers.SGD(0.5))
    got = tell(LearningRateScheduler(schedule), STORIES["turns"], ours)
    expected = tell(keras.callbacks.LearningRateScheduler(schedule), STORIES["turns"], theirs)
    rates = [[logs["learning_rate"] for logs in told] for told in (got, expected)]
    np.testing.assert_allclose(*rates, rtol=1e-5)


def test_a_schedule_that_returns_no_number_is_refused():
    with pytest.raises(ValueError, match="must return a number, got None"):
        tell(LearningRateScheduler(lambda epoch: None), [1.0], Model())


def test_nan_stops_training(capsys):
    for value in (math.nan, math.inf, -math.inf):
        model = Model()
        callback = TerminateOnNaN()
        callback.set_model(model)
        callback.on_train_batch_end(2, {"loss": 1.0})
        assert not model.stop_training
        callback.on_train_batch_end(3, {"loss": value})
        assert model.stop_training
        assert capsys.readouterr().out == "Batch 3: Invalid loss, terminating training\n"
    with pytest.raises(RuntimeError, match="the loss of batch 3 is nan"):
        TerminateOnNaN(raise_error=True).on_train_batch_end(3, {"loss": math.nan})


@pytest.mark.parametrize(
    "name, direction",
    [
        ("val_loss", "down"),
        ("loss", "down"),
        ("digit_loss", "down"),
        ("val_digit_accuracy", "up"),
        ("acc", "up"),
        ("auc_1", "up"),
        ("val_mse", "down"),
        ("binary_crossentropy", "down"),
        ("slant_mean_absolute_error", "down"),
        ("top_k_categorical_accuracy", "up"),
    ],
)
def test_directions_follow_from_names(name, direction):
    assert better(name, {}) == direction


def test_a_direction_that_is_not_known_is_asked_for():
    callback = EarlyStopping(monitor="val_profit")
    callback.set_model(Model())
    with pytest.raises(ValueError, match="monitor='val_profit': give mode='max' or mode='min'"):
        callback.on_epoch_end(0, {"val_profit": 1.0})
    model = Model()
    model.metric_directions = {"profit": "up"}
    assert len(tell(EarlyStopping(monitor="val_profit"), STORIES["falls"], model, "val_profit")) == 2


def test_a_number_that_is_not_logged_is_said_to_be_missing():
    with pytest.warns(UserWarning, match="EarlyStopping watches 'val_loss', which is not in the logs; there are: loss"):
        EarlyStopping().on_epoch_end(0, {"loss": 1.0})


# Lists of callbacks


def recorder(*hooks):
    """A callback that defines these hooks and notes their calls."""

    def hook(name):
        return lambda self, *arguments: self.calls.append((name, *arguments))

    cls = type("Recorder", (Callback,), {name: hook(name) for name in hooks})
    callback = cls()
    callback.calls = []
    return callback


def test_a_list_tells_each_callback_what_it_defines():
    epochs, batches = recorder("on_epoch_end"), recorder("on_batch_end", "on_test_batch_end")
    model = Model()
    both = CallbackList([epochs, [batches]], model=model, epochs=2, steps=3)
    assert both.watches_batches and both.watches_test_batches and not both.watches_predict_batches
    both.on_train_batch_begin(0)
    both.on_train_batch_end(0, lambda: {"loss": 1.0})
    both.on_test_batch_end(1, {"loss": 2.0})
    both.on_epoch_end(0, {"loss": 3.0})
    assert batches.calls == [("on_batch_end", 0, {"loss": 1.0}), ("on_test_batch_end", 1, {"loss": 2.0})]
    assert epochs.calls == [("on_epoch_end", 0, {"loss": 3.0})]
    assert epochs.model is model and batches.params == {"epochs": 2, "steps": 3}


def test_a_list_without_hooks_of_batches_says_so():
    quiet = CallbackList([EarlyStopping(), ModelCheckpoint("a.keras"), History(), recorder("on_epoch_end")])
    assert not (quiet.watches_batches or quiet.watches_test_batches or quiet.watches_predict_batches)
    for loud in (TerminateOnNaN(), ModelCheckpoint("a.keras", save_freq=2), LambdaCallback(on_train_batch_end=print)):
        assert CallbackList([loud]).watches_batches


def test_numbers_are_read_only_for_those_who_need_them():
    read = []

    def logs():
        read.append(1)
        return {"loss": 1.0}

    lazy, eager = recorder("on_train_batch_end"), [recorder("on_train_batch_end") for _ in range(2)]
    lazy.watches_batches = True
    CallbackList([lazy]).on_train_batch_end(0, logs)
    assert read == [] and lazy.calls[0][2]() == {"loss": 1.0}
    read.clear()
    CallbackList([lazy, *eager]).on_train_batch_end(0, logs)
    assert len(read) == 1 and all(e.calls == [("on_train_batch_end", 0, {"loss": 1.0})] for e in eager)


def test_a_history_sees_what_other_callbacks_log():
    history, model = History(), Model()
    watch = CallbackList([history, ReduceLROnPlateau(patience=1, factor=0.5)], model=model)
    for epoch, value in enumerate([1.0, 1.0, 1.0]):
        watch.on_epoch_end(epoch, {"val_loss": value})
    assert history.history == {"val_loss": [1.0] * 3, "learning_rate": [0.5, 0.5, 0.25]}
    assert (history.epoch, model.history) == ([0, 1, 2], history)


def test_functions_become_hooks():
    seen = []
    callback = LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append((epoch, logs)), on_train_end=None)
    assert callback.hooks() == {"on_epoch_end"}
    CallbackList(callback).on_epoch_end(1, {"loss": 2.0})
    assert seen == [(1, {"loss": 2.0})]
    with pytest.raises(TypeError, match="no hook 'on_epoch'"):
        LambdaCallback(on_epoch=print)


@pytest.mark.parametrize(
    "given, message",
    [([EarlyStopping], r"write EarlyStopping\(\)"), (["EarlyStopping"], "got str"), ([None, 3], "got int")],
)
def test_what_is_no_callback_is_refused(given, message):
    with pytest.raises(TypeError, match=message):
        CallbackList(given)


# Stated in files


def test_callbacks_are_stated_by_name_and_arguments():
    assert resolve("callback", {"EarlyStopping": {"patience": 3}}) == EarlyStopping(patience=3)
    assert resolve("callback", "TerminateOnNaN") == TerminateOnNaN()
    assert repr(EarlyStopping("loss", patience=3)) == "EarlyStopping(monitor='loss', patience=3)"
    used = EarlyStopping(patience=1)
    tell(used, STORIES["flat"], Model())
    assert used == EarlyStopping(patience=1) and used.get_config() == EarlyStopping(patience=1).get_config()


@pytest.mark.parametrize(
    "path",
    ["../a.keras", "/etc/a.keras", "a/../../b.keras", "~/a.keras", "C:\\a.keras", "\\\\host\\a.keras", ".git/a.keras"],
)
def test_a_file_names_no_places_outside_the_working_directory(path):
    for name, field, ending in [("ModelCheckpoint", "filepath", ""), ("CSVLogger", "filename", ".csv")]:
        with pytest.raises(Exception, match="below the working directory"):
            resolve("callback", {name: {field: path + ending}})
    assert resolve("callback", {"ModelCheckpoint": {"filepath": "runs/{epoch}.keras"}}).filepath == "runs/{epoch}.keras"


@pytest.mark.parametrize("name", ["model.yaml", "run.py", "Makefile", "log.csv.sh"])
def test_a_file_writes_tables_only_to_table_files(name):
    with pytest.raises(Exception, match=r"may only name a \.csv"):
        resolve("callback", {"CSVLogger": {"filename": name}})


@pytest.mark.parametrize(
    "template",
    ["{epoch.__class__}", "{epoch!r}", "{0}", "{}", "{epoch[0]}", "{epoch:{epoch}}", "{epoch:99999d}", "{", "{a b}"],
)
def test_templates_hold_names_and_formats_only(template):
    with pytest.raises(SpecError, match=r"ModelCheckpoint\.filepath"):
        ModelCheckpoint(template + ".keras")


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: ModelCheckpoint("a.txt"), "ends in .keras or .h5"),
        (lambda: ModelCheckpoint("a.keras", save_weights_only=True), "ends in .weights.h5"),
        (lambda: ModelCheckpoint("a.keras", save_freq="batch"), "save_freq"),
        (lambda: EarlyStopping(mode="most"), "mode"),
        (lambda: EarlyStopping(patience=-1), "patience"),
        (lambda: ReduceLROnPlateau(factor=1.0), "factor"),
        (lambda: CSVLogger("a.csv", separator="::"), "separator"),
        (lambda: EarlyStopping(patient=1), "no argument 'patient'"),
    ],
)
def test_arguments_out_of_bounds_are_refused(make, message):
    with pytest.raises(SpecError, match=message):
        make()


def test_a_placeholder_that_is_not_logged_is_refused():
    checkpoint = ModelCheckpoint("{val_acc:.2f}.keras")
    checkpoint.set_model(Model())
    with pytest.raises(ValueError, match="there is no 'val_acc' in the logs; there are: epoch, loss"):
        checkpoint.on_epoch_end(0, {"loss": 1.0})


def test_importing_callbacks_loads_no_torch():
    code = "import sys, spec_compiler.runtime.callbacks; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0
