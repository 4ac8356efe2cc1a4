"""The names, arguments and defaults of Keras 3's training API, held to Keras itself; what differs is stated here."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import keras
import pytest

import spec_compiler
from spec_compiler import models

STATE = "name trainable built layers inputs outputs input_shape output_shape optimizer stop_training weights"
METHODS = (
    "get_layer get_weights set_weights get_config from_config to_json count_params summary compile compile_from_config "
    "get_compile_config fit evaluate predict train_on_batch test_on_batch predict_on_batch save save_weights load_weights "
    "export build"
)
"""What of keras.Model there is. Beyond it are subclassing, quantization, distribution, and what is torch's: `.module`."""

MODEL_DIFFERENCES = {
    "export": "torch's format alone",
    "load_weights": "weights of another model are refused, whatever `skip_mismatch` would say",
    "save": "one file, always zipped in its own way",
    "save_weights": "one file, never in shards",
    "to_json": "`dialect`",
}


def parameters(thing: Any) -> list[tuple[str, Any]]:
    found = inspect.signature(thing).parameters.values()
    return [(p.name, comparable(p.default)) for p in found if p.name not in ("self", "cls", "kwargs")]


def comparable(default: Any) -> Any:
    if default is inspect.Parameter.empty:
        return "required"
    if isinstance(default, tuple) and len(default) == 1:
        (default,) = default
    return float(default) if isinstance(default, int) and not isinstance(default, bool) else default


@pytest.mark.parametrize("kind", ["functional", "sequential"])
def test_models_have_the_state_of_keras(kind):
    theirs, ours = (made(module, kind) for module in (keras, spec_compiler))
    for name in [*STATE.split(), "trainable_weights", "non_trainable_weights"]:
        assert hasattr(theirs, name), name
        expected, found = getattr(theirs, name), getattr(ours, name)
        if isinstance(expected, (bool, str, tuple)) and name != "name":
            assert found == expected, name
        if isinstance(expected, list):
            assert len(found) == len(expected), name
    for found, expected in zip(ours.weights, theirs.weights, strict=True):
        assert (found.name, found.shape, found.dtype) == (expected.name, tuple(expected.shape), expected.dtype)
        assert found.numpy().shape == expected.numpy().shape


def made(module: Any, kind: str) -> Any:
    """The same model, made with Keras or with this package."""
    layers = [module.layers.Dense(3), module.layers.BatchNormalization(), module.layers.Dense(2, trainable=False)]
    if kind == "sequential":
        model = module.Sequential([module.Input((4,)), *layers])
    else:
        x = y = module.Input((4,))
        for layer in layers:
            y = layer(y)
        model = module.Model(x, y)
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize("name", METHODS.split())
@pytest.mark.parametrize("kind", ["Model", "Sequential"])
def test_method_takes_what_keras_takes(kind, name):
    theirs, ours = getattr(getattr(keras, kind), name), getattr(getattr(models, kind), name)
    same = parameters(ours) == parameters(theirs)
    if (kind, name) == ("Model", "build"):
        return  # Keras requires the shape here, and ignores it
    assert same == (name not in MODEL_DIFFERENCES), (parameters(ours), MODEL_DIFFERENCES.get(name))


@pytest.mark.parametrize("name", ["add", "pop"])
def test_sequential_takes_what_keras_takes(name):
    assert parameters(getattr(models.Sequential, name)) == parameters(getattr(keras.Sequential, name))


@pytest.mark.parametrize("name", ["model_from_json"])
def test_readers_take_what_keras_takes(name):
    assert parameters(getattr(models, name)) == parameters(getattr(keras.models, name))


LATER = {
    "losses": "CTC Circle ctc circle",
    "metrics": "BinaryIoU ConcordanceCorrelation F1Score FBetaScore IoU MeanIoU MeanMetricWrapper OneHotIoU OneHotMeanIoU "
    "PearsonCorrelation PrecisionAtRecall R2Score RecallAtPrecision SensitivityAtSpecificity SpecificityAtSensitivity "
    "concordance_correlation pearson_correlation",
    "optimizers": "Adafactor Lamb LossScaleOptimizer MultiOptimizer Muon OptimizerMap ScheduleFreeAdamW legacy",
    "initializers": "Initializer",
    "regularizers": "Regularizer",
    "constraints": "Constraint",
    "callbacks": "BackupAndRestore OrbaxCheckpoint ProgbarLogger RemoteMonitor SwapEMAWeights TensorBoard",
}
"""What of each module there is not (yet): a name that comes to be is taken out here."""

DIFFERENCES = {
    "CallbackList": "no `add_progbar`: `verbose` is given to fit()",
    "categorical_generalized_cross_entropy": "`q` has the default of the class",
    "Optimizer": "states what all optimizers take",
    "get": "says what argument it was given for",
    "deserialize": "closed tables: no `custom_objects`",
    "serialize": "the argument's name",
}

NAMES = [
    (module, name)
    for module in LATER
    for name in dir(importlib.import_module(f"keras.{module}"))
    if not name.startswith("_") and name != "schedules"
]


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_name_and_arguments_are_those_of_keras(module, name):
    ours = getattr(spec_compiler, module)
    assert hasattr(ours, name) == (name not in LATER[module].split())
    theirs = getattr(importlib.import_module(f"keras.{module}"), name)
    if hasattr(ours, name) and name not in DIFFERENCES:
        # Objects here state the dtype that None stands for.
        expected = [
            ("dtype", "float32") if p == ("dtype", None) and name[0].isupper() else p for p in parameters(theirs)
        ]
        found = [
            ("dtype", "float32") if p == ("dtype", None) and name[0].isupper() else p
            for p in parameters(getattr(ours, name))
        ]
        assert found == expected


@pytest.mark.parametrize(
    "name", [n for n in dir(keras.optimizers.schedules) if n[0].isupper() and n != "LearningRateSchedule"]
)
def test_schedule_takes_what_keras_takes(name):
    theirs, ours = getattr(keras.optimizers.schedules, name), getattr(spec_compiler.optimizers.schedules, name)
    assert parameters(ours) == parameters(theirs)


@pytest.mark.parametrize(
    "name", ["Model", "Sequential", "Input", "layers", "losses", "metrics", "optimizers", "callbacks"]
)
def test_tutorials_find_their_names(name):
    assert hasattr(keras, name) and hasattr(spec_compiler, name)
