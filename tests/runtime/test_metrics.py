"""Metrics against Keras's over several batches: values, weights, masks, and compiled together with their names."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest
import torch

from spec_compiler import losses
from spec_compiler.diagnostics import SpecError
from spec_compiler.runtime.metrics import CompiledMetrics, accumulator
from spec_compiler.specs import metrics
from spec_compiler.specs.serialization import serialize

CompileMetrics = keras.src.trainers.compile_utils.CompileMetrics
RTOL = 2e-6


def batch(kind, size, seed, steps=()):
    """Targets and predictions for 4 classes, or 4 numbers, of `size` samples, each of `steps`."""
    rng = np.random.default_rng(seed)
    shape = (size, *steps, 4)
    logits = rng.normal(size=shape).astype("float32") * 2
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    numbers = rng.integers(0, 4, shape[:-1])
    match kind:
        case "real":
            return rng.normal(size=shape).astype("float32"), logits
        case "positive":
            return np.abs(rng.normal(size=shape)).astype("float32"), np.abs(logits)
        case "equal":
            return rng.integers(0, 2, shape), rng.integers(0, 2, shape).astype("float32")
        case "binary":
            return rng.integers(0, 2, shape).astype("float32"), (1 / (1 + np.exp(-logits))).round(2)
        case "one_hot":
            return np.eye(4, dtype="float32")[numbers], p
        case "sparse":
            return numbers, p
        case "sorted":
            return numbers.astype("float32"), (-logits).argsort(-1).astype("float32")


CASES = [
    *[(name, {}, "real") for name in ("MeanSquaredError", "MeanAbsoluteError", "MeanAbsolutePercentageError")],
    *[(name, {}, "real") for name in ("RootMeanSquaredError", "LogCoshError", "CosineSimilarity")],
    *[(name, {}, "positive") for name in ("MeanSquaredLogarithmicError", "Poisson")],
    *[(name, {}, "binary") for name in ("Hinge", "SquaredHinge")],
    *[(name, {}, "one_hot") for name in ("CategoricalHinge", "KLDivergence", "CategoricalAccuracy")],
    ("Accuracy", {}, "equal"),
    ("BinaryAccuracy", {}, "binary"),
    ("BinaryAccuracy", {"threshold": 0.8}, "binary"),
    ("SparseCategoricalAccuracy", {}, "sparse"),
    *[("TopKCategoricalAccuracy", {"k": k}, "one_hot") for k in (1, 2)],
    *[("SparseTopKCategoricalAccuracy", {"k": k}, "sparse") for k in (1, 3)],
    *[("BinaryCrossentropy", {"label_smoothing": s}, "binary") for s in (0.0, 0.2)],
    ("BinaryCrossentropy", {"from_logits": True}, "binary"),
    *[("CategoricalCrossentropy", {"label_smoothing": s}, "one_hot") for s in (0.0, 0.2)],
    ("SparseCategoricalCrossentropy", {}, "sparse"),
    ("SparseCategoricalCrossentropy", {"ignore_class": 1, "from_logits": True}, "sparse"),
]
COUNTING = [
    *[
        (name, {"thresholds": thresholds}, "binary")
        for name in ("TruePositives", "TrueNegatives", "FalsePositives", "FalseNegatives")
        for thresholds in (None, 0.3, [0.2, 0.7])
    ],
    *[
        (name, options, "binary")
        for name in ("Precision", "Recall")
        for options in ({}, {"thresholds": [0.1, 0.45]}, {"top_k": 2}, {"class_id": 3}, {"top_k": 1, "class_id": 0})
    ],
    *[
        ("AUC", {"curve": curve, "summation_method": method, "num_thresholds": n}, "binary")
        for curve, method, n in itertools.product(("ROC", "PR"), ("interpolation", "minoring", "majoring"), (200, 5))
    ],
    ("AUC", {"thresholds": [0.1, 0.2, 0.7]}, "binary"),
    ("AUC", {"from_logits": True}, "binary"),
]


def compare(ours, theirs, kind, steps=(), weight_shape=None, masked=False):
    """Three batches of unequal size, and after a reset one more."""
    rng = np.random.default_rng(9)
    state = accumulator(ours)
    for seed, size in enumerate((8, 8, 3, 6)):
        if seed == 3:
            state.reset()
            theirs.reset_state()
        y_true, y_pred = batch(kind, size, seed, steps)
        a, b = torch.tensor(y_pred), torch.tensor(y_pred)
        mask = weight = None
        if masked:
            mask = torch.tensor(rng.uniform(size=(size, *steps)) > 0.4)
            b._keras_mask = mask
        if weight_shape is not None:
            weight = torch.tensor(rng.uniform(0, 2, (size, *weight_shape)), dtype=torch.float32)
        state.update(torch.tensor(y_true), a, weight, mask)
        theirs.update_state(torch.tensor(y_true), b, weight)
        if seed >= 2:
            torch.testing.assert_close(state.result(), theirs.result(), rtol=RTOL, atol=1e-6, check_dtype=False)


@pytest.mark.parametrize("weight_shape", [None, (), (1,)], ids=str)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name, options, kind", CASES, ids=str)
def test_means_match_keras(name, options, kind, masked, weight_shape):
    compare(getattr(metrics, name)(**options), getattr(keras.metrics, name)(**options), kind, (), weight_shape, masked)


# Keras cannot broadcast weights of samples against a mask, or an ignored class, of timesteps.
TIMESTEP_CASES = [
    (*case, masked, weight_shape)
    for case, masked, weight_shape in itertools.product(CASES, (False, True), (None, (), (5,)))
    if weight_shape != () or not (masked or "ignore_class" in case[1])
]


@pytest.mark.parametrize("name, options, kind, masked, weight_shape", TIMESTEP_CASES, ids=str)
def test_means_over_timesteps_match_keras(name, options, kind, masked, weight_shape):
    ours, theirs = getattr(metrics, name)(**options), getattr(keras.metrics, name)(**options)
    compare(ours, theirs, kind, (5,), weight_shape, masked)


@pytest.mark.parametrize("weight_shape", [None, ()], ids=str)
@pytest.mark.parametrize("name, options, kind", COUNTING, ids=str)
def test_counts_match_keras(name, options, kind, weight_shape):
    compare(getattr(metrics, name)(**options), getattr(keras.metrics, name)(**options), kind, (), weight_shape)


def test_every_metric_is_in_the_grid():
    named = {name for name, _, _ in [*CASES, *COUNTING]}
    assert named | {"Mean", "Sum"} == set(metrics.__all__)


def test_sorted_class_numbers_match_keras():
    options = {"k": 2, "from_sorted_ids": True}
    ours, theirs = (m.SparseTopKCategoricalAccuracy(**options) for m in (metrics, keras.metrics))
    compare(ours, theirs, "sorted")


@pytest.mark.parametrize("shapes", [((7, 1), (7, 4)), ((7,), (7, 4)), ((7, 3, 1), (7, 3, 4))], ids=str)
def test_class_numbers_may_have_a_last_axis_of_one(shapes):
    rng = np.random.default_rng(0)
    y_true, y_pred = torch.tensor(rng.integers(0, 4, shapes[0])), torch.tensor(rng.uniform(size=shapes[1]))
    for name, options in (("SparseCategoricalAccuracy", {}), ("SparseTopKCategoricalAccuracy", {"k": 2})):
        state, theirs = accumulator(getattr(metrics, name)(**options)), getattr(keras.metrics, name)(**options)
        state.update(y_true, y_pred.float(), None, None)
        theirs.update_state(y_true, y_pred.float())
        torch.testing.assert_close(state.result(), theirs.result())


def test_the_result_of_nothing_is_zero():
    for name, options, _ in CASES:
        assert accumulator(getattr(metrics, name)(**options)).result().item() == 0
    weightless = accumulator(metrics.MeanSquaredError())
    weightless.update(torch.ones(2, 1), torch.zeros(2, 1), torch.zeros(2), None)
    assert weightless.result().item() == 0


# Compiled metrics


@pytest.mark.parametrize(
    "true, pred",
    [((6,), (6, 1)), ((6, 1), (6, 1)), ((6,), (6, 4)), ((6, 1), (6, 4)), ((6, 4), (6, 4)), ((6, 3), (6, 3, 4))],
)
@pytest.mark.parametrize("name", ["accuracy", "acc"])
def test_accuracy_chooses_by_shapes_as_keras_does(name, true, pred):
    rng = np.random.default_rng(1)
    y_pred = torch.tensor(rng.uniform(size=pred), dtype=torch.float32)
    y_true = torch.tensor(rng.integers(0, 2, true))
    ours, theirs = CompiledMetrics([name]), CompileMetrics([name], None)
    for _ in range(2):
        ours.update([y_true], [y_pred])
        theirs.update_state(y_true, y_pred)
    assert ours.result() == {key: pytest.approx(value.item()) for key, value in theirs.result().items()}
    assert ours.names == (name,) and ours.directions == {name: "up"}


def outputs(seed=0):
    rng = np.random.default_rng(seed)
    digit, slant = torch.tensor(rng.uniform(size=(8, 4)), dtype=torch.float32), torch.tensor(rng.normal(size=(8, 1)))
    return [torch.tensor(rng.integers(0, 4, 8)), torch.tensor(rng.normal(size=(8, 1))).float()], [digit, slant.float()]


FORMS = [
    ([["accuracy"], ["mse", "mae"]], None),
    ([["accuracy", "accuracy"], "mse"], None),
    ({"digit": "accuracy"}, None),
    ({"slant": ["mae"], "digit": ["accuracy", "sparse_categorical_crossentropy"]}, {"slant": ["mae", "mae", "mse"]}),
    (["accuracy", None], ["accuracy", ["mse"]]),
    (None, {"digit": ["accuracy"], "slant": "root_mean_squared_error"}),
]


@pytest.mark.parametrize("unweighted, weighted", FORMS, ids=str)
def test_metrics_of_several_outputs_match_keras(unweighted, weighted):
    names = ["digit", "slant"]
    ours = CompiledMetrics(unweighted, weighted, names)
    theirs = CompileMetrics(unweighted, weighted, output_names=names)
    for seed in range(2):
        y_true, y_pred = outputs(seed)
        weights = [torch.rand(8, generator=torch.Generator().manual_seed(seed)), torch.linspace(0, 1, 8)]
        ours.update(y_true, y_pred, weights)
        theirs.update_state(y_true, y_pred, weights)
    expected = theirs.result()
    assert ours.names == tuple(expected)
    assert ours.result() == {key: pytest.approx(value.item(), rel=RTOL) for key, value in expected.items()}
    ours.reset()
    assert set(ours.result().values()) == {0.0}


SINGLE = [
    (["mse", "mse", keras.metrics.MeanSquaredError], ["mse", "mae", "mae"]),
    (["MSE", "mean_squared_error", "binary_accuracy"], None),
    (["root_mean_squared_error"], ["root_mean_squared_error"]),
]


@pytest.mark.parametrize("unweighted, weighted", SINGLE, ids=str)
def test_names_of_one_output_are_those_of_keras(unweighted, weighted):
    y_true, y_pred = (torch.rand(6, 3), torch.rand(6, 3))
    theirs = CompileMetrics(unweighted, weighted, output_names=["out"])
    mine = [metrics.MeanSquaredError if m is keras.metrics.MeanSquaredError else m for m in unweighted]
    ours = CompiledMetrics(mine, weighted, "out")
    theirs.update_state(y_true, y_pred, torch.ones(6))
    ours.update([y_true], [y_pred], [torch.ones(6)])
    assert ours.result() == {key: pytest.approx(value.item(), rel=RTOL) for key, value in theirs.result().items()}


def test_masks_count_for_both_kinds():
    y_true, y_pred = torch.tensor([[0, 1], [1, 1]]), torch.eye(2).expand(2, 2, 2).clone()
    mask = torch.tensor([[True, False], [False, True]])
    masked = y_pred.clone()
    masked._keras_mask = mask
    theirs = CompileMetrics(["accuracy"], ["accuracy"], output_names=["out"])
    theirs.update_state(y_true, masked, torch.ones(2, 2))
    ours = CompiledMetrics(["accuracy"], ["accuracy"], "out")
    ours.update([y_true], [y_pred], [torch.ones(2, 2)], [mask])
    assert (
        ours.result()
        == {key: value.item() for key, value in theirs.result().items()}
        == {
            "accuracy": 1.0,
            "weighted_accuracy": 1.0,
        }
    )


def test_functions_and_own_metrics_are_taken():
    class Largest(metrics.Metric):
        def __init__(self):
            super().__init__(name="largest")
            self.reset_state()

        def reset_state(self):
            self.value = torch.zeros(())

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.value = torch.maximum(self.value, y_pred.max())

        def result(self):
            return self.value

    def bias(y_true, y_pred):
        return (y_pred - y_true).mean(-1)

    y_true, y_pred = torch.zeros(4, 2), torch.tensor([[1.0, 2.0]] * 4)
    compiled = CompiledMetrics([Largest(), bias, metrics.BinaryAccuracy(threshold=1.5, name="cut")])
    compiled.update([y_true], [y_pred])
    compiled.update([y_true], [y_pred * 2])
    assert compiled.result() == {"largest": 4.0, "bias": 2.25, "cut": 0.25}
    assert compiled.directions == {"largest": None, "bias": None, "cut": "up"}


def test_loss_functions_are_metrics_named_as_in_keras():
    y_true, y_pred = torch.rand(6, 3), torch.rand(6, 3)
    ours = CompiledMetrics([losses.mean_absolute_error])
    theirs = CompileMetrics([keras.losses.mean_absolute_error], None)
    ours.update([y_true], [y_pred])
    theirs.update_state(y_true, y_pred)
    assert ours.result() == {key: pytest.approx(value.item()) for key, value in theirs.result().items()}


def test_objects_accumulate_on_their_own_as_in_keras():
    for name in ("BinaryAccuracy", "AUC", "Precision"):
        ours, theirs = getattr(metrics, name)(), getattr(keras.metrics, name)()
        for m in (ours, theirs):
            m.update_state([0, 1, 1], [0.2, 0.9, 0.4])
            m.update_state([1, 0, 1], [0.3, 0.1, 0.8], sample_weight=[1, 2, 3])
        assert ours.result().item() == pytest.approx(float(theirs.result()))
        ours.reset_state()
        assert ours.result().item() == 0
    for name in ("Mean", "Sum"):
        ours, theirs = getattr(metrics, name)(), getattr(keras.metrics, name)()
        for m in (ours, theirs):
            m.update_state([1.0, 3.0])
            m.update_state(5.0)
            m.update_state([[2.0, 4.0]], sample_weight=[0.5])
        assert ours.result().item() == pytest.approx(float(theirs.result()))


def test_half_precision_is_accumulated_in_float32():
    compiled = CompiledMetrics(["accuracy", "mae"])
    y_true = torch.zeros(1000, 1)
    for _ in range(5):
        compiled.update([y_true], [torch.full((1000, 1), 0.1, dtype=torch.bfloat16)])
    assert compiled.result() == {"accuracy": 1.0, "mae": pytest.approx(0.1, rel=2e-3)}


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((["acuracy"],), "metrics: unknown metric 'acuracy'"),
        ((None, ["acuracy"]), "weighted_metrics: unknown metric"),
        (({"digits": "mse"}, None, ["digit", "slant"]), "the model has no output 'digits'"),
        ((["mse"], None, ["digit", "slant"]), "a list of 1 for 2 outputs"),
        (([metrics.Mean()],), "Mean takes values"),
        (([3],), "expected a name"),
        (([{"class_name": "BinaryAccuracy", "config": {"treshold": 1}}],), "treshold"),
    ],
    ids=lambda v: str(v)[:40],
)
def test_arguments_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(SpecError) as error:
        CompiledMetrics(*arguments)
    assert message in str(error.value)


@pytest.mark.parametrize(
    "metric, true, pred",
    [
        ("accuracy", (6, 2, 2), (6, 4)),
        ("mse", (6, 2), (6, 4)),
        ("auc", (6, 2), (6, 4)),
        ("sparse_categorical_accuracy", (6, 4), (6, 4)),
    ],
)
def test_batches_that_do_not_fit_are_refused(metric, true, pred):
    with pytest.raises(SpecError, match=f"metric '{metric}' of output 'output' cannot be computed") as error:
        CompiledMetrics([metric]).update([torch.ones(true)], [torch.ones(pred)])
    assert f"predictions of shape {pred}, targets of shape {true}" in str(error.value)


@pytest.mark.parametrize("name", metrics.__all__)
def test_config_is_that_of_keras(name):
    keras.utils.clear_session()
    ours, theirs = getattr(metrics, name)(), getattr(keras.metrics, name)()
    assert ours.get_config() == theirs.get_config()
    assert keras.saving.deserialize_keras_object(serialize(ours)).get_config() == theirs.get_config()
    assert type(ours).from_config(theirs.get_config()).get_config() == theirs.get_config()


@pytest.mark.parametrize("name", [n for n in metrics.__all__ if n[:4] not in ("True", "Fals")])
def test_directions_are_those_of_keras(name):
    assert getattr(metrics, name).direction == getattr(getattr(keras.metrics, name)(), "_direction", None)
