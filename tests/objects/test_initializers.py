"""Initializers: their configs and their draws, against Keras's."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import product
from typing import Any

import keras
import numpy as np
import pytest
import torch
from keras.src.initializers import ALL_OBJECTS_DICT
from keras.src.initializers.random_initializers import compute_fans

from spec_compiler.diagnostics import SpecError
from spec_compiler.lowering.initializers import initialize
from spec_compiler.lowering.windows import window
from spec_compiler.specs import initializers, objects, registry
from spec_compiler.specs.initializers.base import Initializer
from spec_compiler.specs.initializers.constant import Constant, Ones, Zeros
from spec_compiler.specs.initializers.fans import GlorotUniform, fans
from spec_compiler.specs.initializers.matrices import Identity, Orthogonal
from spec_compiler.specs.initializers.random import RandomNormal, RandomUniform, TruncatedNormal
from spec_compiler.specs.initializers.scaling import HeNormal, LecunNormal, VarianceScaling
from spec_compiler.specs.initializers.spectral import STFT, WINDOWS
from spec_compiler.specs.serialization import serialize
from spec_compiler.specs.shapes import ShapeError

ARGUMENTS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in initializers.__all__),
    ("Constant", {"value": -2.5}),
    ("Constant", {"value": 3}),
    ("Constant", {"value": [[1.0, 2.0]]}),
    ("Constant", {"value": np.arange(6, dtype="float32").reshape(2, 3)}),
    ("RandomNormal", {"mean": 0.3, "stddev": 0.2, "seed": 7}),
    ("TruncatedNormal", {"mean": 0.3, "stddev": 0.2, "seed": 7}),
    ("RandomUniform", {"minval": -0.2, "maxval": 0.7, "seed": -1}),
    ("GlorotUniform", {"seed": 3, "input_axes": [0], "output_axes": [1, 2]}),
    ("VarianceScaling", {"scale": 0.5, "mode": "fan_avg", "distribution": "uniform", "seed": 1}),
    ("VarianceScaling", {"scale": 2, "mode": "fan_out", "distribution": "Normal"}),
    ("Orthogonal", {"gain": 1.5, "seed": 0}),
    ("STFT", {"side": "imag", "window": None, "scaling": None, "periodic": True}),
    ("STFT", {"window": [0.5, 1.0, 0.5], "scaling": "spectrum"}),
]


def in_keras(init: Initializer, **changed: Any) -> Any:
    return keras.initializers.deserialize({"class_name": type(init).__name__, "config": init.get_config() | changed})


@pytest.mark.parametrize(("name", "arguments"), ARGUMENTS)
def test_config_is_that_of_keras(name: str, arguments: dict[str, Any]) -> None:
    if name == "STFT":
        pytest.importorskip("scipy")
    ours = getattr(initializers, name)(**arguments)
    assert ours.get_config() == getattr(keras.initializers, name)(**arguments).get_config()
    written = json.loads(json.dumps(serialize(ours)))
    assert objects.resolve("initializer", written) == ours
    assert keras.initializers.deserialize(written).get_config() == ours.get_config()


def test_identity_writes_the_gain_that_keras_loses() -> None:
    assert Identity(2.0).get_config() == {"gain": 2.0}
    assert Identity.from_config({}).gain == 1.0


@pytest.mark.parametrize("name", sorted(set(ALL_OBJECTS_DICT) - {"Initializer", "initializer"}))
def test_names_stand_for_the_classes_that_keras_means(name: str) -> None:
    found = registry.find("initializer", name)
    assert found is not None
    assert found.__name__ == ALL_OBJECTS_DICT[name].__name__


@pytest.mark.parametrize("name", ["Initializer", "FanScaling", "fans", "SHORT_NAMES", "os.system", "zeros "])
def test_nothing_else_is_found_by_name(name: str) -> None:
    assert registry.find("initializer", name) is None


@pytest.mark.parametrize(
    ("name", "arguments", "field"),
    [
        ("VarianceScaling", {"scale": 0}, "scale"),
        ("VarianceScaling", {"mode": "fan"}, "mode"),
        ("VarianceScaling", {"distribution": "gamma"}, "distribution"),
        ("VarianceScaling", {"input_axes": 0}, "input_axes"),
        ("RandomNormal", {"stddev": -1}, "stddev"),
        ("RandomNormal", {"seed": "1"}, "seed"),
        ("RandomNormal", {"seed": True}, "seed"),
        ("RandomUniform", {"minval": float("nan")}, "minval"),
        ("Constant", {"value": 10**400}, "value"),
        ("Constant", {"value": float("inf")}, "value"),
        ("Constant", {"value": [[1.0], [2.0, 3.0]]}, "value"),
        ("Constant", {"value": [[[[[[[[[1]]]]]]]]]}, "value"),
        ("Constant", {"value": {"class_name": "__lambda__", "config": {"value": 1}}}, "value"),
        ("STFT", {"window": "kaiser"}, "window"),
        ("STFT", {"window": [[1.0]]}, "window"),
        ("STFT", {"side": "both"}, "side"),
        ("Zeros", {"gain": 1}, "gain"),
    ],
)
def test_faults_name_the_argument(name: str, arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(SpecError, match=field):
        getattr(initializers, name)(**arguments)


SHAPES = [(), (5,), (4, 6), (7, 3, 4), (3, 5, 2, 8), (2, 3, 2, 4, 3)]
AXES = [(None, None), ((0,), (1,)), ((-2,), (0, -1)), ((0,), None)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("input_axes", "output_axes"), AXES)
def test_fans_match_keras(shape: tuple[int, ...], input_axes: Any, output_axes: Any) -> None:
    init = GlorotUniform(input_axes=input_axes, output_axes=output_axes)
    if input_axes and output_axes and len(shape) < 2:
        with pytest.raises(ShapeError):
            init.check_shape(shape)
    else:
        assert fans(init, shape) == compute_fans(shape, input_axes, output_axes)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32"])
@pytest.mark.parametrize("init", [Zeros(), Ones(), Constant(-3.0), Constant(2)], ids=repr)
def test_constants_match_keras(init: Initializer, dtype: str, shape: tuple[int, ...]) -> None:
    ours = initialize(init, shape, getattr(torch, dtype))
    theirs = in_keras(init)(shape, dtype=dtype)
    assert ours.dtype == theirs.dtype
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("value", [[1.0, 2.0, 3.0], [[1.0], [2.0]], [[1, 2, 3], [4, 5, 6]]])
@pytest.mark.parametrize("as_array", [False, True])
def test_constant_arrays_broadcast_as_in_keras(value: Any, as_array: bool) -> None:
    init = Constant(np.array(value) if as_array else value)
    ours = initialize(init, (2, 3), torch.float32)
    assert torch.equal(ours, keras.initializers.Constant(value)((2, 3), dtype="float32"))
    ours[0, 0] = 9.0  # its own memory, not a view that repeats
    assert (ours == 9.0).sum() == 1


@pytest.mark.parametrize("shape", [(3, 3), (2, 5), (5, 2)])
def test_identity_matches_keras(shape: tuple[int, int]) -> None:
    ours = initialize(Identity(1.5), shape, torch.float32)
    assert torch.equal(ours, keras.initializers.Identity(1.5)(shape, dtype="float32"))


RANDOM: list[Initializer] = [
    RandomNormal(mean=0.3, stddev=0.2, seed=1),
    TruncatedNormal(mean=0.3, stddev=0.2, seed=2),
    RandomUniform(minval=-0.2, maxval=0.7, seed=3),
    *(
        getattr(initializers, name)(seed=4)
        for name in initializers.__all__
        if name.startswith(("Glorot", "He", "Lecun"))
    ),
    *(
        VarianceScaling(scale=scale, mode=mode, distribution=distribution, seed=5)
        for scale, mode, distribution in product(
            (0.5, 3.0), ("fan_in", "fan_out", "fan_avg"), ("uniform", "truncated_normal", "untruncated_normal")
        )
    ),
    LecunNormal(input_axes=[-1], output_axes=[0], seed=6),
]


def largest_cdf_gap(a: np.ndarray, b: np.ndarray) -> float:
    """The Kolmogorov-Smirnov distance of two samples."""
    at = np.concatenate([a, b])
    cdfs = (np.searchsorted(np.sort(sample), at, side="right") / sample.size for sample in (a, b))
    return float(np.abs(np.subtract(*cdfs)).max())


@pytest.mark.parametrize("shape", [(200, 300), (3, 5, 40, 100), (2, 3, 5, 20, 100)])
@pytest.mark.parametrize("init", RANDOM, ids=repr)
def test_draws_have_the_distribution_of_keras(init: Initializer, shape: tuple[int, ...]) -> None:
    ours = initialize(init, shape, torch.float32)
    theirs = keras.ops.convert_to_numpy(in_keras(init, seed=1234)(shape, dtype="float32"))
    assert ours.shape == theirs.shape
    a, b = ours.numpy().ravel().astype("float64"), theirs.ravel().astype("float64")
    # Both have 60,000 values: the distance of two samples of one distribution passes 0.0129 once in 10,000 times.
    assert largest_cdf_gap(a, b) < 0.0129
    # 5 standard errors, those of the difference of two samples.
    assert abs(a.mean() - b.mean()) < 5 * b.std() * (2 / a.size) ** 0.5
    assert abs(a.std() / b.std() - 1) < 5 * a.size**-0.5


@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "fan_avg"])
@pytest.mark.parametrize("shape", [(200, 300), (3, 5, 40, 100)])
def test_bounds_and_variance_follow_the_fans(mode: Any, shape: tuple[int, ...]) -> None:
    fan_in, fan_out = compute_fans(shape)
    variance = 0.7 / {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[mode]
    for distribution, bound in (
        ("uniform", (3 * variance) ** 0.5),
        ("truncated_normal", 2 * variance**0.5 / 0.87962566103423978),
        ("untruncated_normal", float("inf")),
    ):
        drawn = initialize(VarianceScaling(0.7, mode, distribution, seed=1), shape, torch.float64)
        assert drawn.abs().max() <= bound
        assert drawn.abs().max() > 0.999 * bound or bound == float("inf")
        assert drawn.var().item() == pytest.approx(variance, rel=5 * (2 / drawn.numel()) ** 0.5)


@pytest.mark.parametrize(
    ("init", "low", "high"),
    [(RandomUniform(-0.2, 0.7, seed=1), -0.2, 0.7), (TruncatedNormal(0.3, 0.2, seed=1), -0.1, 0.7)],
    ids=repr,
)
def test_draws_fill_their_range_and_no_more(init: Initializer, low: float, high: float) -> None:
    drawn = initialize(init, (1000, 1000), torch.float64)
    assert low <= drawn.min() < low + 1e-4
    assert high - 1e-4 < drawn.max() <= high


@pytest.mark.parametrize("shape", [(16, 16), (20, 30), (30, 20), (3, 3, 4, 8), (2, 2, 1, 20), (5, 1)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_orthogonal_has_orthonormal_rows_or_columns(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    drawn = initialize(Orthogonal(gain=1.5, seed=1), shape, dtype)
    assert (drawn.shape, drawn.dtype) == (shape, dtype)
    matrix = drawn.reshape(-1, shape[-1])
    gram = matrix @ matrix.T if matrix.shape[0] < matrix.shape[1] else matrix.T @ matrix
    torch.testing.assert_close(gram, 2.25 * torch.eye(len(gram), dtype=dtype), rtol=0, atol=5e-6)


def test_orthogonal_draws_are_uniform_in_sign() -> None:
    # A bare QR decomposition gives a first element that is never positive.
    signs = [initialize(Orthogonal(seed=seed), (4, 4), torch.float32)[0, 0].sign().item() for seed in range(64)]
    assert 16 < signs.count(1.0) < 48


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 8, 9, 64])
@pytest.mark.parametrize("periodic", [False, True])
def test_windows_match_scipy(name: str, length: int, periodic: bool) -> None:
    signal = pytest.importorskip("scipy.signal")
    expected = signal.get_window(name, length, periodic)
    np.testing.assert_allclose(window(name, length, periodic).numpy(), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("side", ["real", "imag"])
@pytest.mark.parametrize("scaling", ["density", "spectrum", None])
@pytest.mark.parametrize("name", ["hann", "hamming", None, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]])
@pytest.mark.parametrize("periodic", [False, True])
def test_stft_matches_keras(side: Any, scaling: Any, name: Any, periodic: bool) -> None:
    pytest.importorskip("scipy")
    init = STFT(side, name, scaling, periodic)
    for shape in [(7, 1, 5), (7, 1, 33)] + [(256, 1, 129)] * (not isinstance(name, list)):
        ours = initialize(init, shape, torch.float32)
        theirs = in_keras(init)(shape, dtype="float32")
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("init", "shape"),
    [
        (Identity(), (3,)),
        (Identity(), (3, 3, 3)),
        (Orthogonal(), (3,)),
        (STFT(), (4, 2, 5)),
        (STFT(), (4, 1, 1)),
        (STFT(), (4, 5)),
        (STFT(window=[1.0, 1.0]), (4, 1, 5)),
        (Constant([1.0, 2.0]), (2, 3)),
        (Constant([[1.0, 2.0]]), (2,)),
        (LecunNormal(input_axes=[2], output_axes=[0]), (2, 3)),
    ],
    ids=repr,
)
def test_weights_that_do_not_fit_are_refused(init: Initializer, shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=type(init).__name__):
        initialize(init, shape, torch.float32)


@pytest.mark.parametrize("init", [*RANDOM[:4], Orthogonal(seed=7)], ids=repr)
def test_a_seed_repeats_its_draw_and_leaves_other_generators_alone(init: Any) -> None:
    before = torch.get_rng_state()
    first = initialize(init, (6, 8), torch.float32)
    again = initialize(init, (6, 8), torch.float32, torch.Generator().manual_seed(99))
    assert torch.equal(first, again)
    assert torch.equal(before, torch.get_rng_state())
    other = type(init).from_config(init.get_config() | {"seed": init.seed + 1})
    assert not torch.equal(first, initialize(other, (6, 8), torch.float32))


@pytest.mark.parametrize("seed", [-1, 0, 2**63, 10**400])
def test_every_integer_is_a_seed(seed: int) -> None:
    init = HeNormal(seed=seed)
    assert torch.equal(initialize(init, (3, 4), torch.float32), initialize(init, (3, 4), torch.float32))


@pytest.mark.parametrize("name", ["RandomNormal", "TruncatedNormal", "RandomUniform", "HeNormal", "Orthogonal"])
def test_without_a_seed_the_generator_decides(name: str) -> None:
    init = getattr(initializers, name)()
    given = torch.Generator().manual_seed(5)
    first, second = (initialize(init, (6, 8), torch.float32, given) for _ in range(2))
    assert not torch.equal(first, second)
    assert torch.equal(first, initialize(init, (6, 8), torch.float32, torch.Generator().manual_seed(5)))
    torch.manual_seed(5)
    assert torch.equal(first, initialize(init, (6, 8), torch.float32))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("init", [HeNormal(seed=1), RandomUniform(seed=1), Orthogonal(seed=1)], ids=repr)
def test_narrow_floats_are_rounded_float32_draws(init: Initializer, dtype: torch.dtype) -> None:
    drawn = initialize(init, (6, 8), dtype)
    assert drawn.dtype == dtype
    if dtype != torch.float64:
        assert torch.equal(drawn, initialize(init, (6, 8), torch.float32).to(dtype))


def test_specs_leave_torch_and_numpy_unimported() -> None:
    modules = ", ".join(
        f"spec_compiler.specs.{m}" for m in ("initializers", "regularizers", "constraints", "activations")
    )
    code = f"import sys, {modules}; print([m for m in ('torch', 'numpy', 'keras') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
