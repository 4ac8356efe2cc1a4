"""Training on another device than the CPU, the device pretended: every loss, metric and optimizer, and steps of every layer.

A step brings nothing to the device, nor does it wait for a number of the device's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from spec_compiler import Input, Sequential, layers, load_spec, losses, metrics, optimizers
from spec_compiler.models import Model
from spec_compiler.runtime.losses import CompiledLoss
from spec_compiler.runtime.metrics import accumulator
from spec_compiler.runtime.optimizers import make_optimizer
from spec_compiler.runtime.step import device_of
from tests.devices import modules
from tests.devices.elsewhere import DEVICE, running
from tests.layers.cases import Case, all_cases, one_a_class
from tests.layers.test_steps import restrained
from tests.runtime import test_losses, test_metrics, test_optimizers


def there(array: Any) -> Tensor:
    return torch.as_tensor(np.asarray(array), device=DEVICE)


WEIGHTED = [(False, False), (True, False), (False, True), (True, True)]


@pytest.mark.parametrize("weighted, masked", WEIGHTED)
def test_losses_stay_on_the_device(weighted: bool, masked: bool) -> None:
    for name, options, kind in test_losses.CASES:
        loss = CompiledLoss(getattr(losses, name)(**options))
        for shape in ((7, 5), (3, 4, 5)):
            y_true, y_pred = map(there, test_losses.values_of(kind, shape))
            weight = [torch.ones(shape[0], device=DEVICE)] if weighted else None
            mask = [torch.ones(shape[:-1], dtype=torch.bool, device=DEVICE)] if masked else None
            if (weighted or masked) and options.get("axis", -1) != -1:
                continue  # the values are no longer the samples'
            with running():
                total, _ = loss([y_true], [y_pred.requires_grad_()], weight, mask)
                total.backward()
            assert total.device == DEVICE, name


@pytest.mark.parametrize("weighted, masked", WEIGHTED)
def test_metrics_stay_on_the_device(weighted: bool, masked: bool) -> None:
    for name, options, kind in (*test_metrics.CASES, *test_metrics.COUNTING):
        state = accumulator(getattr(metrics, name)(**options))
        y_true, y_pred = map(there, test_metrics.batch(kind, 8, 0))
        weight = torch.ones(8, device=DEVICE) if weighted else None
        mask = torch.ones(8, dtype=torch.bool, device=DEVICE) if masked else None
        state.update(y_true, y_pred, weight, mask)  # the thresholds are brought to the device once
        with running():
            state.update(y_true, y_pred, weight, mask)
            assert state.result().device == DEVICE, name


OPTIMIZERS = [
    *test_optimizers.UPDATE_CASES,
    *((name, options) for name in ("SGD", "Adam", "RMSprop") for options in test_optimizers.SHARED_OPTIONS),
]


@pytest.mark.parametrize("name", optimizers.__all__)
def test_optimizers_stay_on_the_device(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # torch has the kernel of plain SGD for numbers alone.
    monkeypatch.setattr(torch, "_fused_sgd_", lambda parameters, gradients, *args, **kwargs: None)
    for kind, options in OPTIMIZERS:
        if kind != name:
            continue
        weights = [torch.nn.Parameter(torch.ones(n, 3, device=DEVICE)) for n in (2, 5)]
        optimizer = make_optimizer(getattr(optimizers, kind)(**options), weights)
        for _ in range(4):
            with running():
                optimizer.zero_grad()
                optimizer.scale_loss(
                    sum((w.square().sum() for w in weights), torch.zeros((), device=DEVICE))
                ).backward()
                optimizer.step()


def cases() -> list[Case]:
    """A case a class, and the same under regularizers and constraints."""
    chosen = one_a_class(all_cases())
    return [*chosen, *(case for case in map(restrained, chosen) if case is not None)]


@pytest.mark.parametrize("file", sorted({case.id.partition(":")[0] for case in cases()}))
@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore:Using padding='same'")
def test_steps_stay_on_the_device(file: str) -> None:
    for case in cases():
        if case.id.partition(":")[0] == file:
            take_steps(case)


def take_steps(case: Case) -> None:
    """A step of training and one of evaluation, of a model whose weights were moved."""
    model = Model.from_spec(load_spec(modules.document(case)))
    x = modules.inputs_of(case)
    y = [np.zeros((case.batch, *y.shape[1:]), "float32") for y in modules.flat(model(x))]
    model.module.to(DEVICE)
    model.compile("adam", ["mse"] * len(y), metrics=[["mae"]] * len(y))
    if device_of(model.module) is None:  # then a step is taken where the data are
        x = [one.to(DEVICE) for one in x]
    (batch,) = model._adapt(x, y, np.ones(case.batch), batch_size=case.batch)
    step = model._ready(train=True)
    with running():
        step.train(batch)
        step.test(batch)
    assert step._total is not None and step._total.device == DEVICE


def test_data_go_where_a_model_without_weights_is() -> None:
    model = Sequential([Input((3,)), layers.Rescaling([1.0, 2.0, 3.0])])
    model.module.to(DEVICE)
    with running():
        assert model(torch.ones(2, 3, device=DEVICE)).device == DEVICE
    assert model(np.ones((2, 3))).device == DEVICE
