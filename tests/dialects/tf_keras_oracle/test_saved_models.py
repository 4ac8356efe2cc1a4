"""SavedModels that tf_keras writes: what is read of them is what is read of its `to_json`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spec_compiler.dialects.write import to_dict
from spec_compiler.loading import load_spec, parse_spec, validate

tf_keras = pytest.importorskip("tf_keras")
pytestmark = pytest.mark.slow

K, L = tf_keras, tf_keras.layers


def sequential() -> Any:
    return K.Sequential([L.Input((9, 3)), L.Conv1D(4, 3, strides=2), L.Permute((2, 1)), L.Reshape((-1,)), L.Dense(2)])


def functional() -> Any:
    x = L.Input((9, 8, 3), name="image")
    y = L.ZeroPadding2D(((1, 2), (0, 1)))(x)
    y = L.BatchNormalization()(L.Conv2D(4, (3, 2), padding="same", activation="relu")(y))
    y = L.Reshape((-1, 4))(L.MaxPooling2D((2, 1))(y))
    y = L.Bidirectional(L.LSTM(3, return_sequences=True))(y)[:, 1:]
    z = L.RNN([L.LSTMCell(3), L.GRUCell(2)])(y * 2.0)
    return K.Model(x, [z, L.GlobalAveragePooling1D()(y)])


def nested() -> Any:
    inner = K.Sequential([L.Input((4,)), L.Dense(4)], name="inner")
    x = L.Input((4,))
    return K.Model({"x": x}, {"sum": L.Add()([inner(inner(x)), x])})


def without_input() -> Any:
    model = K.Sequential([L.Dense(4), L.Dense(2)])
    model.build((None, 3))
    model.compile(K.optimizers.SGD(0.25, momentum=0.5), "mse", metrics=["mae"])
    return model


MODELS: list[Callable[[], Any]] = [sequential, functional, nested, without_input]


@pytest.mark.parametrize("make", MODELS)
def test_saved_model_is_read_as_its_json_is(make: Callable[[], Any], tmp_path: Path) -> None:
    model = make()
    model.save(tmp_path / "model", save_format="tf")
    saved = tmp_path / "model"
    assert str(validate(saved)) == ""
    found = to_dict(load_spec(saved), "keras2")
    assert found == to_dict(load_spec(saved / "keras_metadata.pb"), "keras2")
    assert found == to_dict(parse_spec(model.to_json()), "keras2")
    if model.optimizer is not None:
        training = load_spec(saved).training
        assert training is not None
        assert repr(training.optimizer) == "SGD(learning_rate=0.25, momentum=0.5, name='SGD')"
        assert (training.loss, training.metrics) == ("mse", ["mean_absolute_error"])


def test_layer_of_somebodys_own_is_named(tmp_path: Path) -> None:
    class Mine(L.Layer):  # type: ignore[misc, name-defined]
        def call(self, x: Any) -> Any:
            return x * 2.0

    K.Sequential([L.Input((4,)), Mine(name="mine"), L.Dense(3)]).save(tmp_path / "model", save_format="tf")
    report = str(validate(tmp_path / "model"))
    assert report.startswith(f"{tmp_path}/model/keras_metadata.pb!root:1:") and "unknown layer 'Mine' [SC110]" in report


def test_model_of_somebodys_own_class_is_named(tmp_path: Path) -> None:
    class Mine(K.Model):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.dense = L.Dense(2)

        def call(self, x: Any) -> Any:
            return self.dense(x)

    model = Mine()
    model.build((1, 3))
    model.compute_output_shape((1, 3))
    model.save(tmp_path / "model", save_format="tf")
    assert "unknown model 'Mine' [SC110]" in str(validate(tmp_path / "model"))
