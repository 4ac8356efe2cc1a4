"""Losses against Keras's on the same arrays: values, gradients, reductions, weights, masks, and compiled together."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest
import torch

from spec_compiler import losses as public
from spec_compiler.diagnostics import SpecError
from spec_compiler.runtime.losses import FUNCTIONS, CompiledLoss, compute, loss_function, reduce
from spec_compiler.specs import losses
from spec_compiler.specs.serialization import serialize

RTOL, ATOL = 1e-6, 1e-7


def same(ours, theirs, rtol=RTOL, atol=ATOL):
    torch.testing.assert_close(ours.detach(), theirs.detach(), rtol=rtol, atol=atol, equal_nan=True)


def values_of(kind, shape, seed=0):
    """Predictions and targets of a kind, as float arrays; `sparse` targets are class numbers along the last axis."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=shape).astype("float32") * 3
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    sigmoid = 1 / (1 + np.exp(-logits))
    match kind:
        case "real":
            return rng.normal(size=shape).astype("float32"), logits
        case "positive":
            return np.abs(rng.normal(size=shape)).astype("float32"), np.abs(logits)
        case "binary":
            return rng.integers(0, 2, shape).astype("float32"), sigmoid
        case "binary_logits":
            return rng.integers(0, 2, shape).astype("float32"), logits
        case "signs":
            return rng.choice([-1.0, 1.0], shape).astype("float32"), logits
        case "one_hot" | "one_hot_logits":
            chosen = np.eye(shape[-1], dtype="float32")[rng.integers(0, shape[-1], shape[:-1])]
            return chosen, logits if kind == "one_hot_logits" else p
        case "sparse" | "sparse_logits":
            return rng.integers(0, shape[-1], shape[:-1]), logits if kind == "sparse_logits" else p


CASES = [
    *[(name, {}, "real") for name in ("MeanSquaredError", "MeanAbsoluteError", "LogCosh", "CosineSimilarity")],
    ("MeanAbsolutePercentageError", {}, "real"),
    ("MeanSquaredLogarithmicError", {}, "positive"),
    ("CosineSimilarity", {"axis": 0}, "real"),
    *[("Huber", {"delta": delta}, "real") for delta in (0.3, 1.0, 4.0)],
    *[(name, {}, kind) for name in ("Hinge", "SquaredHinge") for kind in ("signs", "binary", "real")],
    ("CategoricalHinge", {}, "one_hot"),
    ("KLDivergence", {}, "one_hot"),
    ("Poisson", {}, "positive"),
    *[
        ("BinaryCrossentropy", {"from_logits": logits, "label_smoothing": s, "axis": axis}, kind)
        for (logits, kind), s, axis in itertools.product(
            [(False, "binary"), (True, "binary_logits")], (0.0, 0.2), (-1, 0)
        )
    ],
    *[
        ("BinaryFocalCrossentropy", {"from_logits": logits, "apply_class_balancing": b, "gamma": g, "alpha": 0.4}, kind)
        for (logits, kind), b, g in itertools.product(
            [(False, "binary"), (True, "binary_logits")], (False, True), (1.0, 2.0)
        )
    ],
    *[
        (name, {"from_logits": logits, "label_smoothing": s}, kind)
        for name, (logits, kind), s in itertools.product(
            ("CategoricalCrossentropy", "CategoricalFocalCrossentropy"),
            [(False, "one_hot"), (True, "one_hot_logits")],
            (0.0, 0.1),
        )
    ],
    *[
        ("SparseCategoricalCrossentropy", {"from_logits": logits, "ignore_class": ignored}, kind)
        for (logits, kind), ignored in itertools.product([(False, "sparse"), (True, "sparse_logits")], (None, 2))
    ],
    ("CategoricalGeneralizedCrossEntropy", {"q": 0.7}, "sparse"),
    *[(name, {"axis": axis}, "binary") for name in ("Dice", "Tversky") for axis in (None, (1,))],
    ("Tversky", {"alpha": 0.3, "beta": 0.9}, "binary"),
]
SHAPES = [(7, 5), (3, 4, 5), (2, 3, 2, 5)]


def both(name, options):
    return getattr(losses, name)(**options), getattr(keras.losses, name)(**options)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name, options, kind", CASES, ids=lambda v: str(v))
def test_unreduced_values_and_gradients_match_keras(name, options, kind, shape):
    y_true, y_pred = values_of(kind, shape)
    ours, theirs = both(name, {**options, "reduction": "none"})
    a, b = torch.tensor(y_pred, requires_grad=True), torch.tensor(y_pred, requires_grad=True)
    got = loss_function(ours)(torch.tensor(y_true), a)
    if name.startswith("SparseCategoricalC"):  # Keras has no gradient for four axes: "grad_input must be contiguous"
        expected = theirs(torch.tensor(y_true).reshape(-1), b.reshape(-1, shape[-1])).reshape(shape[:-1])
    else:
        expected = theirs(torch.tensor(y_true), b)
    same(got, expected, rtol=2e-6)
    got.sum().backward()
    expected.sum().backward()
    same(a.grad, b.grad, rtol=2e-6, atol=1e-6)


def test_every_loss_is_in_the_grid():
    assert {name for name, _, _ in CASES} == set(losses.__all__) == {cls.__name__ for cls in FUNCTIONS}


@pytest.mark.parametrize("axis", [1, -2])
@pytest.mark.parametrize("logits", [False, True])
@pytest.mark.parametrize("name", ["CategoricalCrossentropy", "SparseCategoricalCrossentropy"])
def test_class_axis_matches_keras(name, logits, axis):
    y_pred = values_of("one_hot", (3, 4, 5))[1]
    sparse = name.startswith("Sparse")
    y_true = np.random.default_rng(1).integers(0, 4, (3, 5)) if sparse else values_of("one_hot", (3, 4, 5), 1)[0]
    ours, theirs = both(name, {"from_logits": logits, "axis": axis, "reduction": None})
    same(loss_function(ours)(torch.tensor(y_true), torch.tensor(y_pred)), theirs(y_true, y_pred))


REDUCTIONS = ["sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None]
REDUCED = [
    ("MeanSquaredError", {}, "real"),
    ("MeanAbsoluteError", {}, "real"),
    ("BinaryCrossentropy", {}, "binary"),
    ("CategoricalCrossentropy", {}, "one_hot"),
    ("SparseCategoricalCrossentropy", {}, "sparse"),
    ("SparseCategoricalCrossentropy", {"ignore_class": 1, "from_logits": True}, "sparse_logits"),
    ("Dice", {}, "binary"),
]


def weights_and_masks(shape):
    rng = np.random.default_rng(5)
    weights = [None, rng.uniform(0, 2, shape[:-1]).astype("float32"), np.zeros(shape[:-1], "float32")]
    if len(shape) == 2:
        weights.append(rng.uniform(0, 2, (shape[0], 1)).astype("float32"))
    masks = [None, rng.uniform(size=shape[:-1]) > 0.4, np.zeros(shape[:-1], bool)]
    return itertools.product(weights, masks)


def keras_masked(theirs, y_true, y_pred, weight, mask):
    if mask is not None:
        y_pred._keras_mask = torch.tensor(mask)
    return theirs(torch.tensor(y_true), y_pred, None if weight is None else torch.tensor(weight))


@pytest.mark.parametrize("shape", [(7, 5), (3, 4, 5)], ids=str)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name, options, kind", REDUCED, ids=lambda v: str(v))
def test_reductions_with_weights_and_masks_match_keras(name, options, kind, reduction, shape):
    y_true, y_pred = values_of(kind, shape)
    ours, theirs = both(name, {**options, "reduction": reduction})
    for weight, mask in weights_and_masks(shape):
        a, b = torch.tensor(y_pred, requires_grad=True), torch.tensor(y_pred, requires_grad=True)
        expected = keras_masked(theirs, y_true, b, weight, mask)
        if reduction in ("none", None):
            got = compute(ours, torch.tensor(y_true), a, weight) if mask is None else expected
        else:
            got, parts = CompiledLoss(ours)(
                [torch.tensor(y_true)],
                [a],
                None if weight is None else [torch.tensor(weight)],
                None if mask is None else [torch.tensor(mask)],
            )
            assert parts == ()
        same(got, expected)
        if got is expected or (name == "Dice" and got.dim()):
            continue
        got.sum().backward()
        expected.sum().backward()
        same(a.grad, b.grad, atol=1e-6)


@pytest.mark.parametrize(
    "true_shape, pred_shape, weight_shape",
    [
        ((6,), (6, 1), (6,)),
        ((6, 1), (6,), (6,)),
        ((6, 1), (6, 1), (6, 1)),
        ((6, 3, 1), (6, 3), (6,)),
        ((6,), (6, 1), None),
    ],
)
@pytest.mark.parametrize("name", ["MeanSquaredError", "MeanAbsoluteError", "BinaryCrossentropy", "Huber"])
def test_ranks_are_reconciled_as_in_keras(name, true_shape, pred_shape, weight_shape):
    rng = np.random.default_rng(3)
    y_true, y_pred = rng.integers(0, 2, true_shape), rng.uniform(size=pred_shape).astype("float32")
    weight = None if weight_shape is None else rng.uniform(size=weight_shape).astype("float32")
    ours, theirs = both(name, {})
    same(compute(ours, y_true, y_pred, weight), theirs(y_true, y_pred, weight))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("name, options, kind", REDUCED, ids=lambda v: str(v))
def test_predictions_are_cast_to_float32_as_in_keras(name, options, kind, dtype):
    y_true, y_pred = values_of(kind, (7, 5))
    ours, theirs = both(name, options)
    y_pred = torch.tensor(y_pred).to(dtype)
    got = compute(ours, y_true, y_pred)
    assert got.dtype is torch.float32
    same(got, theirs(torch.tensor(y_true), y_pred))


@pytest.mark.parametrize("kind", ["one_hot", "binary", "sparse"])
def test_saturated_probabilities_are_clipped_as_in_keras(kind):
    prefix = {"one_hot": "Categorical", "binary": "Binary", "sparse": "SparseCategorical"}[kind]
    y_pred = np.array([[0.0, 1.0], [1.0, 0.0], [1e-9, 1 - 1e-9]], "float32")
    y_true = np.array([0, 1, 0]) if kind == "sparse" else np.array([[1, 0], [0, 1], [1, 0]], "float32")
    ours, theirs = both(f"{prefix}Crossentropy", {})
    a, b = torch.tensor(y_pred, requires_grad=True), torch.tensor(y_pred, requires_grad=True)
    got, expected = compute(ours, y_true, a), theirs(torch.tensor(y_true), b)
    same(got, expected)
    got.backward()
    expected.backward()
    same(a.grad, b.grad)


def test_weights_of_samples_weigh_all_their_timesteps():
    values = torch.tensor([[1.0, 3.0], [5.0, 7.0]])
    assert reduce(values, torch.tensor([1.0, 0.0]), None, "sum").item() == 4
    assert reduce(values, torch.tensor([2.0, 0.0]), None, "mean_with_sample_weight").item() == 2


# Compiled losses


def two_outputs(seed=0):
    rng = np.random.default_rng(seed)
    digit = values_of("sparse", (8, 5), seed)
    slant = (rng.normal(size=(8, 1)).astype("float32"), rng.normal(size=(8, 1)).astype("float32"))
    return [torch.tensor(digit[0]), torch.tensor(slant[0])], [torch.tensor(digit[1]), torch.tensor(slant[1])]


def keras_compiled(loss, weights, y_true, y_pred, sample_weight=None):
    """Total and parts as a Keras model with outputs `digit` and `slant` computes and logs them."""
    compiled = keras.src.trainers.compile_utils.CompileLoss(loss, weights, output_names=["digit", "slant"])
    total = compiled(y_true, y_pred, sample_weight)
    return total, {metric.name: metric.result() for metric in compiled.metrics}


SPARSE = "sparse_categorical_crossentropy"


@pytest.mark.parametrize("weights", [None, [0.3, 2.0], {"digit": 0.3, "slant": 2.0}])
@pytest.mark.parametrize("form", ["list", "dict", "tuple"])
def test_losses_of_several_outputs_match_keras(form, weights):
    forms = {"list": [SPARSE, "mse"], "tuple": (SPARSE, "mse"), "dict": {"slant": "mse", "digit": SPARSE}}
    if isinstance(weights, dict) and form != "dict":
        pytest.skip("Keras refuses the mixture")
    y_true, y_pred = two_outputs()
    sample_weight = [torch.rand(8), torch.rand(8)]
    for weight in (None, sample_weight):
        expected, parts = keras_compiled(forms[form], weights, y_true, y_pred, weight)
        compiled = CompiledLoss(forms[form], weights, ["digit", "slant"])
        total, values = compiled(y_true, y_pred, weight)
        same(total, expected)
        assert compiled.names == tuple(parts) == ("digit_loss", "slant_loss")
        for value, part in zip(values, parts.values(), strict=True):
            same(value, part)


def test_an_output_without_loss_counts_nothing():
    y_true, y_pred = two_outputs()
    compiled = CompiledLoss({"slant": "mse", "digit": None}, None, ["digit", "slant"])
    total, parts = compiled([None, y_true[1]], y_pred)
    same(total, keras.losses.MeanSquaredError()(y_true[1], y_pred[1]))
    assert (parts, compiled.names, compiled.wanted) == ((), (), (False, True))


def test_nested_outputs_are_named_as_in_keras():
    a, b, c = (torch.rand(4, 2) for _ in range(3))
    outputs = {"left": ["x", "y"], "right": "z"}
    losses_ = {"left": ["mse", "mae"], "right": "mse"}
    compiled = CompiledLoss(losses_, None, outputs)
    theirs = keras.src.trainers.compile_utils.CompileLoss(losses_, output_names=["x", "y", "z"])
    expected = theirs({"left": [a, b], "right": c}, {"left": [b, c], "right": a})
    total, _ = compiled([a, b, c], [b, c, a])
    same(total, expected)
    assert compiled.names == ("left/x_loss", "left/y_loss", "right_loss")
    assert compiled.names == tuple(metric.name for metric in theirs.metrics)


def test_one_loss_stands_for_all_outputs():
    y_true, y_pred = (torch.rand(3, 2), torch.rand(3, 2)), (torch.rand(3, 2), torch.rand(3, 2))
    total, _ = CompiledLoss("mae", None, ["a", "b"])(y_true, y_pred)
    expected = keras.src.trainers.compile_utils.CompileLoss("mae", output_names=["a", "b"])(list(y_true), list(y_pred))
    same(total, expected)


@pytest.mark.parametrize("true, pred", [((6,), (6, 1)), ((6,), (6, 4)), ((6, 1), (6, 4)), ((6, 4), (6, 4))])
def test_crossentropy_chooses_by_shapes_as_keras_does(true, pred):
    y_pred = values_of("binary" if pred[-1] == 1 else "one_hot", pred)[1]
    y_true = np.random.default_rng(2).integers(0, 2, true).astype("float32")
    expected = keras.src.trainers.compile_utils.CompileLoss("crossentropy")(torch.tensor(y_true), torch.tensor(y_pred))
    same(CompiledLoss("crossentropy")([torch.tensor(y_true)], [torch.tensor(y_pred)])[0], expected)


def test_functions_classes_and_own_losses_are_taken():
    y_true, y_pred = torch.rand(5, 3), torch.rand(5, 3)

    class Cubic(losses.Loss):
        def call(self, y_true, y_pred):
            return (y_true - y_pred).abs().pow(3).mean(-1)

    class KerasCubic(keras.losses.Loss):
        def call(self, y_true, y_pred):
            return keras.ops.mean(keras.ops.abs(y_true - y_pred) ** 3, axis=-1)

    for ours, theirs, weight in [
        (Cubic(reduction="sum"), KerasCubic(reduction="sum"), torch.rand(5)),
        (lambda t, p: (t - p).pow(4), lambda t, p: (t - p) ** 4, torch.rand(5, 1)),
        (losses.MeanSquaredError, "mse", torch.rand(5)),
        (public.mean_absolute_error, keras.losses.mean_absolute_error, torch.rand(5)),
        ({"class_name": "Huber", "config": {"delta": 0.2}}, keras.losses.Huber(0.2), torch.rand(5)),
    ]:
        for w in (None, weight):
            expected = keras.src.trainers.compile_utils.CompileLoss(theirs)(y_true, y_pred, w)
            same(CompiledLoss(ours)([y_true], [y_pred], None if w is None else [w])[0], expected)


# What is refused


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("mee",), "loss: unknown loss 'mee'"),
        ((None,), "no output has a loss"),
        (({"digits": "mse"}, None, ["digit", "slant"]), "the model has no output 'digits'"),
        ((["mse"], None, ["digit", "slant"]), "a list of 1 for 2 outputs"),
        (("mse", {"digits": 1.0}, ["digit", "slant"]), "loss_weights: the model has no output 'digits'"),
        (("mse", "heavy"), "loss_weights: expected a number"),
        ((torch.nn.CrossEntropyLoss(),), "takes (prediction, target)"),
        ((losses.MeanSquaredError(reduction="none"),), "has no reduction"),
        (({"class_name": "Huber", "config": {"deltas": 1}},), "loss: Huber: deltas"),
        ((3,), "loss: expected a name"),
    ],
    ids=lambda v: str(v)[:40],
)
def test_arguments_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(SpecError) as error:
        CompiledLoss(*arguments)
    assert message in str(error.value)


@pytest.mark.parametrize(
    "loss, true, pred",
    [
        ("mse", (6, 3), (6, 10)),
        ("mse", (6, 1), (6, 10)),
        (SPARSE, (6, 10), (6, 10)),
        ("categorical_crossentropy", (6,), (6, 10)),
        ("binary_crossentropy", (6, 2), (6, 1)),
    ],
)
def test_batches_that_do_not_fit_are_refused(loss, true, pred):
    with pytest.raises(SpecError, match="output 'digit' cannot be compared") as error:
        CompiledLoss(loss, None, "digit")([torch.ones(true)], [torch.ones(pred)])
    assert f"predictions of shape {pred}, targets of shape {true}" in str(error.value)


@pytest.mark.parametrize("label", [9, -1, -100])
@pytest.mark.parametrize("weighted", [False, True])
def test_labels_beyond_the_classes_are_refused(label, weighted):
    with pytest.raises(SpecError, match=f"numbered from 0 to 3, and its target holds {label} "):
        CompiledLoss(SPARSE)([torch.tensor([1, label])], [torch.ones(2, 4)], [torch.ones(2)] if weighted else None)


@pytest.mark.parametrize("name", losses.__all__)
def test_functions_stand_under_the_names_of_keras(name):
    function = getattr(public, keras.src.utils.naming.to_snake_case(name))
    assert function is FUNCTIONS[getattr(losses, name)]


@pytest.mark.parametrize("name", losses.__all__)
def test_config_is_that_of_keras(name):
    ours, theirs = both(name, {})
    assert ours.get_config() == theirs.get_config()
    assert keras.saving.deserialize_keras_object(serialize(ours)).get_config() == theirs.get_config()
    assert type(ours).from_config(theirs.get_config()) == ours


def test_arguments_stand_in_the_order_of_keras():
    assert losses.Huber(2.0).delta == 2.0
    assert losses.MeanSquaredError("sum").reduction == "sum"
    assert losses.SparseCategoricalCrossentropy(True, 3, "sum").get_config() == {
        "from_logits": True,
        "ignore_class": 3,
        "reduction": "sum",
        "name": "sparse_categorical_crossentropy",
    }
