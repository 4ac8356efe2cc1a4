"""Axes in documents of Keras 1: those of kernels, which lay otherwise then, and those that layers left unsaid."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from spec_compiler import load_spec, validate_text
from spec_compiler.models import Model, model_from_json
from spec_compiler.optimizers import SGD

rng = np.random.default_rng(0)


def document(*layers: tuple[str, dict[str, Any]], shape: list[int], version: str | None = "1.2.2") -> str:
    config = [{"class_name": name, "config": dict(one)} for name, one in layers]
    config[0]["config"] |= {"batch_input_shape": [None, *shape], "input_dtype": "float32"}
    stated = {} if version is None else {"keras_version": version}
    return json.dumps({"class_name": "Sequential", "config": config, **stated})


def projected(model: Model) -> list[np.ndarray]:
    """The weights after a step that does nothing but hold the constraints."""
    model.compile(optimizer=SGD(0.0), loss="mse")
    shape = [2, *model.input_shape[1:]]
    model.train_on_batch(np.zeros(shape, "float32"), np.zeros([2, *model.output_shape[1:]], "float32"))
    return model.get_weights()


def shortened(kernel: np.ndarray, axis: Any, limit: float) -> np.ndarray:
    """Keras 1's MaxNorm, of a kernel in Keras 1's layout."""
    norms = np.sqrt((kernel**2).sum(axis=tuple(axis) if isinstance(axis, list) else axis, keepdims=True))
    return kernel * np.clip(norms, 0, limit) / (1e-7 + norms)


CONVOLUTION = {"name": "c", "nb_filter": 4, "border_mode": "valid"}
SIDES = {"nb_row": 2, "nb_col": 3}
# class, arguments, input, today's kernel, which of its axes stands where in Keras 1's, the place of the axis of length 1
LAYOUTS: dict[str, tuple[str, dict[str, Any], list[int], list[int], tuple[int, ...], int | None]] = {
    "th": ("Convolution2D", {**SIDES, "dim_ordering": "th"}, [5, 6, 7], [2, 3, 5, 4], (3, 2, 0, 1), None),
    "tf": ("Convolution2D", {**SIDES, "dim_ordering": "tf"}, [6, 7, 5], [2, 3, 5, 4], (0, 1, 2, 3), None),
    "3d th": ("Convolution3D", {"kernel_dim1": 2, "kernel_dim2": 3, "kernel_dim3": 1, "dim_ordering": "th"},
              [5, 4, 4, 4], [2, 3, 1, 5, 4], (4, 3, 0, 1, 2), None),
    "deconvolution th": ("Deconvolution2D", {**SIDES, "dim_ordering": "th", "output_shape": [None, 4, 7, 9]},
                         [5, 6, 7], [2, 3, 4, 5], (2, 3, 0, 1), None),
    "deconvolution tf": ("Deconvolution2D", {**SIDES, "dim_ordering": "tf", "output_shape": [None, 7, 9, 4]},
                         [6, 7, 5], [2, 3, 4, 5], (0, 1, 3, 2), None),
    "1d": ("Convolution1D", {"filter_length": 3}, [6, 5], [3, 5, 4], (0, 1, 2), 1),
    "1d of 1.0": ("Convolution1D", {"filter_length": 3}, [6, 5], [3, 5, 4], (2, 1, 0), 3),
}  # fmt: skip


@pytest.mark.parametrize("axis", [0, 2, -3, [1, 2], [0, 1, 2], [1, 2, 3], [-1, 0]])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_norms_go_along_the_axes_of_the_kernel_as_keras_1_kept_it(layout: str, axis: Any) -> None:
    name, arguments, shape, size, order, single = LAYOUTS[layout]
    version = "1.0.8" if layout == "1d of 1.0" else "1.2.2"
    constraint = {"name": "MaxNorm", "m": 0.7, "axis": axis}
    text = document((name, {**CONVOLUTION, **arguments, "W_constraint": constraint}), shape=shape, version=version)
    if single is not None and axis in (single, single - 4):
        assert f"a norm over axis {axis}, where the kernel has length 1" in str(validate_text(text))
        return
    model = model_from_json(text)
    kernel = rng.standard_normal(size).astype("float32")
    model.set_weights([kernel, np.zeros(4, "float32")])
    old = kernel.transpose(order)
    if single is not None:
        old = np.expand_dims(old, single)
    expected = shortened(old, axis, 0.7)
    if single is not None:
        expected = expected.squeeze(single)
    np.testing.assert_allclose(projected(model)[0], expected.transpose(np.argsort(order)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("ordering", ["th", "tf"])
@pytest.mark.parametrize("stated", [{}, {"axis": 0}])
def test_a_norm_without_an_axis_goes_along_the_first(ordering: str, stated: dict[str, int]) -> None:
    constraint = {"name": "MaxNorm", "m": 0.5, **stated}
    arguments = {**CONVOLUTION, **SIDES, "dim_ordering": ordering, "W_constraint": constraint}
    model = model_from_json(document(("Convolution2D", arguments), shape=[5, 6, 7]))
    kernel = rng.standard_normal(model.get_weights()[0].shape).astype("float32")
    model.set_weights([kernel, np.zeros(4, "float32")])
    expected = shortened(kernel, 3 if ordering == "th" else 0, 0.5)
    np.testing.assert_allclose(projected(model)[0], expected, rtol=1e-5, atol=1e-6)


def test_separable_kernels_under_theano_order() -> None:
    arguments = {**CONVOLUTION, **SIDES, "dim_ordering": "th", "depth_multiplier": 2,
                 "depthwise_constraint": {"name": "MaxNorm", "m": 0.5, "axis": 0},
                 "pointwise_constraint": {"name": "UnitNorm", "axis": [1, 2, 3]}}  # fmt: skip
    model = model_from_json(document(("SeparableConvolution2D", arguments), shape=[5, 6, 7]))
    depthwise, pointwise = (rng.standard_normal(size).astype("float32") for size in [(2, 3, 5, 2), (1, 1, 10, 4)])
    model.set_weights([depthwise, pointwise, np.zeros(4, "float32")])
    found = projected(model)
    np.testing.assert_allclose(found[0], shortened(depthwise, 3, 0.5), rtol=1e-5, atol=1e-6)
    norms = np.sqrt((pointwise**2).sum((0, 1, 2), keepdims=True))
    np.testing.assert_allclose(found[1], pointwise / norms, rtol=1e-5, atol=1e-6)


SILENT = {
    "SpatialDropout2D": {"p": 0.5},
    "UpSampling2D": {"size": [2, 3]},
    "ZeroPadding2D": {"padding": [1, 2]},
    "Cropping2D": {"cropping": [[1, 0], [0, 2]]},
}


@pytest.mark.parametrize("name", SILENT)
@pytest.mark.parametrize(
    ("version", "neighbour", "expected"),
    [
        ("1.2.2", "th", "channels_first"),
        ("1.2.2", "tf", "channels_last"),
        # Keras's own default was Theano's order until 1.0.
        ("1.0.8", None, "channels_first"),
        ("1.1.0", None, "channels_last"),
        (None, None, "channels_last"),
    ],
)
def test_an_order_that_is_not_stated(name: str, version: str | None, neighbour: str | None, expected: str) -> None:
    layers = [(name, {"name": "silent", "trainable": True, **SILENT[name]})]
    if neighbour is not None:
        layers.insert(0, ("MaxPooling2D", {"name": "p", "pool_size": [1, 1], "dim_ordering": neighbour}))
    else:
        layers.append(("Dense", {"name": "d", "output_dim": 2, "init": "uniform"}))
    spec = load_spec(json.loads(document(*layers, shape=[6, 6, 6], version=version)))
    assert next(layer for layer in spec.layers if layer.name == "silent").data_format == expected


def test_spatial_dropout_drops_whole_maps_in_the_order_of_the_model() -> None:
    layers = [
        ("MaxPooling2D", {"name": "p", "pool_size": [1, 1], "dim_ordering": "th"}),
        ("SpatialDropout2D", {"name": "d", "p": 0.5}),
    ]
    model = model_from_json(document(*layers, shape=[40, 3, 2]))
    y = model(np.ones((4, 40, 3, 2), "float32"), training=True).numpy()
    assert set(np.unique(y)) == {0.0, 2.0}
    assert (y == y[:, :, :1, :1]).all()


@pytest.mark.parametrize(
    ("name", "padding", "expected"),
    [
        ("ZeroPadding1D", {"left_pad": 2}, ((2, 0),)),
        ("ZeroPadding1D", {"left_pad": 1, "right_pad": 3}, ((1, 3),)),
        ("ZeroPadding2D", {"top_pad": 1, "left_pad": 2}, ((1, 0), (2, 0))),
        ("ZeroPadding2D", {"bottom_pad": 1, "right_pad": 2, "left_pad": 3}, ((0, 1), (3, 2))),
        ("ZeroPadding2D", {}, ((0, 0), (0, 0))),
        ("ZeroPadding2D", [1, 2, 3, 4], ((1, 2), (3, 4))),
    ],
)
def test_padding_by_side(name: str, padding: Any, expected: tuple[tuple[int, int], ...]) -> None:
    shape = [4, 3] if name == "ZeroPadding1D" else [4, 5, 3]
    text = document(
        (name, {"name": "p", "padding": padding}), ("Dense", {"name": "d", "output_dim": 2, "bias": False}), shape=shape
    )
    model = model_from_json(text)
    kernel = rng.standard_normal((3, 2)).astype("float32")
    model.set_weights([kernel])
    x = rng.standard_normal((2, *shape)).astype("float32")
    y = np.pad(x, [(0, 0), *expected, (0, 0)]) @ kernel
    np.testing.assert_allclose(model.predict(x, verbose=0), y, rtol=1e-5, atol=1e-6)


def test_a_side_that_is_none_is_reported() -> None:
    text = document(
        ("ZeroPadding2D", {"name": "p", "padding": {"top": 1}}),
        ("Dense", {"name": "d", "output_dim": 2}),
        shape=[4, 5, 3],
    )
    assert "SC104" in str(validate_text(text))


def test_kernels_turned_round_can_be_set() -> None:
    # As kernels trained under Theano are, whose convolution turns them.
    arguments = {**CONVOLUTION, **SIDES, "dim_ordering": "th"}
    model = model_from_json(document(("Convolution2D", arguments), shape=[5, 6, 7]))
    theano, bias = rng.standard_normal((4, 5, 2, 3)).astype("float32"), rng.standard_normal(4).astype("float32")
    model.set_weights([theano[:, :, ::-1, ::-1].transpose(2, 3, 1, 0), bias])
    x = rng.standard_normal((2, 5, 6, 7)).astype("float32")
    y = np.zeros((2, 4, 5, 5)) + bias[:, None, None]
    for i in range(2):
        for j in range(3):
            # A true convolution: the kernel's last row meets the window's first.
            y += np.einsum("bcij,fc->bfij", x[:, :, i : i + 5, j : j + 5], theano[:, :, 1 - i, 2 - j])
    np.testing.assert_allclose(model.predict(x, verbose=0), y, rtol=1e-5, atol=1e-5)


# class, arguments, whether Theano laid the windows elsewhere: measured under Theano 1.0.5, Keras 1.2.2
WINDOWS: list[tuple[str, dict[str, Any], bool]] = [
    ("Convolution2D", {"nb_row": 3, "nb_col": 3, "subsample": [1, 1]}, False),
    ("Convolution2D", {"nb_row": 3, "nb_col": 3, "subsample": [2, 3]}, True),
    ("Convolution2D", {"nb_row": 2, "nb_col": 4, "subsample": [1, 1]}, True),
    ("Convolution2D", {"nb_row": 3, "nb_col": 4, "subsample": [1, 1]}, True),
    ("MaxPooling2D", {"pool_size": [2, 2], "strides": None}, True),
    ("MaxPooling2D", {"pool_size": [3, 3], "strides": [1, 1]}, False),
    ("AveragePooling2D", {"pool_size": [2, 2], "strides": [1, 1]}, True),
    ("AveragePooling2D", {"pool_size": [3, 3], "strides": [3, 3]}, True),
    ("MaxPooling3D", {"pool_size": [2, 3, 2]}, True),
]


@pytest.mark.parametrize(("name", "arguments", "elsewhere"), WINDOWS)
@pytest.mark.parametrize("ordering", ["th", "tf"])
@pytest.mark.parametrize("mode", ["same", "valid"])
def test_windows_that_theano_laid_elsewhere_are_warned_of(
    name: str, arguments: dict[str, Any], elsewhere: bool, ordering: str, mode: str
) -> None:
    arguments = {"name": "w", "border_mode": mode, "dim_ordering": ordering, **arguments}
    if name == "Convolution2D":
        arguments["nb_filter"] = 4
    shape = [6, 6, 6] if name.endswith("2D") else [6, 6, 6, 6]
    report = validate_text(document((name, arguments), shape=shape))
    assert report.ok
    warned = [found.code.id for found in report.warnings]
    assert warned == (["SC114"] if elsewhere and ordering == "th" and mode == "same" else [])


def test_a_warning_of_windows_stands_at_the_mode() -> None:
    arguments = {"name": "w", "border_mode": "same", "dim_ordering": "th", "pool_size": [2, 2]}
    text = document(("MaxPooling2D", arguments), shape=[6, 6, 6])
    [warning] = validate_text(text).warnings
    assert warning.span is not None
    assert text[warning.span.column - 1 :].startswith('"same"')
