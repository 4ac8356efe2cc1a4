"""Predictions that are not numbers, and targets that are no shares, in losses and metrics."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch

from spec_compiler.diagnostics import SpecError
from spec_compiler.runtime.losses import CompiledLoss, loss_function
from spec_compiler.specs import losses, metrics
from tests.runtime.test_losses import SPARSE, same
from tests.runtime.test_metrics import CASES, COUNTING, RTOL, accumulator, batch


@pytest.mark.parametrize("target", [3.0, -1.0, float("nan")])
@pytest.mark.parametrize("loss", ["binary_crossentropy", "binary_focal_crossentropy"])
@pytest.mark.parametrize("weighted", [False, True])
def test_targets_that_are_no_shares_are_refused(target, loss, weighted):
    with pytest.raises(SpecError, match="all elements of target should be between 0 and 1"):
        weights = [torch.ones(2)] if weighted else None
        CompiledLoss(loss)([torch.tensor([[1.0], [target]])], [torch.full((2, 1), 0.5)], weights)


@pytest.mark.parametrize("loss", ["binary_crossentropy", "categorical_crossentropy", SPARSE, "mse"])
@pytest.mark.parametrize("weighted", [False, True])
def test_predictions_that_are_not_numbers_make_the_loss_none(loss, weighted):
    """Keras on torch raises for the first; elsewhere, and for all others, the loss is not a number either."""
    y_pred = torch.tensor([[0.5], [float("nan")]], requires_grad=True)
    weights = [torch.ones(2)] if weighted else None
    total, _ = CompiledLoss(loss)([torch.zeros(2) if loss == SPARSE else torch.ones(2, 1)], [y_pred], weights)
    assert total.isnan()
    total.backward()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_binary_crossentropy_where_torch_has_it_not_is_the_same(smoothing):
    """Beside a prediction that is not a number, and on a GPU, it goes another way."""
    y_true, y_pred = (
        torch.tensor([[1.0], [0.0], [1.0], [0.0], [0.3]]),
        torch.tensor([[1.0], [1.0], [0.0], [0.0], [0.9]]),
    )
    loss = loss_function(losses.BinaryCrossentropy(label_smoothing=smoothing, reduction=None))
    expected = keras.losses.BinaryCrossentropy(label_smoothing=smoothing, reduction=None)(y_true, y_pred)
    found = loss(torch.cat([y_true, torch.ones(1, 1)]), torch.cat([y_pred, torch.full((1, 1), float("nan"))]))
    same(found[:-1], expected)
    assert found[-1].isnan()


NAN_RAISES = {"BinaryCrossentropy"}
"""What Keras cannot compute of predictions that are not numbers: torch's kernel raises."""


@pytest.mark.parametrize("name, options, kind", [*CASES, *COUNTING], ids=str)
def test_predictions_that_are_not_numbers_are_counted_as_in_keras(name, options, kind):
    state = accumulator(getattr(metrics, name)(**options))
    theirs = getattr(keras.metrics, name)(**options)
    y_true, y_pred = batch(kind, 8, 0, ())
    y_pred[3] = np.nan
    state.update(torch.tensor(y_true), torch.tensor(y_pred), None, None)
    if name in NAN_RAISES and not options.get("from_logits"):
        assert state.result().isnan()
        return
    theirs.update_state(torch.tensor(y_true), torch.tensor(y_pred))
    torch.testing.assert_close(state.result(), theirs.result(), rtol=RTOL, atol=1e-6, check_dtype=False, equal_nan=True)
